"""Positions of everything in the drawing of a graph, computed by Graphviz's `dot`: plain data for the browser to draw and light.

Loads without torch and without streamlit.
"""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Literal, NotRequired, TypedDict, cast, get_args

from app.graph_view.columns import split
from app.graph_view.diagram import LETTER, Style, opening, short, shown, size, source
from app.graph_view.folding import Folded
from core.graph.node import Decision, Node, NodeKind
from core.scale import cost_share

Position = tuple[float, float]
Box = tuple[float, float, float, float]  # left, top, right, bottom

ROOM = (660.0, 480.0)  # pixels that a layout is fitted into
COLUMN_COUNTS = (2, 3, 4)  # numbers of columns that a long layout may be split into
MAX_ENLARGEMENT = 1.25  # a small graph is enlarged no further
DOTS = 16  # points of a line that a label should not cover
LABEL = 14.0  # height of a control edge's label, in pixels
CELLS = 40  # largest number of cells in a strip of channels
SCORE = 5  # letters of a score beside an option
ALONG = (0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.18, 0.82)  # places on an edge for its label, the best first


class PlacedNode(TypedDict):
    """One drawn node: its centre and size in pixels, its cost in multiply-adds and as a share of the static network's.

    `members` names the nodes that a folded node represents. `strip_cells` counts the cells of its strip of channels or blocks.
    `continuation` marks the second drawing of a node, at the top of a column.
    """

    name: str
    text: str
    kind: NodeKind
    options: list[str]
    decides: Decision | None
    members: list[str]
    strip_cells: int
    x: float
    y: float
    w: float
    h: float
    macs: int
    cost_share: float
    continuation: NotRequired[bool]


class Ring(TypedDict):
    """The circle that marks a default value: centre and radius in pixels."""

    x: float
    y: float
    r: float


class PlacedEdge(TypedDict):
    """One drawn edge: an SVG path, the points of its arrow head, and for a control edge its options, label and the label's centre.

    `label_at` is none where no place for the label is free.
    """

    source: str
    target: str
    kind: Literal["data", "control"]
    default: float | None
    path: str
    arrow: str
    ring: Ring | None
    options: NotRequired[list[str]]
    label: NotRequired[str]
    label_at: NotRequired[list[float] | None]


class Layout(TypedDict):
    """A drawing's size, direction, nodes and edges, in pixels, y downwards."""

    width: float
    height: float
    style: Style
    nodes: list[PlacedNode]
    edges: list[PlacedEdge]


def installed() -> bool:
    """Return whether `dot` can be called."""
    return shutil.which("dot") is not None


def lay_out(nodes: Sequence[Node], macs: Mapping[str, int], static: int) -> Layout:
    """Return the layout with the largest letters. Raises OSError where `dot` is missing or fails."""
    return cast(Layout, json.loads(_best(tuple(nodes), tuple(sorted(macs.items())), static)))


@cache
def _best(nodes: tuple[Node, ...], macs: tuple[tuple[str, int], ...], static: int) -> str:
    costs = dict(macs)
    layouts = [_drawn(nodes, style, costs, static) for style in get_args(Style)]
    layouts += [
        split(layout, columns)
        for layout in layouts
        if layout["style"] != "LR"
        for columns in COLUMN_COUNTS
        if layout["height"] > 2 * ROOM[1]
    ]
    best = max(layouts, key=lambda layout: round(8 * min(ROOM[0] / layout["width"], ROOM[1] / layout["height"], MAX_ENLARGEMENT)))
    return json.dumps(best)


def _drawn(nodes: Sequence[Node], style: Style, costs: Mapping[str, int], static: int) -> Layout:
    text = source(nodes, style, labelled=False)
    run = subprocess.run(["dot", "-Tjson"], input=text.encode(), capture_output=True, timeout=60, check=False)
    if run.returncode:
        raise OSError(f"dot: {run.stderr.decode(errors='replace').strip()}")
    drawn = json.loads(run.stdout)
    _, _, width, height = (float(value) for value in drawn["bb"].split(","))
    by_id = {item["_gvid"]: nodes[int(item["name"][1:])] for item in drawn["objects"]}
    placed = [_node(by_id[item["_gvid"]], _point(item["pos"], height), costs, static) for item in drawn["objects"]]
    found = [_edge(by_id[item["tail"]], by_id[item["head"]], item, height) for item in drawn.get("edges", [])]
    edges, curves = [edge for edge, _ in found], [curve for _, curve in found]
    _label(edges, curves, placed, {node.name: node for node in nodes})
    return {"width": width, "height": height, "style": style, "nodes": placed, "edges": edges}


def _node(node: Node, middle: Position, costs: Mapping[str, int], static: int) -> PlacedNode:
    width, height = size(node)
    return {
        "name": node.name,
        "text": shown(node.name),
        "kind": node.kind,
        "options": list(node.options),
        "decides": node.decides if node.kind == "control" else None,
        "members": list(node.members) if isinstance(node, Folded) else [],
        "strip_cells": strip_cells(node),
        "x": round(middle[0], 1),
        "y": round(middle[1], 1),
        "w": round(width, 1),
        "h": height,
        "macs": costs[node.name],
        "cost_share": cost_share(costs[node.name], static),
    }


