"""What a network spends at each step of the slider, among which the λ for a budget is looked up (budget.py)."""

from typing import Any

from core.datasets import Split, no_progress
from core.evaluation.evaluate import CountCallback, evaluations
from core.graph.graph import Graph
from core.graph.policy import Greedy
from core.scale import SLIDER_STEPS, lam_at
from core.store.record import Spending


def spending(graph: Graph, split: Split, report: CountCallback = no_progress) -> list[dict[str, Any]]:
    """Return the mean cost of a network's images at each step of the slider, as `Spending` holds it. `report`: as `evaluations` has it."""
    rows = evaluations(graph, split, [(lam_at(step), Greedy()) for step in range(SLIDER_STEPS)], report)
    return [Spending.model_validate(row.to_json()).model_dump() for row in rows]
