"""Series: groups of runs that are drawn and reported grouped."""

from collections.abc import Iterable, Mapping
from typing import Any

from core.registry import ConfigError
from core.store import Run, Store

MIXED_SWEEP_SERIES = ("every", "each")  # names of the two series of a sweep that has networks for every λ and others for one λ each


def by_series(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Return gated runs, in their order, by the name of their series: a sweep, a variant of it, or a run of its own.

    A sweep that has networks for every λ and others for one λ each has two series: SWEEP/every and SWEEP/each.
    """
    grouped: dict[str, list[Run]] = {}
    for run in runs:
        grouped.setdefault(run.series, []).append(run)
    return {name: some for base, there in grouped.items() for name, some in _split_mixed_sweep(base, there).items()}


def _split_mixed_sweep(base: str, runs: list[Run]) -> dict[str, list[Run]]:
    parts = [run for run in runs if run.lam is None], [run for run in runs if run.lam is not None]
    return {f"{base}/{name}": part for name, part in zip(MIXED_SWEEP_SERIES, parts, strict=True)} if all(parts) else {base: runs}


def runs_of(store: Store, name: str) -> list[Run]:
    """Return the finished runs of a sweep or of one of its series, in the order of seed and λ, or the one run of this name.

    Raises StoreError where there are none, and ConfigError for a sweep of two series, which cannot be taken grouped.
    """
    finished = [run for run in store.runs.all() if run.sweep and run.status == "finished"]
    known = by_series(run for run in finished if run.gated)
    every, each = (f"{name}/{part}" for part in MIXED_SWEEP_SERIES)
    if {every, each} <= known.keys():
        raise ConfigError(f"{name} holds networks for every λ and networks for one λ each: name {every} or {each}")
    sweep = known[name][0].series if name in known else name
    found = known.get(name, []) + [run for run in finished if not run.gated and run.series == sweep]
    if not found and (others := [run for run in store.runs.all() if run.sweep == name]):
        raise ConfigError(f"no run of {name} is finished: {others[0].name} is {others[0].state}")
    return sorted(found, key=lambda run: (run.seed, run.lam or 0.0, run.id)) or [store.runs.get(name)]


def best_by_validation(figures: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a run's test figures at the λ of the best validation accuracy, or None where it has none.

    The test images choose nothing.
    """
    if not figures.get("val") or not figures.get("test"):
        return None
    chosen = max(range(len(figures["val"])), key=lambda row: figures["val"][row]["accuracy"])
    best: dict[str, Any] = figures["test"][chosen]
    return best
