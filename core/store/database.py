"""The database behind the store: its address, its transactions and its schema."""

import os
import random
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import URL, Connection, Engine, Select, String, column, inspect, make_url, select, table
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from core.errors import UserError
from core.store.dialects import make_engine
from core.store.media import copied, writable
from core.store.refusals import SQLITE_WORDS, busy, in_words

DATABASE = "GATESCOPE_DB"  # environment variable: the address of the database where none is named
PROJECT_ROOT = Path(__file__).resolve().parents[2]
BUSY_SECONDS = 10.0  # for which SQLite itself waits
LOCK_SECONDS = 60.0  # seconds for which a program waits while others keep the database locked
SECRETS = ("password", "passwd", "sslpassword")  # parameters of an address that nobody is shown
MIGRATIONS = Path(__file__).parent / "migrations"
POSTGRESQL_PACKAGES = "core/store/postgresql.txt"
ONLY_ROW: Select[str] = select(table("alembic_version", column("version_num", String)).c.version_num)  # the schema's number
_upgrading = threading.Lock()  # Alembic keeps its context in globals


class StoreError(UserError):
    """An error of the store. Its text is one line for a person."""


class LostDatabaseError(StoreError):
    """Raised when the file of an open database was deleted or replaced."""


class Database:
    """An open database with the current schema."""

    def __init__(self, url: str | None = None) -> None:
        """Open the database; create or upgrade it if needed. Without `url`: GATESCOPE_DB, else runs.db in the project's folder.

        A database that cannot be written is read from a copy, which is gone with this object. Raises StoreError if the database cannot
        be opened or was made by a newer version.
        """
        self.location = locate(url)
        self.file = sqlite_file(self.location)
        self.read_only = self.file is not None and not writable(self.file)
        self._copy = TemporaryDirectory(prefix="gatescope-") if self.read_only else None
        opened = self.location
        if self.file and self._copy:
            try:
                opened = opened.set(database=str(copied(self.file, self._copy)))
            except OSError as error:
                raise StoreError(f"database {self.name} cannot be read: {error.strerror or error}") from None
        self.engine = connect(opened)
        reading = self.engine.execution_options(reading=True)
        durable = self.engine.execution_options(durable=True)
        self._readers = sessionmaker(reading, expire_on_commit=False, info={"writing": False})
        self._writers = sessionmaker(self.engine, expire_on_commit=False, info={"writing": True})
        self._durable = sessionmaker(durable, expire_on_commit=False, info={"writing": True})
        with self._errors():
            with reading.connect() as connection:
                current = revision(connection) == revisions()[-1]
            if not current:
                upgrade(opened)
        self._identity = self._seen()

    @property
    def name(self) -> str:
        """Return the address without its password."""
        return shown(self.location)

    @property
    def url(self) -> str:
        """Return the address with which another process opens the same database. It holds the password, if there is one."""
        return self.location.render_as_string(hide_password=False)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Yield a session that sees one state of the database and waits for no writer. Raises StoreError."""
        with self._transaction(self._readers) as session:
            yield session

    @contextmanager
    def write(self, *, durable: bool = False, shipped: bool = False, alone: bool = False) -> Iterator[Session]:
        """Yield a session in a write transaction. `durable`: survive a power cut. Raises StoreError.

        On SQLite, one transaction writes at a time. On a server, a transaction locks the runs that `find` returns to it; with `alone`,
        it also waits until no other transaction with `alone` is left: for what depends on several runs, as names and the queue do.
        `shipped`: write what ships with the project, also into the copy of a database that cannot be written.
        """
        if not shipped:
            self.check_writable()
        with self._transaction(self._durable if durable else self._writers) as session:
            if alone:
                session.execute(ONLY_ROW.with_for_update())
            yield session

    def check(self) -> None:
        """Raise LostDatabaseError if the file of the database was deleted or replaced since it was opened."""
        if self._seen() != self._identity:
            raise LostDatabaseError(f"database {self.name} was deleted or replaced while it was in use: put it back, or start again")

    def check_writable(self) -> None:
        """Raise StoreError if the database is a file that cannot be written."""
        if self.read_only:
            raise StoreError(f"database {self.name} {SQLITE_WORDS['SQLITE_READONLY']}")

    def close(self) -> None:
        """Close the connections; new ones are opened if the database is used again."""
        self.engine.dispose()

    def _seen(self) -> tuple[int, int] | None:
        """Return what tells the file of the database from any other; None where there is no such file."""
        if self.file is None or self.read_only:
            return None
        try:
            status = self.file.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    @contextmanager
    def _transaction(self, make: sessionmaker[Session]) -> Iterator[Session]:
        """Yield a session in a transaction that has begun.

        Waits at most LOCK_SECONDS while other programs keep the database locked, or while its server is away.
        """
        self.check()
        with self._errors(), self._begun(make) as session:
            try:
                yield session
                session.commit()
            except BaseException:
                session.rollback()
                raise

    def _begun(self, make: sessionmaker[Session]) -> Session:
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            session = make()
            try:
                session.execute(ONLY_ROW)  # begins the transaction, and fails where it must wait
            except BaseException as error:
                session.close()
                if not isinstance(error, OperationalError) or not busy(error) or time.monotonic() > deadline:
                    raise
                time.sleep(random.uniform(0.01, 0.05))
            else:
                return session

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise StoreError(f"database {self.name} {in_words(error)}") from error


def locate(url: str | None) -> URL:
    """Parse an address and make a file's path absolute. Without one: GATESCOPE_DB, else runs.db. Raises StoreError."""
    url = url or os.environ.get(DATABASE) or f"sqlite:///{PROJECT_ROOT / 'runs.db'}"
    try:
        location = make_url(url)
    except (SQLAlchemyError, ValueError):
        hidden = re.sub("//.*@", "//***@", re.sub(rf"\b({'|'.join(SECRETS)})=[^&]*", r"\1=***", url), flags=re.DOTALL)
        raise StoreError(f"{hidden!r} is not a database address: write one such as sqlite:////home/me/runs.db") from None
    if "@" in (location.host or ""):
        raise StoreError("the host in the database's address holds an @: write each @ of the password as %40, and each / as %2F")
    file = sqlite_file(location)
    return location.set(database=str(file)) if file else location