def strip_cells(node: Node) -> int:
    """Return the number of cells in a node's strip: one per channel or folded block, or one for several where there are many."""
    count = len(node.blocks) if isinstance(node, Folded) else node.channels.count if node.channels else 0
    return -(-count // -(-count // CELLS)) if count else 0


def _edge(tail: Node, head: Node, item: Mapping[str, Any], height: float) -> tuple[PlacedEdge, list[Position]]:
    """Return an edge, and the Bézier points of its line, from dot's "s,x,y e,x,y x,y x,y ...": mark at its start, tip, points."""
    start = tip = None
    points: list[Position] = []
    for word in item["pos"].split():
        if word.startswith("s,"):
            start = _point(word[2:], height)
        elif word.startswith("e,"):
            tip = _point(word[2:], height)
        else:
            points.append(_point(word, height))
    curve = " ".join(f"{x:.1f},{y:.1f}" for x, y in points[1:])
    default = next((edge.default for edge in head.inputs if edge.source == tail.name), None)
    edge: PlacedEdge = {
        "source": tail.name,
        "target": head.name,
        "kind": "control" if tail.kind == "control" else "data",
        "default": default,
        "path": f"M{points[0][0]:.1f},{points[0][1]:.1f} C{curve}",
        "arrow": _arrow(points[-1], tip) if tip else "",
        "ring": _ring(start, points[0]) if start else None,
    }
    return edge, points


def _arrow(base: Position, tip: Position) -> str:
    """Return a triangle from the end of the line to the tip, as the points of an SVG polygon."""
    along = (tip[0] - base[0], tip[1] - base[1])
    across = (-along[1] * 0.42, along[0] * 0.42)
    corners = (tip, (base[0] + across[0], base[1] + across[1]), (base[0] - across[0], base[1] - across[1]))
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)


def _ring(start: Position, end: Position) -> Ring:
    """Return the small circle between a node's border and the beginning of the line."""
    radius = max(((start[0] - end[0]) ** 2 + (start[1] - end[1]) ** 2) ** 0.5 / 2, 2.0)
    return {"x": round((start[0] + end[0]) / 2, 1), "y": round((start[1] + end[1]) / 2, 1), "r": round(radius, 1)}


def _label(
    edges: Sequence[PlacedEdge], curves: Sequence[Sequence[Position]], placed: Sequence[PlacedNode], nodes: Mapping[str, Node]
) -> None:
    """Add to each control edge its label and the label's place: the one over fewest lines, or none where each covers a node or a label."""
    solid = [_box((node["x"], node["y"]), node["w"], node["h"]) for node in placed]
    for index, edge in enumerate(edges):
        if edge["kind"] == "data":
            continue
        edge["options"] = opening(nodes[edge["target"]], nodes)[edge["source"]]
        edge["label"] = short(edge["options"])
        lines = [_box(_on(curve, dot / DOTS), 3, 3) for other, curve in enumerate(curves) if other != index for dot in range(DOTS + 1)]
        width = (len(edge["label"]) + SCORE) * LETTER * 0.85
        boxes = [_box(_on(curves[index], share), width, LABEL) for share in ALONG]
        best = min((box for box in boxes if not _covered(box, solid)), key=lambda box: _covered(box, lines), default=None)
        edge["label_at"] = None if best is None else [round((best[0] + best[2]) / 2, 1), round((best[1] + best[3]) / 2, 1)]
        solid += [] if best is None else [best]


def _covered(box: Box, others: Sequence[Box]) -> float:
    """Return the area of other boxes that a box covers, in square pixels."""
    return sum(_overlap(box, other) for other in others)


def _on(points: Sequence[Position], share: float) -> Position:
    """Return a point on a chain of cubic Bézier curves; `share` runs from 0 to 1, and each curve counts the same."""
    curves = max((len(points) - 1) // 3, 1)
    index = min(int(share * curves), curves - 1)
    a, b, c, d = points[3 * index : 3 * index + 4]
    t = share * curves - index
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
    x, y = (sum(w * p[axis] for w, p in zip(weights, (a, b, c, d), strict=True)) for axis in (0, 1))
    return x, y


def _box(middle: Position, width: float, height: float) -> Box:
    return middle[0] - width / 2, middle[1] - height / 2, middle[0] + width / 2, middle[1] + height / 2


def _overlap(one: Box, other: Box) -> float:
    """Return the area that two boxes share, in square pixels."""
    (left, right), (top, bottom) = ((max(one[i], other[i]), min(one[i + 2], other[i + 2])) for i in (0, 1))
    return max(right - left, 0.0) * max(bottom - top, 0.0)


def _point(text: str, height: float) -> Position:
    """Return a point of dot's output, whose y runs upwards, with y running downwards."""
    x, y = (float(value) for value in text.split(","))
    return x, height - y
