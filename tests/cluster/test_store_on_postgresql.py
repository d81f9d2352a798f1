"""The store on PostgreSQL: the tests that it passes on SQLite, and what a server adds."""

import importlib
import threading
from pathlib import Path

import pytest
from sqlalchemy import create_engine, insert, inspect, text

from core.store import MetricPoint, Run, Store, StoreError, database
from core.store.copying import copy_store
from core.store.models import now
from tests.records import record
from tests.test_copying import contents, filled
from tests.test_store_processes import outputs, together

ON_SQLITE = {  # by file, the tests that read or break SQLite's file, or that need no database
    "test_store": ("test_the_address_comes", "test_a_database_that_cannot_be_opened", "test_loads_without"),
    "test_store_weights": (
        *("test_a_row_that_names_no_file", "test_a_pipe_is_not", "test_where_the_weights_folder_is", "test_databases_of_one_stem"),
        *("test_a_link_in_place", "test_weights_that_are_replaced"),
    ),
    "test_queue": (),
    "test_store_processes": (
        *("test_opening_waits_for_another", "test_a_killed_writer_leaves", "test_a_crash_while_saving", "test_a_crash_while_finishing"),
        "test_several_processes_open_a_new",
    ),
}
for _file, _left_out in ON_SQLITE.items():  # pytest collects them here, with the databases of this folder in place of theirs
    for _name, _test in vars(importlib.import_module(f"tests.{_file}")).items():
        if _name in ("started", "shipped") or (_name.startswith("test_") and not _name.startswith(_left_out or "-")):
            globals()[_name] = _test


def test_the_migrated_schema_is_the_declared_one_on_a_server(empty_database: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from core.store.models import Base

    with Store(empty_database).database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), Base.metadata) == []
        cascades = text("SELECT count(*) FROM information_schema.referential_constraints WHERE delete_rule = 'CASCADE'")
        assert connection.scalar(cascades) == 2
        index = connection.scalar(text("SELECT indexdef FROM pg_indexes WHERE indexname = 'ix_runs_name'"))
        assert index is not None
        assert index.startswith("CREATE UNIQUE INDEX")
        assert index.endswith("WHERE (deleted IS NULL)")


def test_several_processes_make_the_tables_at_once(empty_database: str) -> None:
    code = "store = Store(url)\nfor _ in range(5): store.runs.create(record())"
    outputs(together(code, empty_database, count=5))
    names = sorted(run.name for run in Store(empty_database).runs.all())
    assert names == sorted(f"a-b-{number}" for number in range(1, 26))


def test_the_migrations_go_down_and_up_again(store: Store) -> None:
    with store.database.engine.begin() as connection:
        database.migrate(connection, "base")
        assert inspect(connection).get_table_names() == ["alembic_version"]
    store.close()
    assert Store(store.url).runs.create(record()).id == 1


def test_a_database_of_schema_0003_is_upgraded_with_its_runs(empty_database: str) -> None:
    with database.connect(database.locate(empty_database)).begin() as connection:
        database.migrate(connection, "0003")
        columns = {"name": "old", "status": "stopped", "reference": False, "architecture": "lc_resnet", "dataset": "b", "method": "d2nn"}
        columns |= {"seed": 0, "config": '{"method": {"name": "d2nn", "taught": 0.5}}', "epoch": 1.0, "epochs": 3, "created": now()}
        columns |= {"stop_requested": False, "figures": "{}", "notes": "", "tags": "[]"}
        marks = ", ".join(f":{column}" for column in columns)
        connection.execute(text(f"INSERT INTO runs ({', '.join(columns)}) VALUES ({marks})"), columns)
        connection.execute(text("INSERT INTO points VALUES (1, 'train taught loss', 1, 0.5), (1, 'train taught loss', 2, 0.25)"))
        connection.execute(text("INSERT INTO points VALUES (1, 'train self-distillation loss', 2, 0.125)"))
    store = Store(empty_database)
    run = store.runs.get("old")
    assert (run.gated, run.config, run.seconds) == (True, {"method": {"name": "d2nn", "self_distillation": 0.5}}, 0)
    assert store.metrics.history(1) == {"train self-distillation loss": [(1.0, 0.5), (2.0, 0.125)]}


def test_a_server_that_was_away_is_used_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = store.runs.create(record())
    with create_engine(store.url, isolation_level="AUTOCOMMIT").connect() as connection:
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        assert connection.scalars(text(ended)).all() == [True]
    store.metrics.log(run.id, 1, {"loss": 0.5})
    assert store.metrics.history(run.id) == {"loss": [(1.0, 0.5)]}


def test_a_server_that_does_not_answer_is_one_clear_line(postgresql: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreError, match=r'/nowhere cannot be used: .* database "nowhere" does not exist') as said:
        Store(f"{postgresql}/nowhere")
    with pytest.raises(StoreError, match=r"\*\*\*@127\.0\.0\.1:1/db cannot be used: connection failed") as away:
        Store("postgresql+psycopg://me:secret@127.0.0.1:1/db")
    assert "\n" not in str(said.value) + str(away.value)
    assert "secret" not in str(away.value)
    store = Store(url)
    with pytest.raises(StoreError, match="too large"), store.database.write() as session:
        session.execute(insert(MetricPoint), [{"run_id": store.runs.create(record()).id, "name": "x" * 101, "epoch": 1.0, "value": 1.0}])
    with pytest.raises(StoreError, match="contradicts another"), store.database.write() as session:
        session.execute(insert(MetricPoint), [{"run_id": 7, "name": "x", "epoch": 1.0, "value": 1.0}])
    with pytest.raises(StoreError, match="no text"):
        store.runs.annotate(1, notes="\0")
    store.lifecycle.fail(1, "an error\0 with a NUL")
    assert store.runs.get(1).error == "an error with a NUL"


def test_a_row_that_another_program_keeps_locked_is_not_waited_for_without_end(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "LOCK_SECONDS", 0.5)
    store = Store(url)
    run = store.runs.create(record())
    with create_engine(url).begin() as other:
        other.execute(text("SELECT id FROM runs FOR UPDATE"))
        with pytest.raises(StoreError, match="is busy: other programs have kept it locked"):
            store.runs.annotate(run.id, notes="changed")
    store.runs.annotate(run.id, notes="changed")
    assert store.runs.get(run.id).notes == "changed"
    store.close()


def test_a_reader_sees_one_state(store: Store) -> None:
    run = store.runs.create(record())
    with store.database.read() as session:
        assert session.get_one(Run, run.id).notes == ""
        Store(store.url).runs.annotate(run.id, notes="changed meanwhile")
        session.expire_all()
        assert session.get_one(Run, run.id).notes == ""
    with pytest.raises(StoreError), store.database.read() as session:
        session.execute(text("DELETE FROM runs"))
    assert store.runs.get(run.id).notes == "changed meanwhile"


def test_a_process_keeps_one_connection(store: Store) -> None:
    threads = [threading.Thread(target=store.runs.all) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.database.engine.pool.checkedin() == 1


def test_a_store_goes_to_a_server_and_back(store: Store, tmp_path: Path) -> None:
    source, back = filled(f"sqlite:///{tmp_path / 'one.db'}"), Store(f"sqlite:///{tmp_path / 'back.db'}")
    copy_store(source, store)
    assert contents(store) == contents(source)
    copy_store(store, back)
    assert contents(back) == contents(source)
    assert store.runs.create(record()).id == source.runs.create(record()).id
