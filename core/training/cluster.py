"""Sweeps on a Ray cluster: each run is a task, which Ray gives to another process if its own is killed.

The images of a dataset are read once, here, and reach each machine once; its processes share them. All else is as at home: the task claims
the run in the database, sends heartbeats, saves checkpoints and honours requests to stop. A run whose process was killed goes on from its
last checkpoint.
"""

import argparse
import logging
import os
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from core.config import run_config
from core.errors import UserError
from core.store import Run, Store, StoreError
from core.store.weights import PLACE
from core.trackers import TRACKER
from core.training.cluster_task import packed_data, train_run
from core.training.sweep import ENDING_SECONDS, POLL
from core.training.worker import spawn

RAY_PACKAGES = "core/training/ray.txt"
STARTED_HERE = "local"  # the address of a cluster that is started on this machine, and ends with the sweep
RETRIES = 5  # processes after the first that a run may lose
ANSWER_SECONDS = 10.0  # within which a cluster's first machine takes a connection
SENT_VARIABLES = ("AWS_", "AZURE_", "FSSPEC_", "GOOGLE_", "HF_", "MLFLOW_", "TRACKIO_", "WANDB_")  # how those that the cluster gets begin
WITH_CLUSTER = "waiting for room on the cluster"


class ClusterError(UserError):
    """Raised when a sweep cannot be trained on a cluster. The text is one line that says what to do."""


@dataclass(frozen=True)
class Cluster:
    """Where Ray trains the runs of a sweep, and what it reserves for each: processors and GPUs, also fractions of them.

    `jobs`: how many are trained at the same time; None: as many as there is room for. `log`: the tracker that also gets the figures.
    """

    address: str
    cpus: float = 1.0
    gpus: float = 0.0
    jobs: int | None = None
    log: str | None = None


def sweep_on_cluster(store: Store, runs: Sequence[Run], cluster: Cluster) -> Generator[list[Run]]:
    """Train the unfinished runs on a cluster and yield all runs every second. Raises ClusterError.

    The trainings end once the generator is closed: at the exit of Python, Ray would be started anew to end them.
    """
    ray = _connected(store, cluster)
    try:
        yield from _Tasks(ray, store, cluster).run(runs)
    finally:
        ray.shutdown()


def start_on_cluster(store: Store, runs: Sequence[Run], cluster: Cluster) -> subprocess.Popen[bytes]:
    """Start a process that trains the runs on a cluster and outlives this one. Raises StoreError."""
    store.lifecycle.hand_over([run.id for run in runs], WITH_CLUSTER)
    words = [*(str(run.id) for run in runs), "--ray", cluster.address, "--cpus", str(cluster.cpus), "--gpus", str(cluster.gpus)]
    try:
        return spawn(store, "core.training.cluster", runs[0].id, words)
    except (StoreError, OSError) as error:
        for run in runs:
            store.lifecycle.fail(run.id, error)
        raise


class _Tasks:
    """The tasks of a sweep: which runs wait, which are with Ray, and whose task has ended."""

    def __init__(self, ray: Any, store: Store, cluster: Cluster) -> None:
        self._ray, self._store, self._jobs, self._log = ray, store, cluster.jobs, cluster.log
        options = {"num_cpus": cluster.cpus, "num_gpus": cluster.gpus, "max_retries": RETRIES}
        self._task = ray.remote(train_run).options(**options)
        self._data: dict[str, Any] = {}  # of each dataset, the reference to its images in the cluster
        self._working: dict[Any, int] = {}  # of each task, its run
        self._ended: dict[int, Exception] = {}  # runs whose task has ended, and what to say of one that it has left unfinished

    def run(self, runs: Sequence[Run]) -> Iterator[list[Run]]:
        """Hand over the unfinished runs and yield all runs every second until none is left."""
        waiting = [run for run in runs if run.state not in ("finished", "running", "damaged")]
        queued = {run.id for run in runs if run.state == "queued"}
        try:
            while True:
                self._collect()
                while waiting and (self._jobs is None or len(self._working) < self._jobs):
                    run = self._store.runs.get(waiting.pop(0).id)
                    if not (run.deleted or (run.id in queued and run.state == "stopped")):  # stopped while it was queued
                        self._submit(run)
                yield standing(self._store, runs)
                if not (waiting or self._working or self._ended):
                    return
                time.sleep(POLL)
        finally:
            self._end()

    def _submit(self, run: Run) -> None:
        """Hand a run over to Ray, with the images of its dataset. A run whose images cannot be read has failed."""
        try:
            dataset = run_config(**run.config).dataset
            key = dataset.model_dump_json()
            if key not in self._data:
                self._data[key] = self._ray.put(packed_data(dataset.read()))
        except Exception as error:  # the images cannot be read, or do not fit into the cluster's memory
            self._store.lifecycle.fail(run.id, error)
            return
        self._working[self._task.remote(self._store.url, run.id, self._data[key], self._log, run.state == "queued")] = run.id

    def _collect(self) -> None:
        """Take back the tasks that have ended. A run that its task has left unfinished has failed, once nothing trains it any more."""
        ended, _ = self._ray.wait(list(self._working), num_returns=len(self._working), timeout=0) if self._working else ([], [])
        for task in ended:
            run_id = self._working.pop(task)
            try:
                self._ray.get(task)
            except Exception as error:  # of Ray: the process was lost too often, or could not be started
                self._ended[run_id] = error
            else:
                self._ended[run_id] = ClusterError("its process on the cluster ended before the training began: see Ray's logs")
        for run_id, reason in list(self._ended.items()):
            run = self._store.runs.get(run_id)
            if run.state != "running":  # else a process trains on that Ray has given up
                del self._ended[run_id]
                if run.state in ("queued", "interrupted") and not run.deleted:
                    self._store.lifecycle.fail(run_id, reason)

    def _end(self) -> None:
        """Stop the runs whose tasks have not ended, each at its next heartbeat."""
        for task in reversed(self._working):  # those that wait first: none begins in the place of one that ends
            self._ray.cancel(task)
        with suppress(Exception):
            self._ray.wait(list(self._working), num_returns=len(self._working), timeout=ENDING_SECONDS) if self._working else None
        for run_id in self._working.values():
            with suppress(StoreError):
                if self._store.runs.get(run_id).state == "interrupted":  # it had no time to write that it stopped
                    self._store.lifecycle.stop(run_id)


