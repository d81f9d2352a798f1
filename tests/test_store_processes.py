"""Several processes on one database, and processes that are killed."""

import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from core.store import Store
from core.store.folder import WeightsFolder
from tests.records import measured, record

ROOT = Path(__file__).resolve().parents[1]
# Each process reports that it has loaded, waits for a line, and works; so all work at the same time.
START = """
import sys
from core.store import Store, StoreError
from tests.records import measured, record
url = sys.argv[1]
print('ready', flush=True)
sys.stdin.readline()
"""
ADD = "run = store.runs.create(record())\n"


def together(code: str, url: str, *, count: int) -> list[subprocess.Popen[str]]:
    """Start processes that run the code, and release them all at once."""
    command = [sys.executable, "-c", START + code, url]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    processes = [subprocess.Popen(command, cwd=ROOT, text=True, **pipes) for _ in range(count)]
    for process in processes:
        assert process.stdout.readline() == "ready\n", process.stderr.read()
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    return processes


def outputs(processes: list[subprocess.Popen[str]]) -> list[str]:
    """Return what the processes print, once all have ended without an error."""
    ended = [process.communicate(timeout=20) for process in processes]
    assert [error for _, error in ended] == [""] * len(processes)
    return [output for output, _ in ended]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'runs.db'}"


def test_several_processes_open_a_new_database_at_once(url: str) -> None:
    outputs(together(f"store = Store(url)\n{ADD}", url, count=5))
    assert sorted(run.name for run in Store(url).runs.all()) == [f"a-b-{number}" for number in range(1, 6)]


def test_opening_waits_for_another_that_is_making_the_database(url: str, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "runs.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")  # SQLite does not wait for this one of itself when it is to switch to its write-ahead log
    release = threading.Timer(0.3, other.close)
    release.start()
    assert Store(url).runs.all() == []
    release.join()


def test_four_processes_write_two_hundred_points_each(url: str) -> None:
    code = f"store = Store(url)\n{ADD}\nfor step in range(200): store.metrics.log(run.id, step / 10, {{'loss': step, 'accuracy': -step}})"
    outputs(together(code, url, count=4))
    store = Store(url)
    assert len(store.runs.all()) == 4
    for run in store.runs.all():
        assert store.metrics.history(run.id)["loss"] == [(step / 10, step) for step in range(200)]
        assert store.metrics.history(run.id)["accuracy"] == [(step / 10, -step) for step in range(200)]


def test_only_one_process_gets_a_run(url: str) -> None:
    run = Store(url).runs.create(record(), name="wanted")
    code = """
store = Store(url)
try: print(store.lifecycle.claim(1).pid, flush=True)
except StoreError as error: print(error, flush=True)
sys.stdin.readline()
"""
    processes = together(code, url, count=4)  # they stay alive until all have tried: a dead one's claim would be free again
    said = [process.stdout.readline().strip() for process in processes]
    outputs(processes)
    winner = [line for line in said if line.isdecimal()]
    assert len(winner) == 1
    assert sum(f"already being trained, by process {winner[0]} on" in line for line in said) == 3
    assert Store(url).runs.get(run.id).state == "interrupted"


def test_a_killed_writer_leaves_a_readable_database(url: str, tmp_path: Path) -> None:
    code = f"""
store = Store(url)
{ADD}
store.lifecycle.claim(run.id)
for step in range(100_000):
    store.metrics.log(run.id, step, {{'loss': step, 'accuracy': step}})
    if step == 20: print('writing', flush=True)
"""
    (process,) = together(code, url, count=1)
    assert process.stdout.readline() == "writing\n"
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=20)
    store = Store(url)
    curve = store.metrics.history(1)
    assert len(curve["loss"]) > 20
    assert curve["loss"] == curve["accuracy"] == [(step, step) for step in range(len(curve["loss"]))]
    assert store.runs.get(1).epoch == curve["loss"][-1][0]
    assert sqlite3.connect(tmp_path / "runs.db").execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert store.runs.get(1).state == "interrupted"
    store.metrics.log(1, 0, {"loss": 9.0})


# Each way to die while weights are saved, and whether the new ones count by then.
DEATHS = {
    "before the bytes are on the disk": ("os.fsync = die", False),
    "before the file has its name": ("os.replace = die", False),
    "before the row is written": ("event.listen(store.database._durable.kw['bind'], 'begin', die)", False),
    "before the row is committed": ("event.listen(store.database._durable.kw['bind'], 'commit', die)", False),
    "before the old file is removed": ("pathlib.Path.unlink = die", True),
}


