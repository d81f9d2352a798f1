"""The schema: migrations produce the declared one, and a failed migration leaves nothing behind."""

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text

from core.store import Store, StoreError, database
from core.store.models import Base
from tests.records import record

MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "0008", "0007"

def upgrade():
    {}

def downgrade():
    pass
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


@pytest.fixture
def another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Copy the migrations, add one whose upgrade is the given code, and use the copy."""

    def install(code: str) -> None:
        copy = tmp_path / "100% migrations"
        shutil.copytree(database.MIGRATIONS, copy, ignore=shutil.ignore_patterns("__pycache__"))
        (copy / "versions" / "0008_another.py").write_text(MIGRATION.format(code))
        monkeypatch.setattr(database, "MIGRATIONS", copy)

    return install


def opened(file: Path) -> Store:
    return Store(f"sqlite:///{file}")


def schema(file: Path) -> dict[str, str]:
    """Return the statements that create the database, without Alembic's table."""
    with closing(sqlite3.connect(file)) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'alembic%'")
        return {name: re.sub(r"\s*([(),])\s*", r"\1", " ".join(sql.split())) for name, sql in rows}


def version(file: Path) -> str:
    with closing(sqlite3.connect(file)) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def some_run(store: Store) -> int:
    run = store.runs.create(record(), name="kept")
    store.metrics.log(run.id, 1, {"loss": 0.5})
    return run.id


def add_as_at_first(connection: Connection, name: str, sweep: str | None = None) -> None:
    """Add a run with the columns of the first schema."""
    columns = {"name": name, "status": "stopped", "architecture": "a", "dataset": "b", "method": "c", "config": "{}", "sweep": sweep}
    columns |= {"reference": 0, "seed": 0, "epoch": 2, "epochs": 3, "created": "2026-01-01 00:00:00", "stop_requested": 0}
    columns |= {"figures": "{}", "notes": "", "tags": "[]"}
    marks = ", ".join(f":{column}" for column in columns)
    connection.execute(text(f"INSERT INTO runs ({', '.join(columns)}) VALUES ({marks})"), columns)


def test_the_migrated_schema_is_the_declared_one(file: Path, tmp_path: Path) -> None:
    opened(file)
    engine = create_engine(f"sqlite:///{file}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), Base.metadata) == []
    declared = tmp_path / "declared.db"
    Base.metadata.create_all(create_engine(f"sqlite:///{declared}"))
    assert schema(file) == schema(declared)  # also what Alembic does not compare: conditions of indices, cascades


def test_file_names_tell_the_revisions() -> None:
    script = ScriptDirectory(str(database.MIGRATIONS))
    assert database.revisions() == [step.revision for step in reversed(list(script.walk_revisions()))]


def test_down_to_nothing_and_up_again(file: Path) -> None:
    store = opened(file)
    before = schema(file)
    with database.connect(store.database.location).begin() as connection:
        database.migrate(connection, "base")
    assert not {"runs", "points", "checkpoints"} & schema(file).keys()
    some_run(opened(file))
    assert {name: sql for name, sql in schema(file).items() if name != "sqlite_sequence"} == {
        name: sql for name, sql in before.items() if name != "sqlite_sequence"
    }


def test_opening_again_changes_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = some_run(opened(file))
    monkeypatch.setattr(database, "upgrade", lambda location: pytest.fail("upgraded what is up to date"))
    assert opened(file).metrics.history(run) == {"loss": [(1.0, 0.5)]}


@pytest.mark.parametrize("fault", ["op.execute('SELECT nonsense')", "raise RuntimeError('nonsense')"])
@pytest.mark.parametrize("empty", [True, False])
def test_a_failed_migration_leaves_no_trace(file: Path, another: Any, fault: str, empty: bool) -> None:
    if not empty:
        some_run(opened(file))
    before = schema(file) if not empty else {}
    another(f"op.create_table('half', sa.Column('id', sa.Integer)); op.drop_table('points'); {fault}")
    with pytest.raises((StoreError, RuntimeError), match=r"nonsense|has other tables"):
        opened(file)
    assert schema(file) == before
    assert empty or version(file) == "0007"


def test_a_later_migration_keeps_what_refers_to_a_changed_table(file: Path, another: Any) -> None:
    run = some_run(opened(file))
    another("\n    with op.batch_alter_table('runs', recreate='always') as runs: runs.add_column(sa.Column('colour', sa.Text))")
    store = opened(file)
    assert "colour" in schema(file)["runs"]
    assert version(file) == "0008"
    assert store.metrics.history(run) == {"loss": [(1.0, 0.5)]}


def test_a_database_of_the_first_schema_is_upgraded_with_its_runs(file: Path) -> None:
    with database.connect(database.locate(f"sqlite:///{file}")).begin() as connection:
        database.migrate(connection, "0001")
        add_as_at_first(connection, "old")
    (run,) = opened(file).runs.all()
    assert (run.name, run.epoch, run.seconds, run.machine) == ("old", 2, 0, None)
    with database.connect(database.locate(f"sqlite:///{file}")).begin() as connection:
        database.migrate(connection, "base")
    assert not {"runs", "points", "checkpoints"} & schema(file).keys()


def test_the_variants_of_older_runs_are_those_that_their_names_tell(file: Path) -> None:
    names = {"all/every/0": None, "all/wide/every/1": "wide", "all/static go on/0": None, "renamed": None}
    with database.connect(database.locate(f"sqlite:///{file}")).begin() as connection:
        database.migrate(connection, "0002")
        for name in names:
            add_as_at_first(connection, name, "all")
    assert {run.name: run.variant for run in opened(file).runs.all()} == names


def test_a_newer_schema_is_refused(file: Path) -> None:
    store = opened(file)
    with store.database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match=r"newer version \(schema 9999\)"):
        opened(file)


def test_settings_of_sqlite(file: Path) -> None:
    store = opened(file)

    def setting(session: Any, name: str) -> Any:
        return session.scalar(text(f"PRAGMA {name}"))

    with store.database.write() as session:
        names = ("journal_mode", "foreign_keys", "busy_timeout", "synchronous")
        assert [setting(session, name) for name in names] == ["wal", 1, 10000, 1]
    with store.database.write(durable=True) as session:
        assert setting(session, "synchronous") == 2


def test_writers_lock_at_once_and_readers_do_not(file: Path) -> None:
    store = opened(file)
    with closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as other:
        with store.database.read() as session:
            session.execute(text("SELECT count(*) FROM runs"))
            other.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")
        with store.database.write() as session:
            session.execute(text("SELECT count(*) FROM runs"))
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
