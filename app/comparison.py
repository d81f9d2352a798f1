"""Runs as rows of a table, and the settings in which they differ. Loads without torch and without streamlit."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from pydantic import BaseModel

from app.fields import fields, shown
from app.wording import lam_name
from core.config import Training
from core.registry import ComponentKind, component, names, title, words
from core.scale import mean_cost_share
from core.store import Run

PARTS: dict[str, ComponentKind] = {"architecture": "architectures", "dataset": "datasets", "method": "methods"}


def table(runs: Sequence[Run], lam: float) -> pd.DataFrame:
    """Return runs as rows. Accuracy and cost of a run for every λ are those at `lam`, of other runs those at their own λ."""
    return pd.DataFrame([_row(run, lam) for run in runs])


def figures_at(run: Run, lam: float) -> dict[str, Any] | None:
    """Return a run's test figures at the λ nearest to this one; none before the run is finished."""
    rows = run.figures.get("test") or []
    return min(rows, key=lambda row: abs((row["lam"] if row["lam"] is not None else lam) - lam), default=None)


def differing(configs: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the settings that differ, each with its value in every configuration; a dash where there is no such setting."""
    flat = [_flat(config) for config in configs]
    known = dict.fromkeys(name for settings in flat for name in settings)
    values = {name: [_written(name, settings, config) for settings, config in zip(flat, configs, strict=True)] for name in known}
    return {name: written for name, written in values.items() if len(set(written)) > 1}


def setting_label(name: str, configs: Sequence[Mapping[str, Any]]) -> str:
    """Return a setting's name for a person: "Architecture: filters of each trunk". Settings of removed components keep their words."""
    part, _, option = name.partition(".")
    if not option:
        return "λ" if part == "lam" else words(part).capitalize()
    if option == "name":
        return part.capitalize()
    labels = [field.label for model in _models(part, configs) for field in fields(model) if field.name == option]
    label = labels[0] if labels else words(option)
    return f"{part.capitalize()}: {label[:1].lower() + label[1:] if label[1:2].islower() else label}"


def _models(part: str, configs: Sequence[Mapping[str, Any]]) -> list[type[BaseModel]]:
    """Return the models of the options of one part of some configurations."""
    if part == "training":
        return [Training]
    kind = PARTS[part]
    chosen = dict.fromkeys(str(config.get(part, {}).get("name")) for config in configs)
    return [component(kind, name) for name in chosen if name in names(kind)]


def _row(run: Run, lam: float) -> dict[str, object]:
    figures = figures_at(run, lam)
    return {
        "name": run.name,
        "state": run.state.capitalize(),
        "architecture": title("architectures", run.architecture),
        "dataset": title("datasets", run.dataset),
        "method": title("methods", run.method),
        "λ": lam_name(run.lam).removeprefix("λ = ") if run.gated else "none",
        "epochs": f"{int(run.epoch)} of {run.epochs}" if run.epoch < run.epochs else str(run.epochs),
        "accuracy": figures["accuracy"] if figures else None,
        "cost": mean_cost_share(figures) if figures else None,
        "created": run.created,
    }


def _flat(options: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in options.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def _written(name: str, settings: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """Return the value of a setting as a person reads it."""
    part, _, option = name.partition(".")
    value = settings.get(name)
    if value is None or not option:
        return shown(value)
    if option == "name":
        return title(PARTS[part], value)
    known = [field for model in _models(part, [config]) for field in fields(model) if field.name == option]
    return known[0].shown(value) if known else shown(value)