@pytest.mark.long
def test_a_crash_while_saving_leaves_usable_weights(tmp_path: Path) -> None:
    code = """
import os, pathlib
from sqlalchemy import event
store = Store(url)
die = lambda *args, **options: os._exit(9)
{}
store.checkpoints.save(1, 1, b'new', metrics={{'loss': 2.0}})  # the same epoch again: the case in which a file could be lost
print('survived')
"""
    stores, processes = [], []
    for number, (death, _) in enumerate(DEATHS.values()):
        (tmp_path / str(number)).mkdir()
        store = Store(f"sqlite:///{tmp_path / str(number) / 'runs.db'}")
        store.runs.create(record())
        store.checkpoints.save(1, 1, b"oldest")
        store.checkpoints.save(1, 1, b"old", metrics={"loss": 1.0})
        stores.append(store)
        processes += together(code.format(death), store.url, count=1)
    for store, process, (death, counts) in zip(stores, processes, DEATHS.values(), strict=True):
        output, error = process.communicate(timeout=20)
        assert (process.returncode, output, error) == (9, "", ""), death
        assert store.checkpoints.latest(1)[1].read_bytes() == (b"new" if counts else b"old"), death
        assert store.metrics.history(1) == {"loss": [(1.0, 2.0 if counts else 1.0)]}, death
        store.checkpoints.save(1, 2, b"newest")
        checkpoint, path = store.checkpoints.latest(1)
        left = {file.read_bytes() for file in path.parent.iterdir()}
        assert (checkpoint.epoch, left) == (2, {b"newest", b"new" if counts else b"old"}), death


def test_a_crash_while_finishing_leaves_the_checkpoint_or_the_finished_run(tmp_path: Path) -> None:
    code = """
import os, pathlib
from sqlalchemy import event
store = Store(url)
store.lifecycle.claim(1)
store.checkpoints.save(1, 2, b'state', metrics={{'loss': 1.0}}, seconds=5)
die = lambda *args, **options: os._exit(9)
{}
store.lifecycle.finish(1, measured(), weights=b'weights', epoch=2)
print('survived')
"""
    stores, processes = [], []
    for number, (death, _) in enumerate(DEATHS.values()):
        (tmp_path / str(number)).mkdir()
        stores.append(Store(f"sqlite:///{tmp_path / str(number) / 'runs.db'}"))
        stores[-1].runs.create(record(epochs=2))
        processes += together(code.format(death), stores[-1].url, count=1)
    for store, process, (death, counts) in zip(stores, processes, DEATHS.values(), strict=True):
        output, error = process.communicate(timeout=20)
        assert (process.returncode, output, error) == (9, "", ""), death
        run = store.runs.get(1)
        found = (run.state, run.figures, store.checkpoints.read(1)[1])
        assert found == (("finished", measured(), b"weights") if counts else ("interrupted", {}, b"state")), death
        assert (run.epoch, run.seconds, store.metrics.history(1)) == (2, 5, {"loss": [(2.0, 1.0)]}), death


def test_a_file_that_is_gone_as_it_is_opened_counts_as_missing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(url)
    store.runs.create(record())
    store.checkpoints.save(1, 1, b"weights")

    def gone(folder: WeightsFolder, name: str) -> bytes:
        folder.place(name).unlink(missing_ok=True)
        raise FileNotFoundError(name)

    monkeypatch.setattr(WeightsFolder, "hash", gone)
    assert store.checkpoints.latest(1) is None
    store.checkpoints.save(1, 2, b"weights")
    monkeypatch.setattr(WeightsFolder, "read", gone)
    assert store.checkpoints.read(1) is None


def test_weights_can_be_read_while_another_process_saves(url: str) -> None:
    store = Store(url)
    store.runs.create(record())
    store.checkpoints.save(1, 10, b"0" * 100_000)
    code = """
store = Store(url)
print('saving', flush=True)
for epoch in range(1, 150): store.checkpoints.save(1, epoch, str(epoch % 10).encode() * 100_000)
store.lifecycle.finish(1, {}, weights=b'last')
"""
    (process,) = together(code, url, count=1)
    assert process.stdout.readline() == "saving\n"
    while process.poll() is None:
        checkpoint, tensors = store.checkpoints.read(1)
        assert tensors in (b"last", str(checkpoint.epoch % 10).encode() * 100_000)
        assert store.checkpoints.latest(1) is not None
    outputs([process])
    assert store.checkpoints.read(1)[1] == b"last"
