"""Disks that are full or read-only, databases that vanish or stay locked, names that mean harm: each ends in one line that says what is."""

import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text

from app.form_state import prefill_again
from app.samples import samples_of
from app.trace import trace_json
from core.cli.options import opened
from core.cli.runs import runs
from core.cli.train import train_new
from core.config import run_config
from core.explain.model import load_model
from core.explain.predict import LamSweep, Trace
from core.registry import ConfigError
from core.store import Run, Store, StoreError
from core.store import database as databases
from core.store.database import LostDatabaseError
from core.store.exchange import export_run
from core.store.references import load_references
from core.store.runs import MissingRunError
from core.training import worker
from core.training.figures import TrainingError
from core.training.sweep import enlist, planned, sweep
from core.training.train import Progress
from core.training.worker import work
from tests.records import measured, record

CONFIG = run_config(architecture="high_low", dataset="digits", method="d2nn", training={"epochs": 3})
TRAVERSALS = ["", "  ", "-h", "--db", ".", "..", "../../x", "a/../b", "a//b", "/etc/passwd", "..\\x", "a/", "a\nb", "a" * 201, "a" * 10_000]
UNSEEN = ["a\u200bb", "a\u202eb", "\ufeffa", "a\ud800", "a\x00b", "a\u2028b", "\u2067a"]  # zero-width, right-to-left, half a character


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(worker, "BEAT", 0.02)
    monkeypatch.setattr(worker, "ENDING", (0.0, 0.01, 0.01))
    return Store(f"sqlite:///{tmp_path / 'runs.db'}")


def file_of(store: Store) -> Path:
    return Path(str(store.database.location.database))


def trains(monkeypatch: pytest.MonkeyPatch, *steps: Any) -> None:
    """Let a training consist of these steps: what it yields, what it raises, and what it does."""

    def train(*_: object, **__: object) -> Iterator[Progress]:
        for step in steps:
            if isinstance(step, BaseException):
                raise step
            if callable(step):
                step()
            else:
                yield step

    monkeypatch.setattr(worker, "train", train)


def new(store: Store, name: str = "it") -> Run:
    return store.runs.create(CONFIG.record(), name=name)


SAVED = Progress(1.0, {"loss": 0.5}, b"weights")
ENDED = Progress(3.0, {}, b"final", measured())
WAITING = [Progress(1.0 + step / 1000) for step in range(500)]


def pause() -> None:
    threading.Event().wait(0.02)


def steps() -> list[Any]:
    return [step for waiting in WAITING for step in (waiting, pause)]


@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_a_training_ends_when_its_database_is_gone(store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str) -> None:
    run = new(store)
    other = Store(f"sqlite:///{tmp_path / 'other.db'}")
    other.close()

    def go() -> None:
        if how == "deleted":
            file_of(store).unlink()
        else:
            os.replace(tmp_path / "other.db", file_of(store))

    trains(monkeypatch, SAVED, go, *steps(), ENDED)
    with pytest.raises(LostDatabaseError, match=r"runs\.db was deleted or replaced while it was in use"):
        work(store, run.id)
    assert file_of(store).exists() == (how == "replaced")  # none is made in its place


def test_a_training_ends_when_its_run_is_gone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = new(store)

    def go() -> None:
        with sqlite3.connect(file_of(store)) as connection:
            connection.execute("DELETE FROM runs")
        connection.close()

    trains(monkeypatch, SAVED, go, *steps(), ENDED)
    with pytest.raises(MissingRunError, match="is not in the database"):
        work(store, run.id)


