"""What SQLite and a database server need so that the same transactions mean the same: set up once, when an engine is made.

Transactions have two execution options. `reading`: it sees one state of the database and writes nothing. `durable`: it survives a power cut
once it is committed. Without it, the last transactions before a power cut may be lost, and none of them in part.
"""

import contextlib
import sqlite3
import time
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

CONNECTIONS = 1  # that a process keeps open to a server while it does nothing
MORE_CONNECTIONS = 15  # that it opens for as long as threads need them


def make_engine(location: URL, *, foreign_keys: bool, busy_seconds: float, lock_seconds: float) -> Engine:
    """Create an engine whose transactions have the options above. May raise SQLAlchemyError or ImportError.

    `busy_seconds`: for which SQLite itself waits for a lock; `lock_seconds`: for which its write-ahead log, or a row of a server, is waited
    for.
    """
    if location.get_backend_name() == "sqlite":
        engine = create_engine(location)
        _prepare_sqlite(engine, foreign_keys, busy_seconds, lock_seconds)
    else:
        engine = create_engine(location, pool_size=CONNECTIONS, max_overflow=MORE_CONNECTIONS)
        _prepare_server(engine, lock_seconds)
    return engine


def _prepare_sqlite(engine: Engine, foreign_keys: bool, busy_seconds: float, lock_seconds: float) -> None:
    """Let transactions begin explicitly, so that they include changes of the schema; those that write lock at once."""

    @event.listens_for(engine, "connect")
    def configure(driver: Any, _record: Any) -> None:
        driver.isolation_level = None
        driver.text_factory = lambda value: value.decode(errors="replace")  # one damaged text must not keep the others from being read
        driver.execute(f"PRAGMA busy_timeout = {busy_seconds * 1000:.0f}")
        driver.execute(f"PRAGMA foreign_keys = {int(foreign_keys)}")
        _write_ahead(driver, lock_seconds)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        connection.exec_driver_sql(f"PRAGMA synchronous = {'FULL' if options.get('durable') else 'NORMAL'}")
        connection.exec_driver_sql("BEGIN" if options.get("reading") else "BEGIN IMMEDIATE")


def _prepare_server(engine: Engine, lock_seconds: float) -> None:
    """Let transactions that read see one state, and those that need not be durable wait for no disk. Others lock rows as they need them.

    No lock is waited for longer than `lock_seconds`, not even if the program that holds it hangs.
    """

    @event.listens_for(engine, "connect")
    def configure(driver: Any, _record: Any) -> None:
        with contextlib.closing(driver.cursor()) as cursor:
            cursor.execute(f"SET lock_timeout = {lock_seconds * 1000:.0f}")
        driver.commit()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if options.get("reading"):
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        elif not options.get("durable"):
            connection.exec_driver_sql("SET LOCAL synchronous_commit = off")


def _write_ahead(driver: Any, lock_seconds: float) -> None:
    """Switch SQLite to its write-ahead log. While another process does so, SQLite reports "locked" at once, despite the timeout."""
    deadline = time.monotonic() + lock_seconds
    while True:
        try:
            driver.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
