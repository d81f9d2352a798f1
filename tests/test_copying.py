"""A whole store is copied to another database, all or nothing."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from test_cli import call, refused

from core.store import Checkpoint, MetricPoint, Run, Store, StoreError
from core.store.copying import copy_store
from core.store.references import load_references
from core.store.weights import Weights
from tests.records import measured, record


def filled(url: str) -> Store:
    """Return a store with a finished, a stopped, a deleted and a new run."""
    store = Store(url)
    for name in ("gone", "finished", "stopped", "deleted", "new"):
        store.runs.create(record(epochs=2, config={"training": {"epochs": 2}}), name=name, sweep="friday", variant="wide")
    store.runs.purge(store.runs.get("gone").id)
    for name in ("finished", "stopped"):
        run = store.lifecycle.claim(store.runs.get(name).id, "a machine")
        store.checkpoints.save(run.id, 1, f"{name} one".encode(), metrics={"loss": 0.5, "gap": float("nan")}, seconds=2.5)
    store.lifecycle.finish(store.runs.get("finished").id, measured(), weights=b"last", epoch=2)
    store.lifecycle.stop(store.runs.get("stopped").id)
    store.runs.annotate(store.runs.get("finished").id, notes="ünï", tags=["a", "b"])
    store.runs.delete(store.runs.get("deleted").id)
    return store


def contents(store: Store) -> dict[str, list[dict[str, Any]]]:
    """Return all rows of a store but the ids of its checkpoints, and the contents of its files."""
    found: dict[str, list[dict[str, Any]]] = {}
    with store.database.read() as session:
        for table in (Run, MetricPoint, Checkpoint):
            columns = [column.name for column in table.__table__.columns if (table, column.name) != (Checkpoint, "id")]
            found[table.__name__] = [
                {name: getattr(row, name) for name in columns} for row in session.query(table).order_by(*table.__table__.primary_key)
            ]
    found["weights"] = [{"content": store.checkpoints.read(run["id"])} for run in found["Run"] if run["status"] != "queued"]
    found["weights"] = [{"content": one["content"] and one["content"][1]} for one in found["weights"]]
    return found


def test_a_copy_has_all_that_the_store_has(tmp_path: Path) -> None:
    source, target = filled(f"sqlite:///{tmp_path / 'one.db'}"), Store(f"sqlite:///{tmp_path / 'two.db'}")
    load_references(source)
    load_references(target)  # as the studio does, whose runs were not used yet
    shares: list[float] = []
    done = copy_store(source, target, shares.append)
    assert contents(target) == contents(source)
    assert (done.files, done.bytes, done.damaged, done.lost, shares[-1]) == (2, len(b"laststopped one"), 0, 0, 1.0)
    assert done.runs == len(source.runs.all()) + 1
    assert target.runs.create(record()).id == source.runs.create(record()).id
    target.lifecycle.claim(target.runs.get("stopped").id)
    assert target.checkpoints.read(target.runs.get("stopped").id)[1] == b"stopped one"


def test_a_copy_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = filled(f"sqlite:///{tmp_path / 'one.db'}"), Store(f"sqlite:///{tmp_path / 'two.db'}")
    put, calls = Weights.put, iter(range(2))

    def once(weights: Weights, file: str, tensors: bytes) -> None:
        if next(calls):
            raise OSError(28, "No space left on device")
        put(weights, file, tensors)

    with monkeypatch.context() as patch:
        patch.setattr(Weights, "put", once)
        with pytest.raises(StoreError, match="No space left"):
            copy_store(source, target)
    assert target.runs.all() == []
    assert [path for path in target.weights.folder.rglob("*") if path.is_file()] == []
    copy_store(source, target)
    assert contents(target) == contents(source)


def test_what_cannot_be_copied_is_refused(tmp_path: Path) -> None:
    source, target = filled(f"sqlite:///{tmp_path / 'one.db'}"), Store(f"sqlite:///{tmp_path / 'two.db'}")
    with pytest.raises(StoreError, match="would hold the weights of both"):
        copy_store(source, Store(source.url))
    source.lifecycle.claim(source.runs.get("new").id)
    with pytest.raises(StoreError, match="run new is being trained: stop it first"):
        copy_store(source, target)
    source.lifecycle.stop(source.runs.get("new").id)
    target.runs.create(record(), name="mine")
    with pytest.raises(StoreError, match=r"two\.db has runs already"):
        copy_store(source, target)
    assert [run.name for run in target.runs.all()] == ["mine"]
    third = Store(f"sqlite:///{tmp_path / 'three.db'}")
    (third.weights.folder / str(source.runs.get("finished").id)).mkdir(parents=True)
    (third.weights.folder / str(source.runs.get("finished").id) / "epoch-0002.safetensors").write_bytes(b"of another database")
    with pytest.raises(StoreError, match=r"three\.weights.*epoch-0002\.safetensors is there already, with other contents: delete it"):
        copy_store(source, third)
    assert third.runs.all() == []


def test_a_copy_that_was_killed_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = filled(f"sqlite:///{tmp_path / 'one.db'}"), Store(f"sqlite:///{tmp_path / 'two.db'}")
    monkeypatch.setattr(target.weights, "discard", lambda file: None)  # a process that is killed takes nothing back
    with pytest.raises(KeyboardInterrupt):
        copy_store(source, target, killed)
    assert list(target.weights.folder.glob("*/*.safetensors"))
    copy_store(source, target)
    assert contents(target) == contents(source)


def killed(share: float) -> None:
    raise KeyboardInterrupt


def test_damaged_rows_and_lost_files_are_counted(tmp_path: Path) -> None:
    source, target = filled(f"sqlite:///{tmp_path / 'one.db'}"), Store(f"sqlite:///{tmp_path / 'two.db'}")
    store_file = source.checkpoints.latest(source.runs.get("finished").id)[1]
    Path(store_file).write_bytes(b"xxxx")
    with closing(sqlite3.connect(tmp_path / "one.db")) as connection, connection:
        connection.execute("UPDATE runs SET epoch = 'many' WHERE name = 'stopped'")
    done = copy_store(source, target)
    assert (done.damaged, done.lost, done.files) == (1, 1, 0)
    assert {"finished", "new"} <= {run.name for run in target.runs.all()}
    assert "stopped" not in {run.name for run in target.runs.all()}


def test_the_command_copies_and_says_what(tmp_path: Path) -> None:
    source = filled(f"sqlite:///{tmp_path / 'one.db'}")
    called = call("copy-store", source.url, f"sqlite:///{tmp_path / 'two.db'}")
    assert called.returncode == 0, called.stderr
    assert "2 files of weights" in called.stdout
    assert contents(Store(f"sqlite:///{tmp_path / 'two.db'}")) == contents(source)
    assert "there is no database" in refused("copy-store", f"sqlite:///{tmp_path / 'none.db'}", f"sqlite:///{tmp_path / 'three.db'}")
    assert not (tmp_path / "none.db").exists()