def test_a_read_only_database_is_read_from_a_copy(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = new(store)
    store.checkpoints.save(run.id, 1, b"weights")
    store.close()
    before = {file.name: file.read_bytes() for file in file_of(store).parent.iterdir() if file.is_file()}
    monkeypatch.setattr(databases, "writable", lambda file: False)
    reading = Store(store.url)
    assert reading.checkpoints.read(run.id)[1] == b"weights"
    assert len(load_references(reading)) > 1
    for refused in (lambda: new(reading, "other"), lambda: reading.runs.rename(run.id, "x"), lambda: reading.lifecycle.claim(run.id)):
        with pytest.raises(StoreError, match=r"runs\.db cannot be written: it is read-only"):
            refused()
    monkeypatch.setattr("core.store.references.load_references", lambda store: [])
    runs(store.url)
    shown = capsys.readouterr()
    assert "it" in shown.out
    assert "nothing can be saved" in shown.err
    with pytest.raises(StoreError, match="cannot be written"):
        opened(store.url, writes=True)
    assert not capsys.readouterr().err, "a command that cannot go on says so once"
    assert {file.name: file.read_bytes() for file in file_of(store).parent.iterdir() if file.is_file()} == before


def test_a_read_only_folder_without_a_database_has_the_shipped_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "writable", lambda file: False)
    reading = Store(f"sqlite:///{tmp_path / 'runs.db'}")
    load_references(reading)
    assert all(run.reference for run in reading.runs.all())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("change", ["DELETE FROM alembic_version", "DROP TABLE alembic_version"])
def test_a_schema_without_its_number_is_named(store: Store, change: str) -> None:
    with store.database.write() as session:
        session.execute(text(change))
    store.close()
    with pytest.raises(StoreError, match="alembic_version is empty or missing"):
        Store(store.url)


