"""The database behind the store: where it is, how its transactions begin, and its schema."""

import os
import re
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from core.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
MIGRATIONS = Path(__file__).parent / "migrations"
_upgrading = threading.Lock()  # Alembic keeps its context in globals


class StoreError(UserError):
    """Something the store cannot do; its text is one line for a person."""


class Database:
    """An open database whose schema is this code's."""

    def __init__(self, url: str | None = None) -> None:
        """Opens, and makes or upgrades where needed. Without `url`: the environment's GATESCOPE_DB, else runs.db at the project's root.

        Raises StoreError if the database cannot be opened or is newer than this code.
        """
        self.location = locate(url or os.environ.get("GATESCOPE_DB") or f"sqlite:///{ROOT / 'runs.db'}")
        self.engine = connect(self.location)
        reading = self.engine.execution_options(begin="BEGIN")
        durable = self.engine.execution_options(synchronous="FULL")
        self._readers = sessionmaker(reading, expire_on_commit=False, info={"writing": False})
        self._writers = sessionmaker(self.engine, expire_on_commit=False, info={"writing": True})
        self._durable = sessionmaker(durable, expire_on_commit=False, info={"writing": True})
        with self._errors():
            with reading.connect() as connection:
                current = revision(connection) == revisions()[-1]
            if not current:
                upgrade(self.location)

    @property
    def url(self) -> str:
        """The address with which another process opens the same database; holds the password, if there is one."""
        return self.location.render_as_string(hide_password=False)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one state of the database and waits for no writer. Raises StoreError."""
        with self._errors(), self._readers.begin() as session:
            yield session

    @contextmanager
    def write(self, *, durable: bool = False) -> Iterator[Session]:
        """One write transaction, begun at once; `durable` survives also a power cut. Raises StoreError."""
        with self._errors(), (self._durable if durable else self._writers).begin() as session:
            yield session

    def close(self) -> None:
        """Gives the connections back; the store opens new ones if it is used again."""
        self.engine.dispose()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            raise StoreError(f"database {self.location.render_as_string()}: {one_line(cause)}") from error


def locate(url: str) -> URL:
    """The parsed address, a file's path made absolute. Raises StoreError."""
    try:
        location = make_url(url)
    except (SQLAlchemyError, ValueError):
        raise StoreError(f"{url!r} is no database address: write one like sqlite:////home/me/runs.db") from None
    file = sqlite_file(location)
    return location.set(database=str(file)) if file else location


def sqlite_file(location: URL) -> Path | None:
    """The file of an SQLite database; none for one in memory and for other databases."""
    name = location.database
    if location.get_backend_name() != "sqlite" or not name or name == ":memory:" or name.startswith("file:"):
        return None
    return Path(name).expanduser().absolute()


def connect(location: URL, *, foreign_keys: bool = True) -> Engine:
    """An engine. On SQLite the driver begins nothing by itself, so a transaction holds schema changes too. Raises StoreError."""
    try:
        engine = create_engine(location)
    except (SQLAlchemyError, ImportError) as error:
        raise StoreError(f"database {location.render_as_string()}: {one_line(error)}") from None
    if engine.dialect.name != "sqlite":
        return engine

    @event.listens_for(engine, "connect")
    def configure(driver: Any, _record: Any) -> None:
        driver.isolation_level = None
        driver.execute("PRAGMA busy_timeout = 10000")
        driver.execute(f"PRAGMA foreign_keys = {int(foreign_keys)}")
        write_ahead(driver)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        connection.exec_driver_sql(f"PRAGMA synchronous = {options.get('synchronous', 'NORMAL')}")
        connection.exec_driver_sql(options.get("begin", "BEGIN IMMEDIATE"))

    return engine


def write_ahead(driver: Any) -> None:
    """Switches SQLite to its write-ahead log. While another process does so, SQLite answers "locked" at once, whatever the timeout."""
    deadline = time.monotonic() + 10
    while True:
        try:
            driver.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def revisions() -> list[str]:
    """The schema's revisions, oldest first: what the migrations' file names begin with. Spares a start the import of Alembic."""
    return sorted(file.name.split("_")[0] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def revision(connection: Connection) -> str | None:
    """The revision that the database has; none if it is empty. Raises StoreError for one that this code does not know."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    if found is not None and found not in revisions():
        address = connection.engine.url.render_as_string()
        raise StoreError(f"database {address} was made by a newer version (schema {found}): update the project")
    return found


def upgrade(location: URL) -> None:
    """Brings the schema to the newest revision in one transaction, so that a failure leaves it as it was."""
    # SQLite changes a table by making it anew and dropping the old one; with foreign keys on, that would delete all that refers to it.
    engine = connect(location, foreign_keys=False)
    try:
        with _upgrading, engine.begin() as connection:
            if revision(connection) != revisions()[-1]:  # else another process was faster
                migrate(connection, "head")
    finally:
        engine.dispose()


def migrate(connection: Connection, target: str) -> None:
    """Runs the migrations up to "head", or down to "base", within the connection's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    (command.downgrade if target == "base" else command.upgrade)(config, target)


def one_line(error: object) -> str:
    """An error's text without line breaks."""
    return re.sub(r"\s+", " ", str(error)).strip()
