"""Runs as a person searches, sorts and groups them: each with its values by field. Loads without torch and without streamlit."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from app.comparison import figures_at, flat, setting_label
from core.registry import title
from core.scale import mean_cost_share
from core.store import Run

STAR = "starred"  # the tag of a run with a star
SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}
FIELDS = {  # of every run, with their headings; the settings of its configuration are fields too
    "starred": "★",
    "name": "Name",
    "state": "State",
    "architecture": "Architecture",
    "dataset": "Dataset",
    "method": "Method",
    "lam": "λ",
    "accuracy": "Test accuracy",
    "cost": "Cost",
    "macs": "Multiply-adds",
    "f1": "F1",
    "epochs": "Epochs",
    "seed": "Seed",
    "sweep": "Sweep",
    "tags": "Tags",
    "notes": "Notes",
    "seconds": "Time to train",
    "machine": "Machine",
    "created": "Created",
    "id": "Number",
}
MEASURED = ("accuracy", "cost", "macs", "f1")  # on test images, at one λ
OTHER_NAMES = {
    "λ": "lam",
    "tag": "tags",
    "note": "notes",
    "duration": "seconds",
    "time": "seconds",
    "multiply-adds": "macs",
    "star": "starred",
}


@dataclass(frozen=True)
class Entry:
    """A run, with its values by field. Values that depend on λ are asked of `measured`."""

    run: Run
    _at: dict[float, dict[str, float]] = field(default_factory=dict)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Its configuration without parts in parts: {"training.epochs": 10}."""
        return flat(self.run.config)

    @cached_property
    def titles(self) -> dict[str, str]:
        """Its components as a person reads them."""
        run = self.run
        chosen = {"architectures": run.architecture, "datasets": run.dataset, "methods": run.method}
        return {kind[:-1]: title(kind, name) for kind, name in chosen.items()}  # type: ignore[arg-type]

    @property
    def starred(self) -> bool:
        """Whether it has a star."""
        return STAR in self.run.tags

    @cached_property
    def tags(self) -> list[str]:
        """Its tags without the star."""
        return [tag for tag in self.run.tags if tag != STAR]

    @cached_property
    def text(self) -> str:
        """All in which words are searched, in small letters."""
        run = self.run
        names = (run.architecture, run.dataset, run.method, *self.titles.values(), run.sweep or "", *run.tags, run.notes)
        return "\n".join((run.name, *names)).casefold()

    def measured(self, lam: float) -> Mapping[str, float]:
        """Return its test figures at a λ, or at its own; nothing before it is finished."""
        if lam not in self._at:
            row = figures_at(self.run, lam)
            found = (
                {}
                if row is None
                else {"accuracy": row["accuracy"], "f1": row["f1"], "macs": row["macs_mean"], "cost": mean_cost_share(row)}
            )
            self._at[lam] = found
        return self._at[lam]

    def value(self, name: str, lam: float) -> Any:
        """Return the value of a field or of a setting, at a λ where it depends on it; none where the run has none."""
        run = self.run
        if name in MEASURED:
            return self.measured(lam).get(name)
        if name in self.titles:
            return self.titles[name]
        if name == "tags":
            return self.tags
        if name == "starred":
            return self.starred
        if name == "lam":
            return None if not run.gated else "every" if run.lam is None else run.lam
        if name == "seconds":
            return run.seconds or None
        return getattr(run, name) if name in FIELDS else self.settings.get(name)


@dataclass(frozen=True)
class Settings:
    """The settings of some runs, by part and name: all of them, those in which the runs differ, and the labels of these."""

    all: Sequence[str]
    differing: Sequence[str]
    labels: Mapping[str, str]


class Entries:
    """The entries of the runs of this process: an entry is made once for each state of a run."""

    def __init__(self) -> None:
        self._known: dict[int, Entry] = {}
        self._settings: tuple[list[int], Settings] = ([], Settings((), (), {}))

    def settings(self, entries: Sequence[Entry]) -> Settings:
        """Return the settings of runs. They are read anew where there are other runs: a run keeps its configuration."""
        ids = [entry.run.id for entry in entries]
        if self._settings[0] != ids:
            differing = differing_settings(entries)
            configs = [entry.run.config for entry in entries]
            self._settings = ids, Settings(known_settings(entries), differing, {name: setting_label(name, configs) for name in differing})
        return self._settings[1]

    def of(self, runs: Iterable[Run]) -> list[Entry]:
        """Return the entries of runs, in their order."""
        found = []
        for run in runs:
            entry = self._known.get(run.id)
            if entry is None or entry.run is not run:
                entry = self._known[run.id] = Entry(run)
            found.append(entry)
        return found


def known_settings(entries: Sequence[Entry]) -> list[str]:
    """Return the settings that a run has, by part and name."""
    return sorted(set().union(*(entry.settings for entry in entries)))


def differing_settings(entries: Sequence[Entry]) -> list[str]:
    """Return the settings in which runs differ and which are no fields, by part and name."""
    values: dict[str, set[str]] = {}
    for entry in entries:
        for name, value in entry.settings.items():
            values.setdefault(name, set()).add(value if isinstance(value, str) else json.dumps(value))
    own = {"architecture.name", "dataset.name", "method.name", "lam", "training.epochs", "training.seed"}
    return sorted(name for name, different in values.items() if len(different) > 1 and name not in own)
