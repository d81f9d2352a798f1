"""Detection of collapsed control nodes from hand-written routes."""

import pytest

from core.config import run_config
from core.evaluation.collapse import collapsed
from core.evaluation.evaluate import Evaluation, Route
from core.graph.graph import Graph

BOTH = ("x", "stem", "Q", "low", "y low", "high", "y high")
LOW = ("x", "stem", "Q", "low", "y low")


def graph() -> Graph:
    return run_config(architecture="high_low", dataset="digits", method="d2nn").architecture.build((1, 8, 8), 10)


def evaluation(lam: float | None, **shares: float) -> Evaluation:
    """Return an evaluation with these shares of the images on the route `both`, which continues, and on the route `low`, which stops."""
    routes = tuple(Route({"both": BOTH, "low": LOW}[name], share) for name, share in shares.items())
    return Evaluation(lam, 1000, 0.5, 0.5, 1.0, 1, {}, routes)


@pytest.mark.parametrize(
    ("rows", "rate"),
    [
        ([evaluation(0.5, both=1.0)], 1.0),
        ([evaluation(0.5, low=1.0)], 0.0),
        ([evaluation(0.5, both=0.996, low=0.004)], 0.996),
        ([evaluation(0.0, low=1.0), evaluation(0.3, both=1.0), evaluation(0.7, both=1.0)], 1.0),
    ],
)
def test_a_constant_control_node_has_collapsed(rows: list[Evaluation], rate: float) -> None:
    (found,) = collapsed(graph(), rows)
    assert (found.control, found.rates) == ("Q", {"high": pytest.approx(rate)})
    assert ("always opens high" in str(found)) == (rate > 0.5)
    assert ("never opens high" in str(found)) == (rate < 0.5)
    assert all(route["share"] > 0 for route in found.routes)
    assert {route["lam"] for route in found.routes} == {row.lam for row in rows if row.lam != 0.0}


@pytest.mark.parametrize(
    "rows",
    [
        [evaluation(0.5, both=0.99, low=0.01)],
        [evaluation(0.3, low=1.0), evaluation(0.7, both=1.0)],  # it depends on λ
        [evaluation(0.3, low=1.0), evaluation(0.7, low=0.9, both=0.1)],
    ],
)
def test_a_control_node_that_depends_on_the_image_or_on_lam_has_not_collapsed(rows: list[Evaluation]) -> None:
    assert collapsed(graph(), rows) == []


@pytest.mark.parametrize(("between", "expected"), [(0.2, ["Q1-2"]), (0.004, ["Q1-1", "Q1-2"])])
def test_a_control_node_whose_channel_gates_depend_on_the_image_has_not_collapsed(between: float, expected: list[str]) -> None:
    network = run_config(architecture={"name": "lc_resnet", "depth": 14}, dataset="digits", method="lcnet").architecture.build(
        (1, 8, 8), 10
    )
    all_nodes = Route(tuple(node.name for node in network.nodes), 1.0)
    rows = [Evaluation(0.5, 1000, 0.5, 0.5, 1.0, 1, {}, (all_nodes,), dependences={"Q1-1": between, "Q1-2": 0.0})]
    assert [found.control for found in collapsed(network, rows)][: len(expected)] == expected
    without = Route(tuple(node.name for node in network.nodes if node.name != "block 1-1"), 1.0)
    rows = [Evaluation(0.5, 1000, 0.5, 0.5, 1.0, 1, {}, (without,), dependences={"Q1-1": between, "Q1-2": 0.2})]
    assert collapsed(network, rows)[0].control == "Q1-1"  # channel gates in a block that never runs have no effect
    alone = run_config(architecture={"name": "lc_resnet", "depth": 14, "channels": False}, dataset="digits", method="lcnet")
    network = alone.architecture.build((1, 8, 8), 10)  # with a single gate, open for 99.6% of the images, all variance lies between images
    rows = [Evaluation(0.5, 1000, 0.5, 0.5, 1.0, 1, {}, (all_nodes,), dependences={"Q1-1": 1.0, "Q1-2": 0.0})]
    assert [found.control for found in collapsed(network, rows)][:2] == ["Q1-1", "Q1-2"]


def test_a_control_node_that_no_image_reaches_is_not_examined() -> None:
    cascade = run_config(architecture="cascade", dataset="digits", method="d2nn").architecture.build((1, 8, 8), 10)
    first = ("x", "N1", "N2", "answer 1", "Q1", "y1")
    rows = [Evaluation(0.5, 1000, 0.5, 0.5, 1.0, 1, {}, (Route(first, 1.0),))]
    assert [found.control for found in collapsed(cascade, rows)] == ["Q1"]
