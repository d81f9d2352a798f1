"""Many runs that belong together: several λ, several seeds, each in a process of its own."""

import os
import signal
import time
from collections.abc import Iterator, Sequence

from core.config import RunConfig
from core.store import Run, Store
from core.training.worker import start

POLL = 1.0  # seconds between looks at the runs


def planned(config: RunConfig, lams: Sequence[float | None], seeds: Sequence[int]) -> list[RunConfig]:
    """The configuration for each λ (none: one network for every λ) and each seed."""
    trainings = [config.training.model_copy(update={"seed": seed}) for seed in seeds]
    return [config.model_copy(update={"lam": lam, "training": training}) for training in trainings for lam in lams]


def enlist(store: Store, configs: Sequence[RunConfig], sweep: str) -> list[Run]:
    """The runs of a sweep, in order: those that are there already under its name and have the same configuration, and new ones."""
    there = {str(run.config): run for run in store.runs() if run.sweep == sweep}
    runs = []
    for config in configs:
        columns = config.columns()
        name = f"{sweep}/{'every' if config.lam is None else f'{config.lam:g}'}/{config.training.seed}"
        runs.append(there.get(str(columns["config"])) or store.add(name=name, sweep=sweep, **columns))
    return runs


def sweep(store: Store, runs: Sequence[Run], jobs: int) -> Iterator[list[Run]]:
    """Train what is not finished, `jobs` at a time, and yield how all stand, every second. What is going on is ended if the caller ends."""
    waiting = [run.id for run in runs if run.state not in ("finished", "running")]
    working: dict[int, int] = {}  # process of each run
    try:
        while True:
            now = [store.run(run.id) for run in runs]
            over = {run.id for run in now if run.id in working and run.state in ("finished", "failed", "stopped", "interrupted")}
            for run_id in over:
                _reap(working.pop(run_id))
            while waiting and len(working) < jobs:
                run_id = waiting.pop(0)
                working[run_id] = start(run_id, store.url)
            yield now
            if not working:
                return
            time.sleep(POLL)
    finally:
        for process in working.values():
            os.kill(process, signal.SIGTERM)
            _reap(process)


def _reap(process: int) -> None:
    """Take note that a child process has ended."""
    if hasattr(os, "waitpid"):
        try:
            os.waitpid(process, 0)
        except ChildProcessError:
            return
