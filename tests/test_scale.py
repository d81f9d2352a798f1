"""The two scales of every figure: shares of the static network's cost, and steps of the λ slider."""

import re
from pathlib import Path

import torch

from core.evaluation.evaluate import Evaluation
from core.graph.cost import CostReport
from core.scale import SLIDER_STEPS, cost_share, lam_at, mean_cost_share
from core.store.record import Row, StoredRoute

CORE = Path(__file__).parents[1] / "core"


def test_a_cost_is_given_as_a_share_of_the_static_network() -> None:
    assert cost_share(30, 120) == 0.25
    assert torch.equal(cost_share(torch.tensor([30.0, 240.0]), 120), torch.tensor([0.25, 2.0]))


def test_a_static_network_without_multiply_adds_divides_by_one() -> None:
    assert cost_share(0, 0) == 0.0


def test_all_that_holds_figures_tells_the_same_share() -> None:
    row = Row(
        lam=0.5,
        n=10,
        accuracy=0.9,
        f1=0.9,
        macs_mean=30.0,
        macs_static=120,
        execution_rates={"a": 1.0},
        routes=[StoredRoute(nodes=["a"], share=1.0)],
    )
    evaluation = Evaluation(0.5, 10, 0.9, 0.9, 30.0, 120, {}, ())
    report = CostReport({}, torch.tensor([30.0]), 240, 120)
    assert row.cost_share == evaluation.cost_share == float(report.share[0]) == mean_cost_share(evaluation.to_json()) == 0.25


def test_the_slider_goes_from_0_to_1_in_even_steps() -> None:
    assert [lam_at(step) for step in (0, 1, 50, SLIDER_STEPS - 1)] == [0.0, 0.01, 0.5, 1.0]


def test_the_share_has_one_formula() -> None:
    """No other file of core divides by the static network's multiply-adds."""
    dividing = [file.name for file in CORE.rglob("*.py") if re.search(r"/ (max\()?\S*macs_static", file.read_text(encoding="utf-8"))]
    assert dividing == ["scale.py"]
