"""Graphs as Graphviz source, and the nodes and edges that the browser draws."""

import pytest

from app.graph_view.diagram import LONGEST, opening, short, shown, source
from app.graph_view.drawing import drawing
from app.graph_view.view import _strip
from core.graph.node import ChannelGate, Edge, Gate, Node

NODES = (
    Node("x", "input"),
    Node("stem", "regular", (Edge("x"),)),
    Node("Q", "control", (Edge("stem"),), options=("low", "high")),
    Node("low", "regular", (Edge("stem"),), (Gate("Q", 0),)),
    Node("high", "regular", (Edge("stem"),), (Gate("Q", 1),)),
    Node("none", "dummy"),
    Node("add", "regular", (Edge("low", 0.0), Edge("high", 0.0), Edge("none"))),
    Node("y", "output", (Edge("add"),)),
)
MACS = {node.name: 100 for node in NODES}


def lines(text: str, start: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip().startswith(start)]


def test_the_source_uses_the_papers_notation() -> None:
    text = source(NODES)
    shapes = {"n0": "ellipse", "n1": "box", "n2": "diamond", "n5": "box", "n7": "ellipse"}
    for name, shape in shapes.items():
        assert f"shape={shape}" in lines(text, f"{name} [")[0]
    assert "n2 -> n4" in text
    assert "odot" in lines(text, "n3 -> n6")[0]
    assert "odot" not in lines(text, "n5 -> n6")[0]


def test_a_long_name_is_shortened_in_the_middle() -> None:
    assert len(shown("n" * 90)) == LONGEST
    assert shown("stage one classifier 12").endswith("ier 12")


def test_an_edge_has_its_default_and_a_control_edge_its_options() -> None:
    edges = {(edge["source"], edge["target"]): edge for edge in drawing(NODES, MACS, 1000)["edges"]}
    assert len(edges) == sum(len(node.inputs) + len(node.gates) for node in NODES)
    assert edges["low", "add"]["default"] == 0.0
    assert edges["none", "add"]["default"] is None
    assert edges["Q", "high"]["options"] == ["high"]
    assert edges["Q", "high"]["kind"] == "control"


def gated_channels(count: int) -> tuple[Node, ...]:
    """A block with a gate of its own and gates of its channels."""
    options = ("block", *(f"channel {number}" for number in range(1, count + 1)))
    return (
        Node("x", "input"),
        Node("Q", "control", (Edge("x"),), options=options, decides="each"),
        Node("block", "regular", (Edge("x"),), (Gate("Q", 0),), channels=ChannelGate("Q", 1, count)),
        Node("y", "output", (Edge("x"), Edge("block", 0.0))),
    )


@pytest.mark.parametrize(("count", "cells"), [(3, 3), (40, 40), (41, 21), (128, 32)])
def test_a_node_has_a_cell_for_its_channels_or_for_several(count: int, cells: int) -> None:
    nodes = gated_channels(count)
    drawn = drawing(nodes, dict.fromkeys((node.name for node in nodes), 100), 100)
    assert {node["name"]: node["strip_cells"] for node in drawn["nodes"]} == {"x": 0, "Q": 0, "block": cells, "y": 0}
    assert len(_strip([1.0] * count, cells)) == cells


def test_a_strip_tells_closed_channels_from_open_ones_and_small_scales_from_large() -> None:
    assert _strip([0.0, 0.01, 1.0, 2.0, 7.0], 5) == "01599"
    assert _strip([0.0, 0.0, 0.0, 2.0], 2) == "05"


def test_many_channels_are_counted() -> None:
    nodes = {node.name: node for node in gated_channels(16)}
    assert short(opening(nodes["block"], nodes)["Q"]) == "block + 16 channels"
    assert short(["low", "high"]) == "low / high"
