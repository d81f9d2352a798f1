"""Descriptions of runs that no configuration stands behind."""

from typing import Any

from core.store import RunRecord


def record(**choices: Any) -> RunRecord:
    """Return the description of a gated run, with other values for the chosen columns."""
    columns: dict[str, Any] = {"config": {}, "architecture": "a", "dataset": "b", "method": "c", "gated": True, "lam": None}
    return RunRecord(**columns | {"seed": 0, "epochs": 1} | choices)


def measured(lam: float | None = 0.5, accuracy: float = 0.9) -> dict[str, Any]:
    """Return figures as they are stored of a network that was evaluated at one λ."""
    rates, routes = {"input": 1.0, "output": 1.0}, [{"nodes": ["input", "output"], "share": 1.0}]
    row = {"lam": lam, "n": 10, "accuracy": accuracy, "f1": accuracy, "macs_mean": 50.0, "macs_static": 100}
    return {split: [row | {"execution_rates": rates, "routes": routes}] for split in ("val", "test")}
