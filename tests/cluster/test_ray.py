"""Sweeps on a Ray cluster of two machines, both of which are this one, with the runs in PostgreSQL."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
from ray.cluster_utils import Cluster as Machines
from safetensors.numpy import load

from core.datasets.digits import Digits
from core.store import Run, Store
from core.training.cluster import Cluster, ClusterError, start_on_cluster, sweep_on_cluster
from core.training.sweep import enlist, planned
from tests.test_cluster import CONFIG

ROOT = Path(__file__).parents[2]
PATIENCE = 240  # seconds until something must have happened, on a busy machine
MEMORY = 100_000_000  # bytes of each machine's shared memory
WORDS = (
    *("sweep", "cascade", "--name", "tiny", "--dataset", "digits", "--lams", "0.2,0.5,0.8", "--seeds", "0,1,2,3", "--epochs", "3"),
    *("--set", "architecture.trunk=[2,2]", "--set", "architecture.head=[2,2]"),
)


@pytest.fixture(scope="module")
def machines() -> Iterator[str]:
    """The address of a cluster of two machines, each of which trains one run at a time and says that it has a GPU."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
    room = {"num_cpus": 1, "num_gpus": 1, "object_store_memory": MEMORY, "include_dashboard": False}
    cluster = Machines(initialize_head=True, head_node_args=room)
    cluster.add_node(**{name: value for name, value in room.items() if name != "include_dashboard"})
    yield cluster.address
    cluster.shutdown()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the weights, which all machines see."""
    monkeypatch.setenv("GATESCOPE_WEIGHTS", str(tmp_path / "runs.weights"))
    return tmp_path / "runs.weights"


def swept(url: str, *more: str) -> subprocess.Popen[str]:
    """Start a sweep as a person does."""
    command = [sys.executable, "-m", "core", *WORDS, "--db", url, "--json", *more]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def until(found: Callable[[], Any], process: subprocess.Popen[str] | None = None) -> Any:
    """Wait for something and return it."""
    deadline = time.monotonic() + PATIENCE
    while not (there := found()):
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return there


def of_sweep(store: Store) -> list[Run]:
    return store.runs.of_sweeps(["tiny"])


def in_training(store: Store) -> Run | None:
    """Return a run that trains and has a checkpoint, once five others have ended."""
    runs = of_sweep(store)
    if sum(run.status == "finished" for run in runs) < 5:
        return None
    return next((run for run in runs if run.state == "running" and 1 <= run.epoch < 2.5 and store.checkpoints.latest(run.id)), None)


def trained_weights(store: Store, run: Run) -> dict[str, np.ndarray]:
    return load(store.checkpoints.read(run.id)[1])


def test_a_sweep_loses_a_process_and_ends_with_the_weights_of_the_same_sweep_at_home(
    machines: str, url: str, place: Path, tmp_path: Path
) -> None:
    home_url = f"sqlite:///{tmp_path / 'home.db'}"
    home = swept(home_url, "--jobs", "2")
    output, errors = home.communicate(timeout=PATIENCE)
    assert home.returncode == 0, errors
    store = Store(url)
    process = swept(url, "--ray", machines)
    victim = until(lambda: in_training(store), process)
    reached = store.checkpoints.latest(victim.id)[0].epoch
    os.kill(victim.pid, signal.SIGKILL)
    successor = until(lambda: next((run for run in of_sweep(store) if run.id == victim.id and run.pid != victim.pid), None), process)
    assert successor.epoch >= reached >= 1, "it went on from the last checkpoint"
    output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    printed = json.loads(output)
    assert [one["state"] for one in printed] == ["finished"] * 12
    at_home = Store(home_url)
    assert {run.name for run in of_sweep(store)} == {run.name for run in of_sweep(at_home)} == {one["run"] for one in printed}
    assert len({run.pid for run in of_sweep(store)}) >= 3  # two machines, and the process in place of the one that was killed
    for run in of_sweep(store):
        twin = at_home.runs.get(run.name)
        assert run.figures == twin.figures
        assert store.metrics.history(run.id).keys() == at_home.metrics.history(twin.id).keys()
        weights, same = trained_weights(store, run), trained_weights(at_home, twin)
        assert weights.keys() == same.keys()
        assert all(np.array_equal(weights[name], same[name]) for name in same), run.name
    assert [path.name[:10] for path in place.glob("*/*")] == ["epoch-0003"] * 12, "the final weights alone are left"


def test_a_run_is_stopped_and_a_sweep_is_interrupted_and_continued(machines: str, url: str, place: Path) -> None:
    store = Store(url)
    process = swept(url, "--ray", machines, "--epochs", "400")
    first = until(lambda: next((run for run in of_sweep(store) if run.state == "running" and run.epoch >= 1), None), process)
    store.lifecycle.request_stop(first.id)
    until(lambda: store.runs.get(first.id).state == "stopped", process)
    assert store.checkpoints.latest(first.id) is not None
    second = until(lambda: next((run for run in of_sweep(store) if run.state == "running" and run.epoch >= 1), None), process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    states = [run.state for run in of_sweep(store)]
    assert (len(states), set(states)) == (12, {"stopped", "queued"})
    assert store.runs.get(second.id).state == "stopped"
    again = swept(url, "--ray", machines, "--epochs", "400")
    on = until(lambda: next((run for run in of_sweep(store) if run.id in (first.id, second.id) and run.state == "running"), None), again)
    assert on.epoch >= 1
    again.send_signal(signal.SIGINT)
    again.communicate(timeout=PATIENCE)
    assert not [run for run in of_sweep(store) if run.state in ("running", "interrupted")]


def test_images_come_from_the_machine_that_began_the_sweep(machines: str, url: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads, read = [], Digits.read

    def read_here(digits: Digits, *more: Any) -> Any:
        data = read(digits, *more)
        reads.append(data)
        return type(data)(data.train, data.val, data.test, tuple("abcdefghij"))

    monkeypatch.setattr(Digits, "read", read_here)
    store = Store(url)
    short = CONFIG.model_copy(update={"training": CONFIG.training.model_copy(update={"epochs": 1})})
    runs = enlist(store, planned(short, [0.2, 0.5, 0.8], [0]), "tiny")
    *_, last = sweep_on_cluster(store, runs, Cluster(machines, cpus=0.5, gpus=0.5))
    assert [(run.state, run.classes) for run in last] == [("finished", list("abcdefghij"))] * 3
    assert len(reads) == 1
    with pytest.raises(ClusterError, match="has 1 processors and 2 GPUs"):
        next(sweep_on_cluster(store, runs, Cluster(machines, gpus=2)))
    assert not ray.is_initialized()


def test_the_studio_sends_runs_to_a_cluster(machines: str, url: str, place: Path) -> None:
    store = Store(url)
    short = CONFIG.model_copy(update={"training": CONFIG.training.model_copy(update={"epochs": 1})})
    runs = enlist(store, planned(short, [0.2, 0.8], [0]), "tiny")
    process = start_on_cluster(store, runs, Cluster(machines))
    assert process.wait(timeout=PATIENCE) == 0
    assert [run.state for run in of_sweep(store)] == ["finished"] * 2
    assert process.pid not in {run.pid for run in of_sweep(store)}


def test_an_address_without_a_cluster_is_one_line(url: str, place: Path) -> None:
    process = swept(url, "--ray", "127.0.0.1:1")
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert "no Ray cluster answers at 127.0.0.1:1" in errors
    assert errors.count("error:") == 1
