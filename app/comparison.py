"""Runs as rows of a table, and the settings in which they differ. Loads without torch and without streamlit."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from app.wording import lam_name
from core.scale import mean_cost_share
from core.store import Run


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
    names = dict.fromkeys(name for settings in flat for name in settings)
    values = {name: [_written(settings.get(name)) for settings in flat] for name in names}
    return {name: written for name, written in values.items() if len(set(written)) > 1}


def _row(run: Run, lam: float) -> dict[str, object]:
    figures = figures_at(run, lam)
    return {
        "name": run.name,
        "state": run.state,
        "architecture": run.architecture,
        "dataset": run.dataset,
        "method": run.method,
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


def _written(value: object) -> str:
    return "–" if value is None or value == "" else str(value)