def test_a_full_disk_leaves_no_partial_file_and_no_running_run(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = new(store)
    trains(monkeypatch, SAVED, Progress(2.0, {}, b"more weights"), ENDED)

    def full(path: Path, content: bytes) -> None:
        path.write_bytes(content[:3])
        if content != b"weights":
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("core.store.folder.write_through", full)
        with pytest.raises(StoreError, match=r"^weights folder [^\n]*runs\.weights: No space left on device$"):
            work(store, run.id)
    failed = store.runs.get(run.id)
    assert (failed.state, failed.error.endswith("No space left on device")) == ("failed", True)
    assert [file.name for file in (store.weights.folder / "1").iterdir()] == ["epoch-0001.safetensors"]
    trains(monkeypatch, ENDED)
    assert work(store, run.id).state == "finished"


def test_the_end_of_a_run_is_written_once_there_is_room(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run, fail, tried = new(store), store.lifecycle.fail, []

    def full(run_id: int, error: object) -> None:
        tried.append(error)
        if len(tried) < 3:
            raise StoreError("the disk is full")
        fail(run_id, error)

    monkeypatch.setattr(store.lifecycle, "fail", full)
    trains(monkeypatch, SAVED, RuntimeError("broken"))
    with pytest.raises(RuntimeError, match="broken"):
        work(store, run.id)
    assert (store.runs.get(run.id).state, store.runs.get(run.id).error) == ("failed", "broken")


def test_creation_and_claims_wait_for_a_locked_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "BUSY_SECONDS", 0.01)
    store = Store(f"sqlite:///{tmp_path / 'runs.db'}")
    for act in (lambda: store.runs.create(record(), name="it"), lambda: store.lifecycle.claim(1)):
        other = sqlite3.connect(file_of(store), isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.2, other.close)
        release.start()
        act()
        release.join()
    assert store.runs.get("it").state == "running"
    monkeypatch.setattr(databases, "LOCK_SECONDS", 0.1)
    other = sqlite3.connect(file_of(store), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="is busy"):
        store.lifecycle.stop(1)
    other.close()


@pytest.mark.parametrize("error", [StoreError("busy"), KeyboardInterrupt()])
def test_the_name_of_a_run_that_was_never_claimed_is_free_again(
    store: Store, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def claim(*_: object) -> Run:
        raise error

    monkeypatch.setattr(store.lifecycle, "claim", claim)
    with pytest.raises(type(error)):
        train_new(store, new(store), as_json=True)
    assert new(store).name == "it"


@pytest.mark.parametrize("state", ["queued", "failed"])
def test_a_run_that_is_interrupted_as_it_is_claimed_is_no_longer_claimed(store: Store, monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    run, claim = new(store), store.lifecycle.claim
    if state == "failed":
        store.lifecycle.fail(run.id, "broken")

    def claimed(*words: Any) -> Run:
        claim(*words)
        raise KeyboardInterrupt

    monkeypatch.setattr(store.lifecycle, "claim", claimed)
    with pytest.raises(KeyboardInterrupt):
        work(store, run.id)
    after = store.runs.get(run.id)
    assert (after.state, after.error) == (("stopped", None) if state == "queued" else ("failed", "broken"))
    monkeypatch.undo()
    assert store.lifecycle.claim(run.id).state == "running"


def test_lost_weights_are_called_lost(store: Store) -> None:
    run = new(store)
    with pytest.raises(StoreError, match="no weights yet"):
        load_model(store, run.id)
    store.lifecycle.claim(run.id)
    store.lifecycle.describe_data(run.id, (1, 8, 8), ["a", "b"])
    store.lifecycle.finish(run.id, measured(), weights=b"weights")
    store.checkpoints.latest(run.id)[1].write_bytes(b"weightz")
    with pytest.raises(StoreError, match="lost: their file is missing or damaged"):
        load_model(store, run.id)
    shutil.rmtree(store.weights.folder)
    with pytest.raises(StoreError, match="lost: their file is missing or damaged"):
        load_model(store, run.id)


class Killed:
    """A process that claimed its run and ends without a word as soon as it is asked to."""

    def __init__(self, store: Store, run_id: int) -> None:
        with store.database.write() as session:
            run = session.get_one(Run, run_id)
            run.status, run.pid, run.host = "running", 2**22 + 1, os.uname().nodename  # more than there can be

    def poll(self) -> None:
        """Return no exit status: it still runs."""

    def terminate(self) -> None:
        """End."""

    def wait(self, seconds: float | None = None) -> int:
        return -15


@pytest.mark.skipif(os.name != "posix", reason="there, only the heartbeat tells")
def test_an_interrupted_sweep_leaves_no_row_running(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    found = enlist(store, planned(CONFIG, [0.25, 0.5], [0]), "all")
    monkeypatch.setattr("core.training.sweep.start", lambda run_id, url, log: Killed(store, run_id))
    training = sweep(store, found, 2)
    next(training)
    training.close()
    assert {run.status for run in store.runs.all()} == {"stopped"}


@pytest.mark.parametrize("name", TRAVERSALS + UNSEEN, ids=ascii)
def test_names_that_mean_harm_are_refused(store: Store, name: str) -> None:
    for refused in (
        lambda: store.runs.create(record(), name=name),
        lambda: store.runs.rename(store.runs.create(record()).id, name),
        lambda: enlist(store, [CONFIG], name),
    ):
        with pytest.raises(StoreError, match="name") as said:
            refused()
        assert len(str(said.value)) < 400
    with pytest.raises(StoreError, match="no run"):
        store.runs.get(name)


def test_names_in_any_script_are_kept(store: Store) -> None:
    for name in ("λ-net", "模型/2", "مرحبا", "שלום", "é", "it's; rm -rf x", "a: NaN"):
        assert store.runs.create(record(), name=name).name == store.runs.get(name).name == name


def test_text_that_cannot_be_stored_is_refused_without_the_databases_words(store: Store) -> None:
    run = new(store)
    for refused in (lambda: store.runs.annotate(run.id, notes="\ud800"), lambda: store.runs.annotate(run.id, tags=["\udfff"])):
        with pytest.raises(StoreError, match="no text"):
            refused()
    with store.database.write() as session:
        session.execute(text("DROP TABLE runs"))
    with pytest.raises(StoreError, match="has other tables") as said:
        store.runs.all()
    assert not [word for word in ("SELECT", "sqlite3.", "no such", "sqlalche.me") if word in str(said.value)]


def test_a_name_is_unchanged_in_the_trace() -> None:
    nan = float("nan")
    trace = Trace(0.5, "b: NaN", {"b: NaN": nan}, [], [], {}, {}, {}, 1, 1, 1)
    sweeping = LamSweep([trace], [0], {}, [], trace)
    written = trace_json("a: NaN", "it", None, {}, sweeping, True)
    assert '"run": "a: NaN"' in written
    assert '"b: NaN": null' in written


def test_a_divergence_keeps_the_last_good_weights_and_says_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = new(store)
    trains(monkeypatch, Progress(0.5), SAVED, Progress(1.5), TrainingError("the loss is nan: lower training.learning_rate"))
    with pytest.raises(TrainingError, match=r"learning_rate\. The weights after epoch 1 are kept"):
        work(store, run.id)
    assert (store.runs.get(run.id).state, store.checkpoints.read(run.id)[1]) == ("failed", b"weights")
    assert "after epoch 1 are kept" in store.runs.get(run.id).error


@pytest.mark.parametrize("state", ["stopped", "failed", "interrupted"])
def test_a_refused_resume_leaves_the_run_as_it_was(store: Store, monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    run = new(store)
    trains(monkeypatch, SAVED, KeyboardInterrupt() if state == "stopped" else RuntimeError("broken"))
    with pytest.raises(BaseException, match=r"broken|^$"):
        work(store, run.id)
    if state == "interrupted":
        with store.database.write() as session:
            row = session.get_one(Run, run.id)
            row.status, row.heartbeat, row.host, row.error = "running", None, "another", None
    before = store.runs.get(run.id)
    assert before.state == state
    trains(monkeypatch, ConfigError("there are no such images"))
    with pytest.raises(ConfigError):
        work(store, run.id)
    after = store.runs.get(run.id)
    for column in ("state", "status", "error", "started", "finished", "heartbeat", "pid", "host", "machine", "epoch"):
        assert getattr(after, column) == getattr(before, column), column


def test_export_makes_no_folder(store: Store, tmp_path: Path) -> None:
    run = new(store)
    store.lifecycle.claim(run.id)
    store.lifecycle.describe_data(run.id, (1, 8, 8), ["a", "b"])
    store.lifecycle.finish(run.id, measured(), weights=b"weights")
    with pytest.raises(StoreError, match="there is no folder"):
        export_run(store, run.id, tmp_path / "some" / "where" / "it.safetensors")
    assert not (tmp_path / "some").exists()


def test_only_a_run_from_a_file_counts_as_imported(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = new(store)
    trains(monkeypatch, ENDED)
    assert not work(store, run.id).imported
    with store.database.write() as session:
        session.get_one(Run, run.id).host = None
    assert store.runs.get(run.id).imported


@pytest.mark.parametrize("dataset", ["folder", "cifar10", "mnist"])
def test_a_folder_that_an_imported_file_names_is_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, dataset: str) -> None:
    read: list[object] = []
    monkeypatch.setattr("app.state._samples", lambda *asked: read.append(asked))
    monkeypatch.setattr("app.state.stand_ins", lambda *_: ([], None))
    config = run_config(architecture="high_low", dataset={"name": dataset, "path": str(tmp_path)}, method="d2nn")
    run = Run(**config.record().columns(), status="finished", reference=False)
    model: Any = SimpleNamespace(image=(3, 32, 32), classes=("a", "b"), config=config)
    assert "is not followed" in samples_of(run, model).replaced
    assert read == []
    monkeypatch.setattr("app.form_state.st.session_state", filled := {})
    prefill_again(run)
    assert filled[f"form-datasets-{dataset}-path"] == ""
    run.host = "here"
    prefill_again(run)
    assert filled[f"form-datasets-{dataset}-path"] == str(tmp_path)
    monkeypatch.setattr("app.state._samples", lambda *asked: read.append(asked) or ([], None))
    samples_of(run, model)
    assert len(read) == 1
