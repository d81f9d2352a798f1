"""Sweeps: several λ and several seeds, each trained in its own process."""

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from subprocess import Popen, TimeoutExpired
from types import MappingProxyType

from core.config import RunConfig, run_config
from core.evaluation.baselines import routes
from core.graph.static import static_nodes
from core.methods.static import Static
from core.registry import ConfigError
from core.store import Run, Store, StoreError
from core.store.runs import NewRun, check_path
from core.training.assembly import check_initial_weights
from core.training.worker import start

POLL = 1.0  # seconds between checks of the runs
ENDING_SECONDS = 20.0  # for which a process that was asked to end may take


def planned(config: RunConfig, lams: Sequence[float | None], seeds: Sequence[int]) -> list[RunConfig]:
    """Return the configuration for each λ and each seed. A λ of None is one network for every λ."""
    choices = config.model_dump(mode="json", exclude={"lam", "training"})
    trainings = [config.training.model_dump() | {"seed": seed} for seed in seeds]
    return [run_config(**choices, lam=lam, training=training) for training in trainings for lam in lams]


def static_paths(config: RunConfig, seeds: Sequence[int]) -> list[RunConfig]:
    """Return, for each seed, the configuration of one static network for every path through the architecture.

    Raises GraphError, DataError, or ConfigError if the configuration names one path.
    """
    image, classes = config.dataset.outline()
    graph = config.architecture.build(image, len(classes))
    choices = {static_nodes(graph, choice): choice for choice in routes(graph)}
    if isinstance(config.method, Static) and config.method.route:
        raise ConfigError("--statics trains every path: leave method.route out")
    template = (
        config.method if isinstance(config.method, Static) else Static(bn_recalibration_batches=config.method.bn_recalibration_batches)
    )
    methods = [
        template.model_copy(
            update={"route": tuple(f"{control.name}={control.options[choice[control.name]]}" for control in graph.controls)}
        )
        for choice in choices.values()
    ]
    trainings = [config.training.model_copy(update={"seed": seed}) for seed in seeds]
    return [config.model_copy(update={"lam": None, "method": method, "training": training}) for training in trainings for method in methods]


def enlist(
    store: Store, configs: Sequence[RunConfig], sweep: str, variants: Mapping[str, Sequence[RunConfig]] = MappingProxyType({})
) -> list[Run]:
    """Return the runs of a sweep, in order: existing runs of this sweep with the same configuration, and new ones.

    `variants`: more configurations by the name of their variant, which becomes part of the runs' names. Adds no run and raises
    StoreError if a name is taken or not allowed, and ConfigError if a new run names weights that it cannot be initialised from.
    """
    check_path(sweep, "a sweep's name")
    known = {_key(_current(run)): run for run in store.runs.all() if run.sweep == sweep}
    wanted = [(None, config) for config in configs] + [(variant, config) for variant, more in variants.items() for config in more]
    missing = [(variant, config) for variant, config in wanted if _key(config) not in known]
    for _, config in missing:
        check_initial_weights(config)
    new = [
        NewRun(config.record(), "/".join(filter(None, (sweep, variant, _kind(config), str(config.training.seed)))), sweep, variant)
        for variant, config in missing
    ]
    known |= {_key(config): run for (_, config), run in zip(missing, store.runs.create_all(new), strict=True)}
    return [known[_key(config)] for _, config in wanted]


def _key(config: RunConfig | None) -> str:
    """Return a key that is the same for equal configurations."""
    return "" if config is None else config.model_dump_json()


def _current(run: Run) -> RunConfig | None:
    """Return the configuration of a run, with the defaults of options that it lacks; None if it is not valid."""
    try:
        return run_config(**run.config)
    except ConfigError:
        return None


def _kind(config: RunConfig) -> str:
    """Return what tells a run of a sweep from the others of its seed: its λ, or the path of a static network."""
    if isinstance(config.method, Static):
        return " ".join(filter(None, ("static", ",".join(choice.partition("=")[2] for choice in config.method.route))))
    return "every" if config.lam is None else repr(config.lam).removesuffix(".0")


def sweep(
    store: Store, runs: Sequence[Run], jobs: int, log: str | None = None, *, more: Callable[[], Run | None] = lambda: None
) -> Generator[list[Run]]:
    """Train the unfinished runs, `jobs` at a time, and yield all runs every second. The trainings end once the generator is closed.

    `log`: the tracker that also gets their figures. `more`: returns one more run to train where a place is free and no run waits, or None.
    """
    listed = [run.id for run in runs]
    waiting = [run.id for run in runs if run.state not in ("finished", "running", "damaged")]
    queued = {run.id for run in runs if run.state == "queued"}
    working: dict[int, Popen[bytes]] = {}  # the process of each run
    try:
        while True:
            for run_id in [run_id for run_id, process in working.items() if process.poll() is not None]:
                _check_start(store, run_id, working.pop(run_id).returncode)
            while len(working) < jobs:
                if not waiting and (added := more()) is not None:
                    listed.append(added.id)
                    waiting.append(added.id)
                if not waiting:
                    break
                run = store.runs.get(waiting.pop(0))
                if not (run.deleted or (run.id in queued and run.state == "stopped")):  # stopped while it was queued
                    working[run.id] = start(run.id, store.url, log)
            yield [store.runs.get(run_id) for run_id in listed]
            if not working:
                return
            time.sleep(POLL)
    finally:
        for process in working.values():  # all are signalled before the first is waited for
            process.terminate()
        for run_id, process in working.items():
            _wait(process)
            with suppress(StoreError):
                if store.runs.get(run_id).state == "interrupted":  # it had no time to write that it stopped
                    store.lifecycle.stop(run_id)


def _wait(process: Popen[bytes]) -> None:
    """Wait for a process that was asked to end, and end it where it does not."""
    try:
        process.wait(ENDING_SECONDS)
    except TimeoutExpired:
        process.kill()
        process.wait()


def _check_start(store: Store, run_id: int, code: int) -> None:
    """Mark a run as failed if its process ended with an error before it claimed the run."""
    run = store.runs.get(run_id)
    if code and run.state in ("queued", "stopped") and not run.deleted:
        log = store.weights.folder / f"{run_id}.log"
        store.lifecycle.fail(run_id, f"its process ended with status {code} before the training began: see {log}")
