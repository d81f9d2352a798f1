"""Errors of the database in words for a person. The database's own text, which can hold queries and values, is not among them."""

import sqlite3

from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError, StatementError

SQLITE_WORDS = {  # by SQLite's name of the error, or its first part
    "SQLITE_BUSY": "is busy: other programs have kept it locked for a minute. Try again",
    "SQLITE_LOCKED": "is busy: other programs have kept it locked for a minute. Try again",
    "SQLITE_FULL": "cannot be written: the disk is full. Make room and try again",
    "SQLITE_READONLY": "cannot be written: it is read-only. Name one in another folder with --db, or in GATESCOPE_DB",
    "SQLITE_NOTADB": "is not a database: name another file with --db, or in GATESCOPE_DB",
    "SQLITE_CORRUPT": "is damaged: restore a copy of it, or name another one with --db, or in GATESCOPE_DB",
    "SQLITE_CANTOPEN": "cannot be opened (unable to open the file): its folder must exist, and be open to reading and writing",
    "SQLITE_IOERR": "cannot be read or written: the disk reports an error",
    "SQLITE_CONSTRAINT": "does not take the entry, which contradicts another: another program may have added the same. Try again",
    "SQLITE_TOOBIG": "does not take the entry: it is too large",
    "SQLITE_ERROR": "has other tables than this project's: restore a copy of it, or name another one with --db, or in GATESCOPE_DB",
}
SERVER_WORDS = {  # by the SQL standard's number of the error, or its first two characters
    "22": "does not take the entry: a text or a number in it is too large, or holds a character that no text has",
    "23": SQLITE_WORDS["SQLITE_CONSTRAINT"],
    "25006": "cannot be written: it is read-only. Name the server that takes changes with --db, or in GATESCOPE_DB",
    "40": "is busy: another program changes the same entries. Try again",
    "42": SQLITE_WORDS["SQLITE_ERROR"],
    "42501": "may not be read or written by this user: grant it the rights, or name another database with --db, or in GATESCOPE_DB",
    "53100": SQLITE_WORDS["SQLITE_FULL"],
    "55P03": SQLITE_WORDS["SQLITE_BUSY"],
    "57": "ends its connections: its server is being stopped or started. Try again",
}
AWAY = ("08", "40", "53300", "55P03", "57P")  # numbers of errors that pass


def in_words(error: SQLAlchemyError) -> str:
    """Return what is wrong with a database, as the end of a sentence that begins with its name."""
    cause = error.orig if isinstance(error, StatementError) else error
    if isinstance(cause, sqlite3.Error):
        name = getattr(cause, "sqlite_errorname", "") or ""
        known = [words for start, words in SQLITE_WORDS.items() if name.startswith(start)]
        return known[-1] if known else f"cannot be used ({name or type(cause).__name__})"
    known = [words for start, words in SERVER_WORDS.items() if (_state(error) or "").startswith(start)]
    if known:
        return known[-1]
    if isinstance(error, OperationalError):  # the connection to a server: its text holds no query
        return "cannot be used: " + " ".join(str(cause).split())
    if isinstance(error, StatementError) and not isinstance(error, DBAPIError):
        said = str(cause) if type(cause) is ValueError else type(cause).__name__  # a ValueError is of this project's own columns
        return f"does not take a value that was given ({said})"
    return f"cannot be used ({type(cause).__name__})"


def busy(error: OperationalError) -> bool:
    """Return whether another program keeps the database locked, or its server is away, so that trying again can help."""
    if isinstance(error.orig, sqlite3.Error):
        return (getattr(error.orig, "sqlite_errorname", "") or "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
    state = _state(error)
    return state is None or state.startswith(AWAY)


def _state(error: SQLAlchemyError) -> str | None:
    """Return the number that the SQL standard gives an error; None for one of the connection, and where the driver tells none."""
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    return state if isinstance(state, str) else None
