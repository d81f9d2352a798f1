"""Figures over seeds: runs that differ in the seed alone are one network, trained several times. Loads without torch."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from core.store import Run


@dataclass(frozen=True)
class MeanRow:
    """The test figures of one network at one λ: means over its seeds, and standard deviations, None for one seed.

    runs        one per seed, in the order of the seeds
    lam         None for a static network
    macs        multiply-adds per image; `macs_static` are those of the static network
    validation  accuracy on validation images, by which networks are chosen; NaN where it is unknown
    """

    runs: tuple[Run, ...]
    lam: float | None
    accuracy: float
    accuracy_spread: float | None
    macs: float
    macs_spread: float | None
    macs_static: float
    validation: float


def by_all_but_seed(runs: Iterable[Run]) -> list[list[Run]]:
    """Group runs whose settings are the same but for the seed, each group in the order of its seeds.

    Of two runs with the same settings and the same seed, the second begins a group of its own.
    """
    groups: dict[tuple[str, int], list[Run]] = {}
    repeats: dict[tuple[str, int], int] = {}
    for run in runs:
        key = _settings(run)
        turn = repeats[key, run.seed] = repeats.get((key, run.seed), -1) + 1
        groups.setdefault((key, turn), []).append(run)
    return [sorted(group, key=lambda run: run.seed) for group in groups.values()]


def families(runs: Iterable[Run]) -> list[list[Run]]:
    """Group runs whose settings are the same but for seed and λ, in their order."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(_settings(run, lam=True), []).append(run)
    return list(groups.values())


def mean_rows(runs: Iterable[Run]) -> list[MeanRow]:
    """Return the figures of networks at every λ, in the order of λ, averaged over the seeds of each."""
    rows = [row for group in by_all_but_seed(runs) for row in _averaged(group)]
    return sorted(rows, key=lambda row: (-1.0 if row.lam is None else row.lam, row.macs))


def best_within(rows: Iterable[MeanRow], macs: float) -> MeanRow | None:
    """Return the row of the best validation accuracy among those that cost at most `macs` multiply-adds, or None where all cost more.

    Of equally accurate rows, the cheapest. Where no row has a validation accuracy, the test accuracy decides.
    """
    affordable = [row for row in rows if row.macs <= macs]
    known = [row for row in affordable if math.isfinite(row.validation)]
    if known:
        return max(known, key=lambda row: (row.validation, -row.macs))
    return max(affordable, key=lambda row: (row.accuracy, -row.macs), default=None)


def _averaged(group: Sequence[Run]) -> list[MeanRow]:
    """Return the rows of one network, given its runs, one per seed: one row for each λ that all of them were measured at."""
    measured = [{row["lam"]: row for row in run.figures.get("test", [])} for run in group]
    validated = [{row["lam"]: row["accuracy"] for row in run.figures.get("val", [])} for run in group]
    found = []
    for lam in measured[0] if measured else ():
        if not all(lam in rows for rows in measured):
            continue
        accuracies, costs = ([float(rows[lam][name]) for rows in measured] for name in ("accuracy", "macs_mean"))
        found.append(
            MeanRow(
                runs=tuple(group),
                lam=lam,
                accuracy=mean(accuracies),
                accuracy_spread=_spread(accuracies),
                macs=mean(costs),
                macs_spread=_spread(costs),
                macs_static=mean(float(rows[lam]["macs_static"]) for rows in measured),
                validation=mean(rows.get(lam, math.nan) for rows in validated),
            )
        )
    return found


def _spread(values: Sequence[float]) -> float | None:
    return stdev(values) if len(values) > 1 else None


def _settings(run: Run, *, lam: bool = False) -> str:
    """Return a run's settings without its seed and, with `lam`, without its λ, as a text that is the same for equal settings."""
    training = {name: value for name, value in run.config.get("training", {}).items() if name != "seed"}
    settings: dict[str, Any] = run.config | {"training": training, "lam": None if lam else run.lam, "every": run.lam is None}
    return json.dumps(settings, sort_keys=True, default=str)
