"""Runs, and groups of runs, as the rows of a table. Loads without torch and without streamlit."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
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
WORDS_AND_SEPARATORS = re.compile(r"[^\W_]+|[\W_]+")
SEED_MARK = re.compile(r"(?:[\W_]+(?:s|seed))?[\W_]*$", re.IGNORECASE)  # at the end of a common beginning


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
    """Return the groups of runs that share a value, in the order of their first runs. A run with several tags is in several groups.

    Groups of all but the seed are called what the names of their runs have in common.
    """
    groups: dict[str, list[Entry]] = {}
    labels: dict[str, str] = {}
    for entry in entries:
        for key, label in _keys(entry, by):
            groups.setdefault(key, []).append(entry)
            labels.setdefault(key, label)
    if by == "seed":
        labels = _common_names(groups)
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
        return [(json.dumps([run.sweep, run.variant, config], sort_keys=True, default=str), run.name)]
    if by == "tags":
        return [(tag, tag) for tag in run.tags] or [(NO_GROUP, NO_GROUP)]
    value = (run.series if run.sweep else None) if by == "sweep" else run.state.capitalize() if by == "state" else entry.value(by, 0.5)
    return [(str(value or NO_GROUP), str(value or NO_GROUP))]


def _common_names(groups: Mapping[str, Sequence[Entry]]) -> dict[str, str]:
    """Return the name of each group of runs, by key. Where two groups would have the same name, the first run is named too."""
    found = {key: _common_name(members) for key, members in groups.items()}
    several = {name for name, count in Counter(found.values()).items() if count > 1}
    return {key: f"{name} ({groups[key][0].run.name} …)" if name in several else name for key, name in found.items()}


def _common_name(members: Sequence[Entry]) -> str:
    """Return the words with which all names begin, without a mark of the seed behind them: "digits" of "digits-s0" and "digits-s4".

    Return how many runs of which components they are where the names have no common beginning, and the name of a single run.
    """
    first = members[0]
    if len(members) == 1:
        return first.run.name
    parted = [WORDS_AND_SEPARATORS.findall(entry.run.name) for entry in members]
    common = takewhile(lambda words: len(set(words)) == 1, zip(*parted, strict=False))
    name = SEED_MARK.sub("", "".join(words[0] for words in common))
    components = ", ".join(first.titles[part] for part in ("architecture", "method", "dataset"))
    return name or f"{len(members)} runs of {components}"
