"""Many runs that belong together: several λ, several seeds, each in a process of its own."""

import argparse
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from subprocess import Popen
from types import MappingProxyType
from typing import Any

from core.config import RunConfig, run_config
from core.evaluation.baselines import routes
from core.graph.static import static_nodes
from core.methods.static import Static
from core.registry import ConfigError
from core.store import Run, Store
from core.training.assembly import check_beginning
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
    image, classes = config.dataset.outline()
    graph = config.architecture.build(image, len(classes))
    kept = {static_nodes(graph, choice): choice for choice in routes(graph)}
    if isinstance(config.method, Static) and config.method.route:
        raise ConfigError("--statics trains every path: leave method.route out")
    like = config.method if isinstance(config.method, Static) else Static(bn_recalibration_batches=config.method.bn_recalibration_batches)
    methods = [
        like.model_copy(update={"route": tuple(f"{control.name}={control.options[choice[control.name]]}" for control in graph.controls)})
        for choice in kept.values()
    ]
    trainings = [config.training.model_copy(update={"seed": seed}) for seed in seeds]
    return [config.model_copy(update={"lam": None, "method": method, "training": training}) for training in trainings for method in methods]


def enlist(
    store: Store, configs: Sequence[RunConfig], sweep: str, variants: Mapping[str, Sequence[RunConfig]] = MappingProxyType({})
) -> list[Run]:
    """The runs of a sweep, in order: those that are there already under its name and have the same configuration, and new ones.

    `variants` are more of them by what tells them from the others, which their names show. Adds none and raises StoreError where a name is
    that of another run, or cannot be one, and ConfigError where a new one names weights that it cannot begin with.
    """
    known = {str(_now(run)): run for run in store.runs() if run.sweep == sweep}
    wanted = [(None, config) for config in configs] + [(variant, config) for variant, some in variants.items() for config in some]
    told = [str(config.columns()["config"]) for _, config in wanted]
    new = [
        {"name": "/".join(filter(None, (sweep, variant, _kind(config), str(config.training.seed)))), "sweep": sweep, "variant": variant}
        | config.columns()
        for (variant, config), configuration in zip(wanted, told, strict=True)
        if configuration not in known
    ]
    for _, config in wanted:
        if str(config.columns()["config"]) not in known:
            check_beginning(config)
    known |= {str(columns["config"]): run for columns, run in zip(new, store.add_all(new), strict=True)}
    return [known[configuration] for configuration in told]


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
    return "every" if config.lam is None else repr(config.lam).removesuffix(".0")


def sweep(store: Store, runs: Sequence[Run], jobs: int) -> Iterator[list[Run]]:
    """Train what is not finished, `jobs` at a time, and yield how all stand, every second. What is going on is ended if the caller ends."""
    waiting = [run.id for run in runs if run.state not in ("finished", "running")]
    queued = {run.id for run in runs if run.state == "queued"}
    working: dict[int, Popen[bytes]] = {}  # the process of each run
    try:
        while True:
            for run_id in [run_id for run_id, process in working.items() if process.poll() is not None]:
                _over(store, run_id, working.pop(run_id).returncode)
            while waiting and len(working) < jobs:
                run = store.run(waiting.pop(0))
                if not (run.deleted or (run.id in queued and run.state == "stopped")):  # the sweep was stopped before its turn came
                    working[run.id] = start(run.id, store.url)
            yield [store.run(run.id) for run in runs]
            if not working:
                return
            time.sleep(POLL)
    finally:
        for process in working.values():  # all are told before any is waited for
            process.terminate()
        for process in working.values():
            process.wait()


def _over(store: Store, run_id: int, code: int) -> None:
    """Says of a run whose process ended in an error before it could take the run that it failed."""
    run = store.run(run_id)
    if code and run.state in ("queued", "stopped") and not run.deleted:
        store.fail(run_id, f"its process ended with {code} before it began: {store.weights.folder / f'{run_id}.log'} says why")


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
