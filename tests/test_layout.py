"""Architectures as the browser places them, under Node: everything has a place, nothing overlaps, long graphs stand in columns."""

import json
import subprocess
from collections.abc import Sequence
from typing import Any

from test_javascript import ROOT, node

from app.graph_view.drawing import drawing
from app.graph_view.folding import costs, fold
from core.graph.node import Edge, Gate, Node
from core.registry import choose, names

CANVAS = {"width": 850, "height": 530, "letters": 1}
LABEL = 15  # height of a label in pixels


def placed(*graphs: Sequence[Node], canvas: dict[str, float] | None = None) -> list[dict[str, Any]]:
    """The layouts of graphs, each node of which costs the same."""
    drawings = [drawing(nodes, dict.fromkeys((one.name for one in nodes), 100), 1000) for nodes in graphs]
    text = json.dumps({"drawings": drawings, "canvas": canvas or CANVAS})
    command = [node(), str(ROOT / "tests" / "javascript" / "place.js")]
    run = subprocess.run(command, input=text, capture_output=True, text=True, encoding="utf-8", check=True)
    return list(json.loads(run.stdout))


def overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return abs(one["x"] - other["x"]) < (one["w"] + other["w"]) / 2 and abs(one["y"] - other["y"]) < (one["h"] + other["h"]) / 2


def near(point: Sequence[float], one: dict[str, Any]) -> bool:
    return abs(point[0] - one["x"]) <= one["w"] / 2 + 12 and abs(point[1] - one["y"]) <= one["h"] / 2 + 12


def inspect(layout: dict[str, Any], nodes: Sequence[Node]) -> None:
    """Every node is drawn once, besides its continuations, within the layout and over no other; every edge leads to its target."""
    drawn = layout["nodes"]
    assert sorted(one["name"] for one in drawn if not one.get("continuation")) == sorted(one.name for one in nodes)
    assert not [(a["name"], b["name"]) for i, a in enumerate(drawn) for b in drawn[:i] if overlap(a, b)]
    for one in drawn:
        assert one["w"] / 2 <= one["x"] + 1
        assert one["x"] + one["w"] / 2 <= layout["width"] + 1
        assert one["h"] / 2 <= one["y"] + 1
        assert one["y"] + one["h"] / 2 <= layout["height"] + 1
    controls = sum(len({gate.control for gate in one.gates} | ({one.channels.control} if one.channels else set())) for one in nodes)
    assert len(layout["edges"]) == sum(len(one.inputs) for one in nodes) + controls
    for edge in layout["edges"]:
        assert any(near(edge["points"][0], one) for one in drawn if one["name"] == edge["source"]), edge
        assert any(near(edge["tip"], one) for one in drawn if one["name"] == edge["target"] and not one.get("continuation")), edge
        if edge["ring"]:
            assert any(near((edge["ring"]["x"], edge["ring"]["y"]), one) for one in drawn if one["name"] == edge["source"])
        if edge.get("labelAt"):
            label = {"x": edge["labelAt"][0], "y": edge["labelAt"][1], "w": 5.5 * len(edge["label"]), "h": LABEL}
            assert not [one["name"] for one in drawn if overlap(label, one)]


def test_no_two_nodes_of_an_architecture_overlap() -> None:
    graphs = [
        fold(choose("architectures", name).build((1, 32, 32), 10, every_lam=every_lam).nodes)
        for name in names("architectures")
        for every_lam in (True, False)
    ]
    for layout, nodes in zip(placed(*graphs), graphs, strict=True):
        inspect(layout, nodes)


def test_a_long_residual_network_stands_in_columns() -> None:
    shapes = [{"name": "lc_resnet", "depth": depth} for depth in (14, 20, 26)]
    graphs = [choose("architectures", shape).build((3, 32, 32), 10, every_lam=True).nodes for shape in shapes]
    for layout, nodes in zip(placed(*graphs), graphs, strict=True):
        inspect(layout, nodes)
        assert any(one.get("continuation") for one in layout["nodes"])
        assert layout["height"] < layout["width"]


def test_a_layout_is_not_split_where_an_edge_runs_upwards() -> None:
    """A late control node that opens an early output."""
    trunk = [Node(f"t{i}", "regular", (Edge(f"t{i - 1}" if i else "x"),)) for i in range(16)]
    control = Node("Q", "control", (Edge("t12"),), options=("stay", "leave"))
    early = Node("early", "output", (Edge("t2"),), (Gate("Q", 1),))
    nodes = [Node("x", "input"), *trunk, control, early, Node("y", "output", (Edge("t15"),))]
    for canvas in (CANVAS, {"width": 300, "height": 900, "letters": 1}, {"width": 2000, "height": 300, "letters": 1}):
        inspect(*placed(nodes, canvas=canvas), nodes)


def test_any_name_can_be_drawn() -> None:
    strange = ['"];\\N\\G', "<b>bold</b>", "a -> b", "λ → ∞", "{|}", "back\\", "x" * 300, 'n0"', "\t\n"]
    graphs = [(Node(name, "input"), Node("y", "output", (Edge(name),))) for name in strange]
    for name, layout in zip(strange, placed(*graphs), strict=True):
        assert [one["name"] for one in layout["nodes"]] == [name, "y"]
        assert [(edge["source"], edge["target"]) for edge in layout["edges"]] == [(name, "y")]


def test_a_cascade_is_laid_out_in_rows() -> None:
    nodes = choose("architectures", "cascade").build((1, 32, 32), 2).nodes
    (layout,) = placed(nodes)
    trunk = [next(one for one in layout["nodes"] if one["name"] == name) for name in ("N1", "N3", "N5", "N7")]
    assert len({one["y"] for one in trunk}) == 1
    assert [one["x"] for one in trunk] == sorted(one["x"] for one in trunk)


def test_a_small_canvas_is_used_in_its_longer_direction() -> None:
    nodes = fold(choose("architectures", "hierarchy").build((3, 32, 32), 10).nodes)
    (wide,), (high,) = (
        placed(nodes, canvas={"width": 900, "height": 300, "letters": 1}),
        placed(nodes, canvas={"width": 362, "height": 600, "letters": 1}),
    )
    assert wide["width"] > wide["height"]
    assert high["height"] > high["width"]
    assert set(costs(nodes, dict.fromkeys((one.name for one in nodes), 1))) == {one["name"] for one in high["nodes"]}
