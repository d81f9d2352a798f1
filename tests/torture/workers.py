"""Trials with the process of a training: it is killed, its disk is full, or its folder vanishes; it resumes to the same weights."""

import random
import shutil
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from core.config import run_config
from core.store import Store
from core.store.record import RunRecord
from tests.torture.trial import LostError

ROOT = Path(__file__).parents[2]
PATIENCE = 120  # seconds of one process
LIMITED = "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0})); sys.argv = sys.argv[1:]; "
WORKER = "runpy.run_module('core.training.worker', run_name='__main__', alter_sys=True)"


def _record() -> RunRecord:
    shape = {"name": "plain", "widths": [4, 4]}
    return run_config(architecture=shape, dataset="digits", method="static", training={"epochs": 12}).record()


def _started(store: Store, run_id: int, largest: int | None = None) -> subprocess.Popen[bytes]:
    """Start a worker; `largest`: the most bytes that a file of its may have, as on a full disk."""
    code = ["-m", "core.training.worker"] if largest is None else ["-c", LIMITED.format(largest) + WORKER, "worker"]
    return subprocess.Popen(
        [sys.executable, *code, str(run_id), "--db", store.url], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


@cache
def _undisturbed() -> str:
    """Return the hash of the weights of a training that nothing disturbs."""
    with TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{folder}/runs.db")
        run = store.runs.create(_record())
        _started(store, run.id).communicate(timeout=PATIENCE)
        return _hash(store, run.id)


def _hash(store: Store, run_id: int) -> str:
    run = store.runs.get(run_id)
    latest = store.checkpoints.read(run_id)
    if run.state != "finished" or latest is None:
        raise LostError(f"the run is {run.state}: {run.error}")
    return latest[0].sha256


def _resumed(store: Store, run_id: int) -> None:
    """Train a run to its end and compare its weights. Raises LostError."""
    if store.runs.get(run_id).state != "finished":
        _started(store, run_id).communicate(timeout=PATIENCE)
    if _hash(store, run_id) != _undisturbed():
        raise LostError("its weights differ from those of an undisturbed run")
    if left := [file.name for file in store.weights.folder.rglob("*.partial")]:
        raise LostError(f"parts of files are left: {left}")


def kill(chance: random.Random, folder: Path) -> None:
    """Kill the process at a random moment, sometimes once more."""
    store = Store(f"sqlite:///{folder / 'runs.db'}")
    run = store.runs.create(_record())
    for _ in range(chance.choice((1, 1, 1, 2))):
        if store.runs.get(run.id).state == "finished":
            break
        worker = _started(store, run.id)
        time.sleep(chance.uniform(1.5, 6.0))
        worker.kill()
        worker.communicate()
    _resumed(store, run.id)


def disk(chance: random.Random, folder: Path) -> None:
    """Let no file grow beyond a size, or take the folder of the weights away; then let the training resume."""
    store = Store(f"sqlite:///{folder / 'runs.db'}")
    run = store.runs.create(_record())
    if chance.random() < 0.5:
        worker = _started(store, run.id, largest=chance.choice((1000, 4000, 12_000, 60_000)))
    else:
        worker = _started(store, run.id)
        time.sleep(chance.uniform(2.0, 5.0))
        if store.runs.get(run.id).state != "finished":
            shutil.rmtree(store.weights.folder, ignore_errors=True)
    worker.communicate(timeout=PATIENCE)
    if store.runs.get(run.id).state == "running":
        raise LostError("the process has ended and the run is still called running")
    _resumed(store, run.id)
