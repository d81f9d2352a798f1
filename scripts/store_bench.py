"""Let several processes write to a store at once, on SQLite and on a PostgreSQL server that this script starts, and count what is lost.

    python -m scripts.store_bench [--writers 8] [--seconds 120] [--rounds 2]

Each writer trains a run as far as the store can tell: it logs metrics without a pause, sends a heartbeat with every tenth of them, and
saves a checkpoint of 100 kB with every fiftieth. The databases take turns. Ends with status 1 if a row is lost or a writer has met an
error. PostgreSQL and core/store/postgresql.txt must be installed.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.store import RunRecord, Store, StoreError
from core.store.metrics import Metrics
from tests.cluster.postgresql import server

ROOT = Path(__file__).resolve().parents[1]
METRICS = ("train loss", "val accuracy", "val cost share")
WEIGHTS = bytes(100_000)
HEARTBEAT_EVERY, CHECKPOINT_EVERY = 10, 50  # logs


@dataclass
class Written:
    """What writers have written, and how long it took."""

    logs: int = 0
    heartbeats: int = 0
    checkpoints: int = 0
    errors: list[str] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)  # of each log
    saving: list[float] = field(default_factory=list)  # milliseconds of each checkpoint
    lost: int = 0  # points and checkpoints
    seconds: float = 0.0
    runs: list[int] = field(default_factory=list)

    def add(self, other: "Written") -> None:
        """Add what others have written in another round."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


def main() -> None:
    """Measure and print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--writers", type=int, default=8)
    options.add_argument("--seconds", type=float, default=120.0, help="for each database, in all rounds together")
    options.add_argument("--rounds", type=int, default=2)
    options.add_argument("--write", metavar="URL", help=argparse.SUPPRESS)  # this process is a writer
    given = options.parse_args()
    if given.write:
        print(json.dumps(vars(written(given.write, given.seconds))))
        return
    found = {"SQLite": Written(), "PostgreSQL": Written()}
    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryDirectory(dir="/var/tmp") as apart:
        os.environ["GATESCOPE_WEIGHTS"] = f"{scratch}/server.weights"
        with server(Path(apart)) as address:
            urls = {"SQLite": f"sqlite:///{scratch}/runs.db", "PostgreSQL": f"{address}/postgres"}
            for _ in range(given.rounds):
                for name, url in urls.items():
                    found[name].add(together(url, given.writers, given.seconds / given.rounds))
    load = os.getloadavg()[0]
    print(
        f"{given.writers} writers, {given.seconds:g} s on each database, {given.rounds} rounds; load {load:.1f} on {os.cpu_count()} cores"
    )
    heads = (("", 12), ("logs/s", 8), ("log, median", 12), ("99%", 9), ("checkpoint", 11), ("heartbeats", 11), ("checkpoints", 12))
    print(" ".join(f"{head:>{width}}" for head, width in (*heads, ("lost", 5), ("errors", 7))))
    for name, one in found.items():
        times = (
            f"{statistics.median(one.milliseconds):.1f} ms",
            f"{percentile(one.milliseconds, 99):.0f} ms",
            f"{statistics.median(one.saving):.0f} ms",
        )
        print(
            f"{name:<12} {one.logs / one.seconds:8.0f} {times[0]:>12} {times[1]:>9} {times[2]:>11} "
            f"{one.heartbeats:11} {one.checkpoints:12} {one.lost:5} {len(one.errors):7}"
        )
    for name, one in found.items():
        for error in sorted(set(one.errors))[:5]:
            print(f"{name}: {error}")
    sys.exit(any(one.lost or one.errors for one in found.values()))


def together(url: str, writers: int, seconds: float) -> Written:
    """Let writers write at the same time, and compare what they have written with what is there."""
    store = Store(url)
    command = [sys.executable, "-m", "scripts.store_bench", "--write", url, "--seconds", str(seconds)]
    processes = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(writers)]
    whole = Written(seconds=seconds)
    for process in processes:
        output, _ = process.communicate()
        found = json.loads(output) if process.returncode == 0 else {"errors": [f"ended with status {process.returncode}"]}
        one = Written(**found)
        one.lost = sum(lost(store, run_id, one.logs, one.checkpoints) for run_id in one.runs)
        whole.add(one)
    store.close()
    return whole


def lost(store: Store, run_id: int, logs: int, checkpoints: int) -> int:
    """Return how many of a writer's points are missing, and whether its last checkpoint is."""
    history = store.metrics.history(run_id)
    expected = [(float(step), 1 / (step + 1)) for step in range(logs)]
    missing = sum(len(set(expected) - set(history.get(name, []))) for name in METRICS)
    latest = store.checkpoints.read(run_id)
    return missing + int(bool(checkpoints) and (latest is None or latest[0].epoch != checkpoints or latest[1] != WEIGHTS))


def written(url: str, seconds: float) -> Written:
    """Write for some seconds, and return what was written."""
    store = Store(url)
    shape = {"config": {}, "architecture": "a", "dataset": "b", "method": "c", "gated": True, "lam": None, "seed": 0, "epochs": 1}
    run = store.lifecycle.claim(store.runs.create(RunRecord(**shape)).id)
    done = Written(runs=[run.id])
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            done.milliseconds.append(timed(store.metrics, run.id, done.logs))
            done.logs += 1
            if done.logs % HEARTBEAT_EVERY == 0:
                store.lifecycle.heartbeat(run.id)
                done.heartbeats += 1
            if done.logs % CHECKPOINT_EVERY == 0:
                began = time.perf_counter()
                store.checkpoints.save(run.id, done.checkpoints + 1, WEIGHTS)
                done.saving.append((time.perf_counter() - began) * 1e3)
                done.checkpoints += 1
        except StoreError as error:
            done.errors.append(str(error))
    store.lifecycle.stop(run.id)
    return done


def timed(metrics: Metrics, run_id: int, step: int) -> float:
    """Log one point of each metric and return the milliseconds."""
    began = time.perf_counter()
    metrics.log(run_id, float(step), dict.fromkeys(METRICS, 1 / (step + 1)))
    return (time.perf_counter() - began) * 1e3


def percentile(values: Sequence[float], percent: int) -> float:
    """Return a percentile of the values."""
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


if __name__ == "__main__":
    main()
