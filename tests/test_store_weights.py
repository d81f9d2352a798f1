"""Weights: the files beside the database, and the runs that ship with the project."""

import hashlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import make_url

from core.store import Run, Store, StoreError, TrainedRecord
from core.store.folder import write_all
from core.store.weights import Weights
from core.training.worker import start
from tests.records import measured, record


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(f"sqlite:///{tmp_path / 'runs.db'}")


def add(store: Store) -> Run:
    return store.runs.create(record(architecture="cascade", dataset="faces", method="d2nn", lam=0.6, seed=1, epochs=3))


def files(store: Store, run: Run) -> list[str]:
    return sorted(path.name for path in (store.weights.folder / str(run.id)).iterdir())


def test_weights_come_back(store: Store, tmp_path: Path) -> None:
    run = add(store)
    assert store.checkpoints.latest(run.id) is None
    saved = store.checkpoints.save(run.id, 1, b"tensors")
    checkpoint, path = store.checkpoints.latest(run.id)
    assert path == tmp_path / "runs.weights" / "1" / "epoch-0001.safetensors"
    assert path.read_bytes() == b"tensors"
    assert (checkpoint.id, checkpoint.epoch, checkpoint.size, checkpoint.file) == (saved.id, 1, 7, "1/epoch-0001.safetensors")
    assert checkpoint.sha256 == hashlib.sha256(b"tensors").hexdigest()
    assert checkpoint.created.tzinfo is not None


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(saves=st.lists(st.tuples(st.integers(1, 3), st.sampled_from([b"", b"one", b"two"])), min_size=1, max_size=6))
def test_the_last_two_saved_are_kept(store: Store, saves: list[tuple[int, bytes]]) -> None:
    run, other = add(store), add(store)
    store.checkpoints.save(other.id, 5, b"other")
    before: set[str] = set()
    for epoch, tensors in saves:
        store.checkpoints.save(run.id, epoch, tensors)
        checkpoint, path = store.checkpoints.latest(run.id)
        assert (checkpoint.epoch, path.read_bytes()) == (epoch, tensors)
        assert store.checkpoints.read(run.id)[1] == tensors
        assert set(files(store, run)) == before | {path.name}
        before = {path.name}
    assert store.checkpoints.latest(other.id)[1].read_bytes() == b"other"


def test_initial_weights_are_no_checkpoint_of_training_and_go_when_the_run_is_finished(store: Store) -> None:
    run = add(store)
    assert store.checkpoints.initial(run.id) is None
    store.checkpoints.save(run.id, 0, b"initial")
    assert (store.checkpoints.initial(run.id), store.checkpoints.read(run.id)) == (b"initial", None)
    store.lifecycle.claim(run.id)
    store.checkpoints.save(run.id, 1, b"one")
    assert (store.checkpoints.initial(run.id), store.checkpoints.read(run.id)[1]) == (b"initial", b"one")
    store.lifecycle.finish(run.id, {}, weights=b"final")
    assert store.checkpoints.initial(run.id) is None
    assert [file.read_bytes() for file in (store.weights.folder / str(run.id)).iterdir()] == [b"final"]


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"tensorz")])
def test_a_missing_or_altered_file_is_no_checkpoint(store: Store, harm: Any) -> None:
    run = add(store)
    store.checkpoints.save(run.id, 1, b"tensors")
    harm(store.checkpoints.latest(run.id)[1])
    assert store.checkpoints.latest(run.id) is None
    assert store.checkpoints.read(run.id) is None
    store.checkpoints.save(run.id, 2, b"second")
    store.checkpoints.save(run.id, 3, b"third")
    harm(store.checkpoints.latest(run.id)[1])
    assert store.checkpoints.read(run.id)[1] == b"second"


@pytest.mark.parametrize("file", ["x\0y", b"\xff", 7, "/dev/zero", "/dev/zero.safetensors", "../../secret", ""])
def test_a_row_that_names_no_file_of_weights_is_no_checkpoint(store: Store, file: object) -> None:
    run = add(store)
    store.checkpoints.save(run.id, 1, b"tensors")
    with closing(sqlite3.connect(store.database.location.database)) as connection, connection:
        connection.execute("UPDATE checkpoints SET file = ?", (file,))
    assert store.checkpoints.latest(run.id) is None
    assert store.checkpoints.read(run.id) is None
    assert store.checkpoints.save(run.id, 2, b"second").epoch == 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
@pytest.mark.parametrize("size", [7, "z", 2**62])
def test_a_pipe_is_not_waited_for(store: Store, size: object) -> None:
    run = add(store)
    store.checkpoints.save(run.id, 1, b"tensors")
    path = store.checkpoints.latest(run.id)[1]
    path.unlink()
    os.mkfifo(path)
    with closing(sqlite3.connect(store.database.location.database)) as connection, connection:
        connection.execute("UPDATE checkpoints SET size = ?", (size,))
    assert (store.checkpoints.latest(run.id), store.checkpoints.read(run.id)) == (None, None)


