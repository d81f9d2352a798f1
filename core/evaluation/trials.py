"""The trials of a search: which runs they are, what each reached, and the front of all. Loads without torch.

Everything here is measured on the validation images, except where test figures are named: these choose nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from core.store import Run

TRIAL = "trial"  # tag of a run that a search has added
PRUNED = "pruned"  # tag of a trial that was stopped because others were better


@dataclass(frozen=True)
class TrialPoint:
    """A trial at one λ: its accuracy and multiply-adds per image on validation images, and its test figures there."""

    run: Run
    lam: float | None
    accuracy: float
    macs: float
    test: dict[str, Any]


def searches(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Return the trials of every search by the search's name, the newest search first, each in the order of its trials."""
    found: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda run: -run.id):
        if run.sweep and TRIAL in (run.tags or ()):
            found.setdefault(run.sweep, []).insert(0, run)
    return found


def pruned(run: Run) -> bool:
    """Return whether a trial was stopped early, so that it is not to be resumed."""
    return PRUNED in (run.tags or ()) and run.status != "finished"


def reached(run: Run) -> tuple[float, float] | None:
    """Return a finished trial's accuracy and multiply-adds per image, each as its mean over λ; None for any other."""
    rows = run.figures.get("val", []) if run.status == "finished" else []
    return (mean(row["accuracy"] for row in rows), mean(row["macs_mean"] for row in rows)) if rows else None


def points(runs: Iterable[Run]) -> list[TrialPoint]:
    """Return the finished trials at every λ, the cheapest first."""
    found = [
        TrialPoint(run, row["lam"], row["accuracy"], row["macs_mean"], test)
        for run in runs
        if run.status == "finished" and run.figures.get("val")
        for row, test in zip(run.figures["val"], run.figures["test"], strict=True)
    ]
    return sorted(found, key=lambda point: (point.macs, -point.accuracy))


def front(along: Sequence[TrialPoint]) -> list[TrialPoint]:
    """Return the points than which no other is both cheaper and more accurate, from the cheapest to the most accurate one."""
    best: list[TrialPoint] = []
    for point in sorted(along, key=lambda point: (point.macs, -point.accuracy)):
        if not best or point.accuracy > best[-1].accuracy:
            best.append(point)
    return best