def standing(store: Store, runs: Sequence[Run]) -> list[Run]:
    """Return the runs as they are now, by one query for all."""
    known = {run.id: run for run in store.listing.all()}
    return [known.get(run.id) or store.runs.get(run.id) for run in runs]


def check_cluster(store: Store, cluster: Cluster) -> None:
    """Raise ClusterError if a cluster cannot train the runs of a store, as far as that can be told without a connection."""
    if cluster.address != STARTED_HERE:
        if store.database.file is not None:
            raise ClusterError(
                "--ray ADDRESS needs a database that all machines reach: move the runs to PostgreSQL with `python -m core copy-store`, "
                "and name it with --db"
            )
        if not os.environ.get(PLACE):
            raise ClusterError(f"--ray ADDRESS needs {PLACE}: set it to a folder that all machines see, or to an object store")
    if not cluster.cpus and not cluster.gpus:
        raise ClusterError("a run without processors and GPUs would leave no limit to how many train at once: give it some of either")
    if cluster.gpus > 1 and cluster.gpus % 1:
        raise ClusterError(f"{cluster.gpus:g} GPUs are not possible: a fraction of one, or whole ones")
    if not has_ray():
        raise ClusterError(f"--ray needs Ray: python -m pip install -r {RAY_PACKAGES}")
    _check_answers(cluster.address)


def has_ray() -> bool:
    """Return whether Ray is installed."""
    return find_spec("ray") is not None


def _connected(store: Store, cluster: Cluster) -> Any:
    """Return Ray, connected to the cluster. Raises ClusterError if the cluster cannot train these runs."""
    check_cluster(store, cluster)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would report to its makers
    ray: Any = import_module("ray")
    environment = {PLACE: store.weights.address} | {name: value for name, value in os.environ.items() if name.startswith(SENT_VARIABLES)}
    package = {"py_modules": [str(Path(__file__).parents[1])], "excludes": ["**/__pycache__"], "env_vars": environment}
    try:
        ray.init(cluster.address, runtime_env=package, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # of classes that share no base
        raise ClusterError(f"no Ray cluster answers at {cluster.address}: {' '.join(str(error).split())}") from None
    rooms = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(room.get("CPU", 0) >= cluster.cpus and room.get("GPU", 0) >= cluster.gpus for room in rooms):
        ray.shutdown()
        raise ClusterError(
            f"no machine of the cluster has {cluster.cpus:g} processors and {cluster.gpus:g} GPUs: give less with --cpus, --gpus"
        )
    return ray


def _check_answers(address: str) -> None:
    """Raise ClusterError where nothing answers at an address, such as head:6379 or ray://head:10001: Ray would try for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdecimal():
        try:
            socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
        except (OSError, OverflowError) as error:
            raise ClusterError(f"no Ray cluster answers at {address}: {error}") from None


def main() -> None:
    """Run `python -m core.training.cluster RUN_ID... --db URL --ray ADDRESS`, the entry of the process that the studio starts."""
    parser = argparse.ArgumentParser(
        description="Train runs on a Ray cluster. The app starts this; use `python -m core sweep --ray` by hand."
    )
    parser.add_argument("runs", type=int, nargs="+")
    parser.add_argument("--db", default=None)
    parser.add_argument("--ray", required=True)
    parser.add_argument("--cpus", type=float, default=1.0)
    parser.add_argument("--gpus", type=float, default=0.0)
    arguments = parser.parse_args()
    store = Store(arguments.db)
    try:
        for _ in sweep_on_cluster(
            store,
            [store.runs.get(run) for run in arguments.runs],
            Cluster(arguments.ray, arguments.cpus, arguments.gpus, log=os.environ.get(TRACKER)),
        ):
            pass
    except Exception as error:  # of Ray, too: whoever watches the runs should know
        if not isinstance(error, UserError):
            traceback.print_exc()
        for run in arguments.runs:
            with suppress(StoreError):
                store.lifecycle.note(run, error)
        sys.exit(str(error))


if __name__ == "__main__":
    main()