def test_weights_that_are_replaced_while_they_are_read_are_looked_up_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = add(store)
    store.checkpoints.save(run.id, 1, b"first")
    read, turns = Weights.read, iter(range(2, 6, 2))

    def late(weights: Weights, file: str, sha256: str, size: int) -> bytes | None:
        for epoch in next(turns, 9), 9:
            Store(store.url).checkpoints.save(run.id, epoch, f"epoch {epoch}".encode())
        return read(weights, file, sha256, size)

    monkeypatch.setattr(Weights, "read", late)
    checkpoint, tensors = store.checkpoints.read(run.id)
    assert (checkpoint.epoch, tensors) == (9, b"epoch 9")


def test_a_file_that_cannot_be_removed_is_removed_another_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "The process cannot access the file because it is being used by another process", str(path))

    run = add(store)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", opened)
        for epoch in range(4):
            store.checkpoints.save(run.id, epoch, b"tensors")
        store.lifecycle.finish(run.id, {}, weights=b"last")
    assert store.checkpoints.read(run.id)[1] == b"last"
    assert len(files(store, run)) == 5
    store.checkpoints.save(run.id, 9, b"again")
    assert len(files(store, run)) == 2


def test_only_checkpoints_are_ever_removed(store: Store) -> None:
    run = add(store)
    store.checkpoints.save(run.id, 1, b"tensors")
    folder = store.weights.folder / str(run.id)
    (folder / "notes.txt").write_text("mine")
    (folder / "my.safetensors").write_text("mine too")
    (folder / "epoch-0007.123.partial").write_text("left by a process that was killed")
    store.lifecycle.finish(run.id, {}, weights=b"last", epoch=3)
    assert files(store, run) == ["epoch-0003.safetensors", "my.safetensors", "notes.txt"]


