"""Runs, and groups of runs, as the rows of a table. Loads without torch and without streamlit."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

import pandas as pd

from app.fields import shown
from app.runs.entries import FIELDS, MEASURED, Entry
from app.wording import lam_name

DEFAULT_COLUMNS = ("starred", "name", "state", "architecture", "dataset", "method", "lam", "accuracy", "cost", "epochs", "tags", "created")
METRIC = "metric: "  # the name of a column with the last value of a metric begins with it
GROUPINGS = {
    "seed": "all but the seed",
    "architecture": "architecture",
    "dataset": "dataset",
    "method": "method",
    "sweep": "sweep",
    "tags": "tag",
    "state": "state",
}
NO_GROUP = "–"


@dataclass(frozen=True)
class Group:
    """Runs that have something in common."""

    label: str
    entries: Sequence[Entry]


def table(
    entries: Sequence[Entry], columns: Sequence[str], lam: float, latest: Mapping[str, Mapping[int, float]] | None = None
) -> pd.DataFrame:
    """Return runs as rows. Accuracy and cost of a run for every λ are those at `lam`, of other runs those at their own λ.

    `latest`: of each metric among the columns, the last value of each run by its id.
    """
    return pd.DataFrame({name: [_cell(entry, name, lam, latest or {}) for entry in entries] for name in columns}, columns=list(columns))


def column_title(name: str, labels: Mapping[str, str]) -> str:
    """Return the heading of a column. `labels`: of the settings."""
    if name.startswith(METRIC):
        return f"Last {name.removeprefix(METRIC)}"
    return FIELDS.get(name) or labels[name]


def grouped_by(entries: Sequence[Entry], by: str) -> list[Group]:
    """Return the groups of runs that share a value, in the order of their first runs. A run with several tags is in several groups."""
    groups: dict[str, list[Entry]] = {}
    labels: dict[str, str] = {}
    for entry in entries:
        for key, label in _keys(entry, by):
            groups.setdefault(key, []).append(entry)
            labels.setdefault(key, label)
    return [Group(labels[key], members) for key, members in groups.items()]


def group_table(groups: Sequence[Group], lam: float) -> pd.DataFrame:
    """Return groups as rows: how many runs, and of each figure the mean and the sample standard deviation; none for one run."""
    rows = []
    for group in groups:
        row: dict[str, Any] = {"group": group.label, "runs": len(group.entries)}
        for name in ("accuracy", "cost", "macs"):
            values = [entry.measured(lam)[name] for entry in group.entries if name in entry.measured(lam)]
            row[name] = mean(values) if values else None
            row[f"{name} ±"] = stdev(values) if len(values) > 1 else None
        measured = [entry for entry in group.entries if "accuracy" in entry.measured(lam)]
        best = max(measured, key=lambda entry: entry.measured(lam)["accuracy"], default=None)
        row["best"] = best.run.name if best else None
        rows.append(row)
    return pd.DataFrame(rows)


def state_shown(entry: Entry) -> str:
    """Return a run's state, with how far it is while it trains."""
    run = entry.run
    return f"Running {min(run.epoch / max(run.epochs, 1), 1):.0%}" if run.state == "running" else run.state.capitalize()


def _cell(entry: Entry, name: str, lam: float, latest: Mapping[str, Mapping[int, float]]) -> Any:
    run = entry.run
    if name in MEASURED:
        return entry.measured(lam).get(name)
    if name.startswith(METRIC):
        return latest.get(name.removeprefix(METRIC), {}).get(run.id)
    if name == "starred":
        return "★" if entry.starred else ""
    if name == "state":
        return state_shown(entry)
    if name == "lam":
        return lam_name(run.lam).removeprefix("λ = ") if run.gated else "none"
    if name == "epochs":
        return f"{int(run.epoch)} of {run.epochs}" if run.epoch < run.epochs else str(run.epochs)
    if name == "seconds":
        return run.seconds / 60 if run.seconds else None
    value = entry.value(name, lam)
    if name in FIELDS:
        return value
    return value if isinstance(value, int | float) and not isinstance(value, bool) else shown(value)


def _keys(entry: Entry, by: str) -> list[tuple[str, str]]:
    """Return the keys of the groups of a run, each with the group's name."""
    run = entry.run
    if by == "seed":
        config = {name: value for name, value in entry.settings.items() if name != "training.seed"}
        return [(json.dumps([run.sweep, run.variant, config], sort_keys=True, default=str), _without_seed(run.name, run.seed))]
    if by == "tags":
        return [(tag, tag) for tag in run.tags] or [(NO_GROUP, NO_GROUP)]
    value = (run.series if run.sweep else None) if by == "sweep" else run.state.capitalize() if by == "state" else entry.value(by, 0.5)
    return [(str(value or NO_GROUP), str(value or NO_GROUP))]


def _without_seed(name: str, seed: int) -> str:
    """Return the name of the runs of several seeds: that of a run of a sweep without its seed, any other as it is."""
    return name.removesuffix(f"/{seed}")
