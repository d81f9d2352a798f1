"""Which control nodes are told to have collapsed, from routes written down by hand."""

import pytest

from core.config import run_config
from core.evaluation.collapse import collapsed
from core.evaluation.evaluate import Evaluation, Route
from core.graph.graph import Graph

BOTH = ("x", "stem", "Q", "low", "y low", "high", "y high")
LOW = ("x", "stem", "Q", "low", "y low")


def graph() -> Graph:
    return run_config(architecture="high_low", dataset="digits", method="d2nn").architecture.build((1, 8, 8), 10)


def seen(lam: float | None, **shares: float) -> Evaluation:
    """An evaluation with these shares of images on the route that goes on and on the one that stops."""
    routes = tuple(Route({"both": BOTH, "low": LOW}[name], share) for name, share in shares.items())
    return Evaluation(lam, 1000, 0.5, 0.5, 1.0, 1, {}, routes)


@pytest.mark.parametrize(
    ("rows", "rate"),
    [
        ([seen(0.5, both=1.0)], 1.0),
        ([seen(0.5, low=1.0)], 0.0),
        ([seen(0.5, both=0.996, low=0.004)], 0.996),
        ([seen(0.0, low=1.0), seen(0.3, both=1.0), seen(0.7, both=1.0)], 1.0),
    ],
)
def test_a_control_node_that_always_does_the_same_is_told(rows: list[Evaluation], rate: float) -> None:
    (found,) = collapsed(graph(), rows)
    assert (found.control, found.rates) == ("Q", {"high": pytest.approx(rate)})
    assert ("always opens high" in str(found)) == (rate > 0.5)
    assert ("never opens high" in str(found)) == (rate < 0.5)
    assert all(route["share"] > 0 for route in found.routes)
    assert {route["lam"] for route in found.routes} == {row.lam for row in rows if row.lam != 0.0}


@pytest.mark.parametrize(
    "rows",
    [
        [seen(0.5, both=0.99, low=0.01)],
        [seen(0.3, low=1.0), seen(0.7, both=1.0)],  # it decides by λ
        [seen(0.3, low=1.0), seen(0.7, low=0.9, both=0.1)],
    ],
)
def test_a_control_node_that_decides_is_not(rows: list[Evaluation]) -> None:
    assert collapsed(graph(), rows) == []


@pytest.mark.parametrize(("between", "told"), [(0.2, ["Q1-2"]), (0.004, ["Q1-1", "Q1-2"])])
def test_one_that_opens_channels_by_the_image_has_not_collapsed(between: float, told: list[str]) -> None:
    network = run_config(architecture={"name": "lc_resnet", "depth": 14}, dataset="digits", method="lcnet").architecture.build(
        (1, 8, 8), 10
    )
    every = Route(tuple(node.name for node in network.nodes), 1.0)
    rows = [Evaluation(0.5, 1000, 0.5, 0.5, 1.0, 1, {}, (every,), dependences={"Q1-1": between, "Q1-2": 0.0})]
    assert [found.control for found in collapsed(network, rows)][: len(told)] == told
    without = Route(tuple(node.name for node in network.nodes if node.name != "block 1-1"), 1.0)
    rows = [Evaluation(0.5, 1000, 0.5, 0.5, 1.0, 1, {}, (without,), dependences={"Q1-1": between, "Q1-2": 0.2})]
    assert collapsed(network, rows)[0].control == "Q1-1"  # what it decides inside a block that never runs is without effect
    alone = run_config(architecture={"name": "lc_resnet", "depth": 14, "channels": False}, dataset="digits", method="lcnet")
    network = alone.architecture.build((1, 8, 8), 10)  # a gate that is open for 99.6% of the images is all the variance there is
    rows = [Evaluation(0.5, 1000, 0.5, 0.5, 1.0, 1, {}, (every,), dependences={"Q1-1": 1.0, "Q1-2": 0.0})]
    assert [found.control for found in collapsed(network, rows)][:2] == ["Q1-1", "Q1-2"]


def test_one_that_no_image_reaches_is_not_judged() -> None:
    cascade = run_config(architecture="cascade", dataset="digits", method="d2nn").architecture.build((1, 8, 8), 10)
    first = ("x", "N1", "N2", "answer 1", "Q1", "y1")
    rows = [Evaluation(0.5, 1000, 0.5, 0.5, 1.0, 1, {}, (Route(first, 1.0),))]
    assert [found.control for found in collapsed(cascade, rows)] == ["Q1"]
