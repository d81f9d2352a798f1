"""Long graphs in columns: everything is still there, every edge still leads from its source to its target, and nothing overlaps."""

import re

import pytest
from test_diagram import DRAWN, overlap

from app.graph_view import layout
from app.graph_view.columns import split
from core.graph.node import Edge, Gate, Node
from core.registry import choose


def points(text: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+),(-?[\d.]+)", text)]


def near(point: tuple[float, float], node: dict) -> bool:
    return abs(point[0] - node["x"]) <= node["w"] / 2 + 12 and abs(point[1] - node["y"]) <= node["h"] / 2 + 12


@DRAWN
@pytest.mark.parametrize("depth", [14, 20, 26])
def test_a_long_residual_network_stands_in_columns(depth: int) -> None:
    graph = choose("architectures", {"name": "lc_resnet", "depth": depth}).build((3, 32, 32), 10, every_lam=True)
    placed = layout.lay_out(graph.nodes, graph.macs, 1000)
    nodes = placed["nodes"]
    continuations = [node for node in nodes if node.get("continuation")]
    assert continuations
    assert {node["name"] for node in nodes if not node.get("continuation")} == set(graph.by_name)
    assert len(nodes) == len(graph.nodes) + len(continuations)
    assert not [(a["name"], b["name"]) for i, a in enumerate(nodes) for b in nodes[:i] if overlap(a, b)]
    assert len(placed["edges"]) == sum(len(node.inputs) + len({gate.control for gate in node.gates}) for node in graph.nodes)
    for edge in placed["edges"]:
        assert any(near(points(edge["path"])[0], node) for node in nodes if node["name"] == edge["source"]), edge
        assert any(
            near(points(edge["arrow"])[0], node) for node in nodes if node["name"] == edge["target"] and not node.get("continuation")
        ), edge
        if edge["ring"]:
            assert any(near((edge["ring"]["x"], edge["ring"]["y"]), node) for node in nodes if node["name"] == edge["source"])
    assert placed["height"] < 1.6 * placed["width"]


@DRAWN
def test_a_graph_without_a_node_that_everything_depends_on_is_not_split() -> None:
    """Two chains side by side: at every height two nodes lead on."""
    sides = [Node(f"{side}{i}", "regular", (Edge(f"{side}{i - 1}" if i else "x"),)) for i in range(20) for side in "ab"]
    nodes = [Node("x", "input"), *sides, Node("y", "output", (Edge("a19"), Edge("b19")))]
    whole = layout._drawn(nodes, "TB", dict.fromkeys((node.name for node in nodes), 1), 100)
    parts = split(whole, 3)
    assert len(parts["nodes"]) <= len(nodes) + 1  # at most the input alone can stand apart
    assert parts["height"] > 0.8 * whole["height"]


@DRAWN
def test_a_layout_is_not_split_where_an_edge_runs_upwards() -> None:
    """A late control node that opens an early output."""
    trunk = [Node(f"t{i}", "regular", (Edge(f"t{i - 1}" if i else "x"),)) for i in range(16)]
    control = Node("Q", "control", (Edge("t12"),), options=("stay", "leave"))
    early = Node("early", "output", (Edge("t2"),), (Gate("Q", 1),))
    nodes = [Node("x", "input"), *trunk, control, early, Node("y", "output", (Edge("t15"),))]
    for style in ("rows", "TB"):
        for columns in (2, 3, 4):
            parts = split(layout._drawn(nodes, style, dict.fromkeys((node.name for node in nodes), 1), 100), columns)
            for edge in parts["edges"]:
                assert any(near(points(edge["path"])[0], node) for node in parts["nodes"] if node["name"] == edge["source"]), (
                    style,
                    columns,
                )
