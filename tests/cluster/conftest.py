"""What the tests of `make test-cluster` share: a PostgreSQL server, and an empty database on it for each test."""

import itertools
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from core.store import Store
from tests.cluster.postgresql import server

_numbers = itertools.count()
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it, as would every process that it starts


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that nothing else uses, without the name of a database."""
    folder = Path("/var/tmp") / tmp_path_factory.getbasetemp().name  # root's own scratch folder is closed to PostgreSQL's user
    with server(folder, fsync="off") as address:
        yield address
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def migrated(postgresql: str) -> str:
    """The name of a database with the current schema, of which each test gets a copy."""
    _execute(postgresql, "CREATE DATABASE migrated")
    Store(f"{postgresql}/migrated").close()
    return "migrated"


@pytest.fixture
def empty_database(postgresql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a database without tables."""
    return _created(postgresql, "template1", tmp_path, monkeypatch)


@pytest.fixture
def url(postgresql: str, migrated: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a store without runs."""
    return _created(postgresql, migrated, tmp_path, monkeypatch)


@pytest.fixture
def scratch_database(url: str) -> str:
    """The URL of a store without runs, which is also the default one while a test runs."""
    return url


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """A store without runs."""
    opened = Store(url)
    yield opened
    opened.close()


def _created(postgresql: str, template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"test{next(_numbers)}"
    _execute(postgresql, f"CREATE DATABASE {name} TEMPLATE {template}")
    monkeypatch.setenv("GATESCOPE_DB", f"{postgresql}/{name}")
    monkeypatch.setenv("GATESCOPE_WEIGHTS", str(tmp_path / "runs.weights"))
    return f"{postgresql}/{name}"


def _execute(postgresql: str, statement: str) -> None:
    engine = create_engine(f"{postgresql}/postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()