def test_a_checkpoint_and_its_points_are_kept_together_or_not_at_all(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = store.lifecycle.claim(add(store).id, "a machine")
    store.checkpoints.save(run.id, 1, b"one", metrics={"loss": 0.5}, seconds=2.5)
    for module in ("checkpoints", "lifecycle"):
        monkeypatch.setattr(f"core.store.{module}.add_checkpoint", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        store.checkpoints.save(run.id, 2, b"two", metrics={"loss": 0.25}, seconds=2.5)
    with pytest.raises(ZeroDivisionError):
        store.lifecycle.finish(run.id, {"accuracy": 1.0}, weights=b"last")
    left = store.runs.get(run.id)
    assert (left.state, left.epoch, left.seconds, left.machine, left.figures) == ("running", 1, 2.5, "a machine", {})
    assert (store.metrics.history(run.id), store.checkpoints.read(run.id)[1]) == ({"loss": [(1.0, 0.5)]}, b"one")


def test_the_time_of_all_processes_adds_up(store: Store) -> None:
    run = add(store)
    for machine, told in (("one", "one"), ("one", "one"), ("another", "several machines"), ("one", "several machines")):
        assert store.lifecycle.claim(run.id, machine).machine == told
        store.checkpoints.save(run.id, 1, b"tensors", seconds=1.5)
        store.lifecycle.stop(run.id)
    assert store.runs.get(run.id).seconds == 6


def test_a_process_that_was_given_up_does_not_replace_its_successors_weights(store: Store) -> None:
    run = store.lifecycle.claim(add(store).id)
    store.checkpoints.save(run.id, 2, b"the successor's")
    with store.database.write() as session:
        session.get_one(Run, run.id).host = "another-computer"
    store.lifecycle.finish(run.id, {"late": 1}, weights=b"late", epoch=3)
    assert (store.runs.get(run.id).status, store.checkpoints.read(run.id)[1]) == ("running", b"the successor's")


def test_a_full_disk_is_a_clear_error_and_keeps_the_old(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = add(store)
    store.checkpoints.save(run.id, 1, b"old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match=r"runs\.weights: No space left"):
            store.checkpoints.save(run.id, 2, b"new")
    assert store.checkpoints.latest(run.id)[1].read_bytes() == b"old"


def test_a_folder_that_cannot_be_created_is_a_clear_error(store: Store) -> None:
    run = add(store)
    store.weights.folder.write_text("a file in its place")
    for action in (lambda: store.checkpoints.save(run.id, 1, b"tensors"), lambda: start(run.id, store.url)):
        with pytest.raises(StoreError, match=r"weights folder .*runs\.weights: "):
            action()


def test_nothing_is_saved_for_no_run(store: Store) -> None:
    with pytest.raises(StoreError, match="no run 7"):
        store.checkpoints.save(7, 1, b"tensors")
    assert not store.weights.folder.exists()


def test_purge_removes_everything_of_one_run(store: Store) -> None:
    run, other = add(store), add(store)
    for each in (run, other):
        store.metrics.log(each.id, 1, {"loss": 1.0})
        store.checkpoints.save(each.id, 1, b"tensors")
    store.runs.purge(other.id)
    assert [run.id for run in store.runs.all()] == [run.id]
    assert [path.name for path in store.weights.folder.iterdir()] == [str(run.id)]
    with store.database.read() as session:
        rows = [session.connection().exec_driver_sql(f"SELECT run_id FROM {table}").all() for table in ("points", "checkpoints")]
    assert rows == [[(run.id,)], [(run.id,)]]
    assert add(store).id > other.id


def test_where_the_weights_folder_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GATESCOPE_WEIGHTS", raising=False)
    assert Store("sqlite:///here.db").weights.folder == tmp_path / "here.weights"
    folders = [Weights(make_url(f"sqlite:///{name}")).folder.name for name in ("runs.db", "runs.sqlite4", "runs", "runs.sqlite4.db")]
    assert folders == ["runs.weights", "runs.sqlite4.weights", "runs..weights", "runs.sqlite4.db.weights"]
    mine, same, other = (
        Weights(make_url(f"postgresql://{who}@host/db{more}")).folder
        for who, more in (("me:a", ""), ("me:b", "?password=c"), ("you:a", ""))
    )
    assert mine == same != other
    assert (mine.parent, mine.name[:10], mine.suffix, len(mine.stem)) == (tmp_path, "gatescope-", ".weights", 18)
    monkeypatch.setenv("GATESCOPE_WEIGHTS", str(tmp_path / "big"))
    assert Weights(make_url("postgresql://host/db")).folder == tmp_path / "big"


def test_databases_of_one_stem_leave_each_other_alone(tmp_path: Path) -> None:
    stores = [Store(f"sqlite:///{tmp_path / name}") for name in ("runs.db", "runs.sqlite4", "runs.sqlite", "runs")]
    for turn in range(3):
        for number, store in enumerate(stores):
            run = add(store) if turn == 0 else store.runs.get(1)
            store.checkpoints.save(run.id, turn, bytes([number, turn]))
    assert [store.checkpoints.read(1)[1] for store in stores] == [bytes([number, 2]) for number in range(4)]


@pytest.fixture
def shipped(tmp_path: Path) -> dict[str, Any]:
    file = tmp_path / "assets" / "cascade.safetensors"
    file.parent.mkdir()
    file.write_bytes(b"shipped")
    described = {"architecture": "cascade", "dataset": "faces", "method": "d2nn", "gated": False, "lam": None, "seed": 0, "epochs": 12}
    return {
        "name": "reference/cascade",
        "record": TrainedRecord(
            config={"architecture": {"widths": (8, 16)}},
            **described,
            image=(3, 48, 48),
            classes=["a", "b"],
            figures=measured(None),
        ),
        "history": {"loss": [(1.0, 0.5), (2.0, 0.25)]},
        "file": file,
        "sha256": hashlib.sha256(b"shipped").hexdigest(),
    }


def test_a_reference_run_is_there_once(store: Store, shipped: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    run = store.imports.put_reference(**shipped)
    assert (run.state, run.reference, run.epoch, run.image, run.classes) == ("finished", True, 12, [3, 48, 48], ["a", "b"])
    assert store.metrics.history(run.id) == shipped["history"]
    assert store.checkpoints.latest(run.id)[1] == shipped["file"]
    again = Store(store.url)
    monkeypatch.setattr(again.database, "write", lambda: pytest.fail("wrote what is there already"))
    assert again.imports.put_reference(**shipped).id == run.id
    assert len(store.runs.all()) == 1


def test_a_changed_reference_is_updated_in_place(store: Store, shipped: dict[str, Any]) -> None:
    run = store.imports.put_reference(**shipped)
    store.runs.annotate(run.id, notes="mine")
    store.runs.delete(run.id)
    shipped["file"].write_bytes(b"better")
    record = shipped["record"].model_copy(update={"machine": "another"})
    changed = shipped | {"sha256": hashlib.sha256(b"better").hexdigest(), "record": record, "history": {"loss": [(1.0, 0.1)]}}
    assert store.checkpoints.latest(run.id) is None
    assert store.imports.put_reference(**changed).id == run.id
    assert store.checkpoints.latest(run.id)[1].read_bytes() == b"better"
    assert store.metrics.history(run.id) == changed["history"]
    (kept,) = store.runs.all(deleted=True)
    assert (kept.machine, kept.notes, store.runs.all()) == ("another", "mine", [])


def test_what_a_reference_refuses(store: Store, shipped: dict[str, Any]) -> None:
    run = store.imports.put_reference(**shipped)
    for refused in (lambda: store.lifecycle.claim(run.id), lambda: store.runs.purge(run.id), lambda: store.runs.rename(run.id, "mine")):
        with pytest.raises(StoreError, match="ships with the project"):
            refused()
    with pytest.raises(StoreError, match="must begin with reference/"):
        store.imports.put_reference(**shipped | {"name": "cascade"})
    with pytest.raises(StoreError, match="missing"):
        store.imports.put_reference(**shipped | {"file": Path("/nowhere.safetensors")})
    assert shipped["file"].exists()


@pytest.mark.skipif(os.name != "posix", reason="links need a permission on Windows")
def test_a_link_in_place_of_a_partial_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"precious")
    (tmp_path / f"new.{os.getpid()}.partial").symlink_to(tmp_path / "mine")
    write_all({tmp_path / "new": b"content"})
    assert ((tmp_path / "mine").read_bytes(), (tmp_path / "new").read_bytes()) == (b"precious", b"content")
    assert not (tmp_path / "new").is_symlink()
