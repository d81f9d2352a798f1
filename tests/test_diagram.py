"""Graphs as Graphviz source and as a layout: the papers' notation, names that nobody foresaw, and room for every label."""

import pytest

from app.graph_view import layout
from app.graph_view.diagram import LONGEST, opening, short, shown, source
from app.graph_view.view import _strip
from core.graph.node import ChannelGate, Edge, Gate, Node
from core.registry import choose, names

DRAWN = pytest.mark.skipif(not layout.installed(), reason="needs Graphviz's dot")

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
    assert "filled" in lines(text, "n7 [")[0]
    assert "style=dashed" in lines(text, "n2 -> n4")[0]
    assert "high" in lines(text, "n2 -> n4")[0]
    assert "odot" in lines(text, "n3 -> n6")[0]
    assert "odot" not in lines(text, "n5 -> n6")[0]


def test_what_did_not_run_is_dashed() -> None:
    text = source(NODES, executed=["x", "stem", "Q", "low", "none", "add", "y"])
    assert "dashed" in lines(text, "n4 [")[0]
    assert "dashed" not in lines(text, "n3 [")[0]


@DRAWN
@pytest.mark.parametrize("name", ['"];\\N\\G', "<b>bold</b>", "a -> b", "λ → ∞", "{|}", "back\\", "x" * 300, 'n0"', "\t\n"])
def test_any_name_can_be_drawn(name: str) -> None:
    nodes = (Node(name, "input"), Node("y", "output", (Edge(name),)))
    placed = layout.lay_out(nodes, {name: 0, "y": 0}, 1)
    assert [node["name"] for node in placed["nodes"]] == [name, "y"]
    assert [(edge["source"], edge["target"]) for edge in placed["edges"]] == [(name, "y")]


def test_a_long_name_is_shortened_in_the_middle() -> None:
    assert len(shown("n" * 90)) == LONGEST
    assert shown("stage one classifier 12").endswith("ier 12")


def overlap(one: dict, other: dict) -> bool:
    return abs(one["x"] - other["x"]) < (one["w"] + other["w"]) / 2 and abs(one["y"] - other["y"]) < (one["h"] + other["h"]) / 2


@DRAWN
@pytest.mark.parametrize("every_lam", [True, False])
@pytest.mark.parametrize("name", names("architectures"))
def test_no_two_nodes_of_an_architecture_overlap(name: str, every_lam: bool) -> None:
    graph = choose("architectures", name).build((1, 32, 32), 10, every_lam=every_lam)
    placed = layout.lay_out(graph.nodes, graph.macs, 1000)
    nodes = placed["nodes"]
    assert {node["name"] for node in nodes} == set(graph.by_name)
    assert not [(a["name"], b["name"]) for i, a in enumerate(nodes) for b in nodes[:i] if overlap(a, b)]
    for node in nodes:
        assert node["w"] / 2 <= node["x"] + 1
        assert node["x"] + node["w"] / 2 <= placed["width"] + 1
        assert node["h"] / 2 <= node["y"] + 1
        assert node["y"] + node["h"] / 2 <= placed["height"] + 1
    assert len(placed["edges"]) == sum(len(node.inputs) + len({gate.control for gate in node.gates}) for node in graph.nodes)


@DRAWN
def test_labels_of_control_edges_cover_no_node() -> None:
    placed = layout.lay_out(NODES, MACS, 1000)
    labelled = [edge for edge in placed["edges"] if edge["kind"] == "control" and edge["label_at"]]
    for edge in labelled:
        label = {"x": edge["label_at"][0], "y": edge["label_at"][1], "w": 8 * len(edge["label"]), "h": layout.LABEL}
        assert not [node["name"] for node in placed["nodes"] if overlap(label, node)]


@DRAWN
def test_a_default_is_a_ring_on_its_edge() -> None:
    edges = {(edge["source"], edge["target"]): edge for edge in layout.lay_out(NODES, MACS, 1000)["edges"]}
    assert edges["low", "add"]["ring"]["r"] > 1
    assert edges["low", "add"]["default"] == 0.0
    assert edges["none", "add"]["ring"] is None


@DRAWN
def test_a_cascade_is_laid_out_in_rows_and_a_chain_is_no_strip() -> None:
    cascade = choose("architectures", "cascade").build((1, 32, 32), 2)
    placed = layout.lay_out(cascade.nodes, cascade.macs, 1000)
    trunk = [next(node for node in placed["nodes"] if node["name"] == name) for name in ("N1", "N3", "N5", "N7")]
    assert len({node["y"] for node in trunk}) == 1
    assert [node["x"] for node in trunk] == sorted(node["x"] for node in trunk)
    chain = [Node("x", "input"), *(Node(f"N{i}", "regular", (Edge(f"N{i - 1}" if i else "x"),)) for i in range(30))]
    placed = layout.lay_out([*chain, Node("y", "output", (Edge("N29"),))], {node.name: 1 for node in chain} | {"y": 0}, 30)
    assert placed["height"] >= 360


def gated_channels(count: int) -> tuple[Node, ...]:
    """A block with a gate of its own and gates of its channels."""
    options = ("block", *(f"channel {number}" for number in range(1, count + 1)))
    return (
        Node("x", "input"),
        Node("Q", "control", (Edge("x"),), options=options, decides="each"),
        Node("block", "regular", (Edge("x"),), (Gate("Q", 0),), channels=ChannelGate("Q", 1, count)),
        Node("y", "output", (Edge("x"), Edge("block", 0.0))),
    )


@DRAWN
@pytest.mark.parametrize(("count", "cells"), [(3, 3), (40, 40), (41, 21), (128, 32)])
def test_a_node_has_a_cell_for_its_channels_or_for_several(count: int, cells: int) -> None:
    nodes = gated_channels(count)
    placed = layout.lay_out(nodes, dict.fromkeys((node.name for node in nodes), 100), 100)
    assert {node["name"]: node["strip_cells"] for node in placed["nodes"]} == {"x": 0, "Q": 0, "block": cells, "y": 0}
    assert len(_strip([1.0] * count, cells)) == cells


def test_a_strip_tells_closed_channels_from_open_ones_and_small_scales_from_large() -> None:
    assert _strip([0.0, 0.01, 1.0, 2.0, 7.0], 5) == "01599"
    assert _strip([0.0, 0.0, 0.0, 2.0], 2) == "05"


def test_many_channels_are_counted() -> None:
    nodes = {node.name: node for node in gated_channels(16)}
    assert short(opening(nodes["block"], nodes)["Q"]) == "block + 16 channels"
    assert short(["low", "high"]) == "low / high"
