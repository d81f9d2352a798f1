"""Many runs that belong together: several λ, several seeds, each in a process of its own."""

import argparse
import os
import signal
import time
from collections.abc import Iterator, Sequence
from typing import Any

from core.baselines import routes
from core.config import RunConfig, run_config
from core.methods.static import Static
from core.network.route import static_nodes
from core.registry import ConfigError
from core.store import Run, Store
from core.training.worker import start

POLL = 1.0  # seconds between looks at the runs


def planned(config: RunConfig, lams: Sequence[float | None], seeds: Sequence[int]) -> list[RunConfig]:
    """The configuration for each λ (none: one network for every λ) and each seed."""
    choices = config.model_dump(mode="json", exclude={"lam", "training"})
    trainings = [config.training.model_dump() | {"seed": seed} for seed in seeds]
    return [run_config(**choices, lam=lam, training=training) for training in trainings for lam in lams]


def static_paths(config: RunConfig, seeds: Sequence[int]) -> list[RunConfig]:
    """A static network for every path through the architecture, to be trained on its own, for each seed.

    Raises GraphError, DataError, or ConfigError where one path is asked for.
    """
    stills, classes = config.dataset.samples(1)
    channels, height, width = stills.images.shape[1:]
    graph = config.architecture.build((channels, height, width), len(classes))
    kept = {static_nodes(graph, choice): choice for choice in routes(graph)}
    if isinstance(config.method, Static) and config.method.route:
        raise ConfigError("--statics trains every path: leave method.route out")
    like = config.method if isinstance(config.method, Static) else Static(refreshed=config.method.refreshed)
    methods = [
        like.model_copy(update={"route": tuple(f"{control.name}={control.options[choice[control.name]]}" for control in graph.controls)})
        for choice in kept.values()
    ]
    trainings = [config.training.model_copy(update={"seed": seed}) for seed in seeds]
    return [config.model_copy(update={"lam": None, "method": method, "training": training}) for training in trainings for method in methods]


def enlist(store: Store, configs: Sequence[RunConfig], sweep: str, variant: str = "") -> list[Run]:
    """The runs of a sweep, in order: those that are there already under its name and have the same configuration, and new ones.

    A `variant` is what tells them from other runs of the sweep; their names show it.
    """
    there = {str(_now(run)): run for run in store.runs() if run.sweep == sweep}
    runs = []
    for config in configs:
        columns = config.columns()
        name = "/".join(filter(None, (sweep, variant, _kind(config), str(config.training.seed))))
        runs.append(there.get(str(columns["config"])) or store.add(name=name, sweep=sweep, **columns))
    return runs


def _now(run: Run) -> dict[str, Any]:
    """The configuration of a run with what options that have come since are by default."""
    try:
        return run_config(**run.config).columns()["config"]  # type: ignore[no-any-return]
    except ConfigError:
        return run.config


def _kind(config: RunConfig) -> str:
    """What tells a run of a sweep from the others but for its seed: its λ, or the path of a static network."""
    if isinstance(config.method, Static):
        return " ".join(filter(None, ("static", ",".join(choice.partition("=")[2] for choice in config.method.route))))
    return "every" if config.lam is None else f"{config.lam:g}"


def sweep(store: Store, runs: Sequence[Run], jobs: int) -> Iterator[list[Run]]:
    """Train what is not finished, `jobs` at a time, and yield how all stand, every second. What is going on is ended if the caller ends."""
    waiting = [run.id for run in runs if run.state not in ("finished", "running")]
    queued = {run.id for run in runs if run.state == "queued"}
    working: dict[int, int] = {}  # process of each run
    try:
        while True:
            now = [store.run(run.id) for run in runs]
            over = {run.id for run in now if run.id in working and run.state in ("finished", "failed", "stopped", "interrupted")}
            for run_id in over:
                _reap(working.pop(run_id))
            while waiting and len(working) < jobs:
                run_id = waiting.pop(0)
                if not (run_id in queued and store.run(run_id).state == "stopped"):  # the sweep was stopped before its turn came
                    working[run_id] = start(run_id, store.url)
            yield now
            if not working:
                return
            time.sleep(POLL)
    finally:
        for process in working.values():  # all are told before any is waited for
            os.kill(process, signal.SIGTERM)
        for process in working.values():
            _reap(process)


def _reap(process: int) -> None:
    """Take note that a child process has ended."""
    if hasattr(os, "waitpid"):
        try:
            os.waitpid(process, 0)
        except ChildProcessError:
            return


def main() -> None:
    """The process's entry: `python -m core.training.sweep NAME --db URL`."""
    parser = argparse.ArgumentParser(
        description="Train what is not finished of a sweep; started by the app, of use by hand for nothing else."
    )
    parser.add_argument("name")
    parser.add_argument("--db", default=None)
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the process of the run that is going on ends with this one
    store = Store(asked.db)
    runs = sorted((run for run in store.runs() if run.sweep == asked.name), key=lambda run: run.id)
    for _ in sweep(store, runs, 1):
        pass


if __name__ == "__main__":
    main()
