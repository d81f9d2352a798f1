"""Descriptions of runs that no configuration stands behind."""

from typing import Any

from core.store import RunRecord


def record(**choices: Any) -> RunRecord:
    """Return the description of a gated run, with other values for the chosen columns."""
    columns: dict[str, Any] = {"config": {}, "architecture": "a", "dataset": "b", "method": "c", "gated": True, "lam": None}
    return RunRecord(**columns | {"seed": 0, "epochs": 1} | choices)