def shown(location: URL) -> str:
    """Return an address without its password, wherever in it that stands."""
    return location.difference_update_query(SECRETS).render_as_string()


def exists(url: str | None) -> bool:
    """Return whether there may be a database at an address: false for a file that is not there. Raises StoreError."""
    file = sqlite_file(locate(url))
    return file is None or file.exists()


def sqlite_file(location: URL) -> Path | None:
    """Return the file of an SQLite database; None for one in memory and for other databases."""
    name = location.database
    if location.get_backend_name() != "sqlite" or not name or name == ":memory:" or name.startswith("file:"):
        return None
    return Path(name).expanduser().absolute()


def connect(location: URL, *, foreign_keys: bool = True) -> Engine:
    """Create an engine whose transactions are those of `core.store.dialects`. Raises StoreError."""
    try:
        return make_engine(location, foreign_keys=foreign_keys, busy_seconds=BUSY_SECONDS, lock_seconds=LOCK_SECONDS)
    except ModuleNotFoundError as error:
        if location.get_backend_name() == "postgresql" and error.name == "psycopg":
            raise StoreError(f"PostgreSQL needs psycopg: python -m pip install -r {POSTGRESQL_PACKAGES}") from None
        raise StoreError(f"database {shown(location)}: {one_line(error)}") from None
    except (SQLAlchemyError, ImportError) as error:
        raise StoreError(f"database {shown(location)}: {one_line(error)}") from None


def revisions() -> list[str]:
    """Return the schema's revisions, oldest first, from the names of the migrations' files: importing Alembic is slow."""
    return sorted(file.name.split("_")[0] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def revision(connection: Connection) -> str | None:
    """Return the revision of the database; None if it is empty. Raises StoreError for an unknown revision or tables without one."""
    tables = inspect(connection)
    filled = tables.has_table("runs")  # looked for first: another process may add both in one transaction
    versioned = tables.has_table("alembic_version")
    found: str | None = connection.scalar(ONLY_ROW) if versioned else None
    if found is None and filled:
        address = shown(connection.engine.url)
        raise StoreError(
            f"database {address} has tables but not their schema's number: alembic_version is empty or missing. Restore a copy of the "
            "database, or name another one with --db, or in GATESCOPE_DB"
        )
    if found is not None and found not in revisions():
        address = shown(connection.engine.url)
        raise StoreError(f"database {address} was made by a newer version (schema {found}): update the project")
    return found


def upgrade(location: URL) -> None:
    """Upgrade the schema to the newest revision in one transaction, so that a failure changes nothing."""
    # SQLite changes a table by copying and dropping it; with foreign keys on, that would delete all rows that refer to it.
    engine = connect(location, foreign_keys=False)
    try:
        with _upgrading, engine.execution_options(durable=True).begin() as connection:
            if revision(connection) != revisions()[-1]:  # else another process was faster
                migrate(connection, "head")
    except DBAPIError:
        with engine.execution_options(reading=True).connect() as connection:
            if revision(connection) != revisions()[-1]:  # else another process was faster, on a server that lets two begin
                raise
    finally:
        engine.dispose()


def migrate(connection: Connection, target: str) -> None:
    """Run the migrations up to `target` ("head" or a revision), or down to "base", within the connection's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    (command.downgrade if target == "base" else command.upgrade)(config, target)


def one_line(error: object) -> str:
    """Return an error's text without line breaks, nor the NUL that not every database stores."""
    return re.sub(r"[\s\0]+", " ", str(error)).strip()
