"""Where everything in a picture of a graph goes, as `dot` lays it out: plain data, to be drawn and lit in the browser.

Loads without torch and without streamlit.
"""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, get_args

from app.graph_view.columns import cut
from app.graph_view.diagram import LETTER, Style, opening, short, shown, size, source
from app.graph_view.folding import Folded
from core.graph.node import Node

Layout = dict[str, Any]
Position = tuple[float, float]
Box = tuple[float, float, float, float]  # left, top, right, bottom

ROOM = (660.0, 480.0)  # pixels that a layout is fitted into
COLUMNS = (2, 3, 4)  # into which a long layout may be cut
LARGEST = 1.25  # a small graph is enlarged no further
DOTS = 16  # points of a line that a label should not cover
LABEL = 14.0  # height of a control edge's label, in pixels
CELLS = 40  # of a strip of channels, at most
SCORE = 5  # letters of a score beside an option
ALONG = (0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.18, 0.82)  # places on an edge where its label may go, the best first


def installed() -> bool:
    """Whether `dot` can be called."""
    return shutil.which("dot") is not None


def lay_out(nodes: Sequence[Node], macs: Mapping[str, int], static: int) -> Layout:
    """The layout that leaves the largest letters. Raises OSError where dot is missing or fails.

    {width, height, style, nodes, edges}, in pixels, y downwards:
    nodes  {name, text, kind, x, y (the middle), w, h, macs, share (of the static network's), options, decides, cells, folded (the names of
           the nodes that it stands for), again (only where it is drawn a second time, at the top of a column)}
    edges  {source, target, kind ("data" or "control"), default, options, label, path, arrow (polygon points), ring (x, y, radius),
           at (the middle of the label, or none)}
    """
    return dict(json.loads(_best(tuple(nodes), tuple(sorted(macs.items())), static)))


@cache
def _best(nodes: tuple[Node, ...], macs: tuple[tuple[str, int], ...], static: int) -> str:
    layouts = [_drawn(nodes, style) for style in get_args(Style)]
    layouts += [
        cut(layout, columns) for layout in layouts if layout["style"] != "LR" for columns in COLUMNS if layout["height"] > 2 * ROOM[1]
    ]
    best = max(layouts, key=lambda layout: round(8 * min(ROOM[0] / layout["width"], ROOM[1] / layout["height"], LARGEST)))
    costs = dict(macs)
    for node in best["nodes"]:
        node["macs"], node["share"] = costs[node["name"]], costs[node["name"]] / max(static, 1)
    return json.dumps(best)


def _drawn(nodes: Sequence[Node], style: Style) -> Layout:
    text = source(nodes, style, labelled=False)
    run = subprocess.run(["dot", "-Tjson"], input=text.encode(), capture_output=True, timeout=60, check=False)
    if run.returncode:
        raise OSError(f"dot: {run.stderr.decode(errors='replace').strip()}")
    drawn = json.loads(run.stdout)
    _, _, width, height = (float(value) for value in drawn["bb"].split(","))
    by_id = {item["_gvid"]: nodes[int(item["name"][1:])] for item in drawn["objects"]}
    placed = [_node(by_id[item["_gvid"]], _point(item["pos"], height)) for item in drawn["objects"]]
    edges = [_edge(by_id[item["tail"]], by_id[item["head"]], item, height) for item in drawn.get("edges", [])]
    _label(edges, placed, {node.name: node for node in nodes})
    return {"width": width, "height": height, "style": style, "nodes": placed, "edges": edges}


def _node(node: Node, middle: Position) -> dict[str, Any]:
    width, height = size(node)
    place = {"x": round(middle[0], 1), "y": round(middle[1], 1), "w": round(width, 1), "h": height}
    folded = list(node.members) if isinstance(node, Folded) else []
    told = {"name": node.name, "text": shown(node.name), "kind": node.kind, "options": list(node.options), "cells": cells(node)}
    return {**told, "decides": node.decides if node.kind == "control" else None, "folded": folded, **place}


def cells(node: Node) -> int:
    """How many cells a node's strip has: one per channel or folded block, or where they are many one for several."""
    count = len(node.blocks) if isinstance(node, Folded) else node.channels.count if node.channels else 0
    return -(-count // -(-count // CELLS)) if count else 0


def _edge(tail: Node, head: Node, item: Mapping[str, Any], height: float) -> dict[str, Any]:
    """An edge from dot's "s,x,y e,x,y x,y x,y ...": where a mark at its start and the tip of its arrow are, then Bézier points."""
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
    return {
        "source": tail.name,
        "target": head.name,
        "kind": "control" if tail.kind == "control" else "data",
        "default": default,
        "path": f"M{points[0][0]:.1f},{points[0][1]:.1f} C{curve}",
        "arrow": _arrow(points[-1], tip) if tip else "",
        "ring": _ring(start, points[0]) if start else None,
        "points": points,
    }


def _arrow(base: Position, tip: Position) -> str:
    """A triangle from the end of the line to the tip, as the points of an SVG polygon."""
    along = (tip[0] - base[0], tip[1] - base[1])
    across = (-along[1] * 0.42, along[0] * 0.42)
    corners = (tip, (base[0] + across[0], base[1] + across[1]), (base[0] - across[0], base[1] - across[1]))
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)


def _ring(start: Position, end: Position) -> dict[str, float]:
    """The small circle between a node's border and the beginning of the line."""
    radius = max(((start[0] - end[0]) ** 2 + (start[1] - end[1]) ** 2) ** 0.5 / 2, 2.0)
    return {"x": round((start[0] + end[0]) / 2, 1), "y": round((start[1] + end[1]) / 2, 1), "r": round(radius, 1)}


def _label(edges: Sequence[dict[str, Any]], placed: Sequence[dict[str, Any]], nodes: Mapping[str, Node]) -> None:
    """Gives each control edge its label and the place for it that covers fewest lines; none where it would cover a node or a label."""
    curves = [edge.pop("points") for edge in edges]
    solid = [_box((node["x"], node["y"]), node["w"], node["h"]) for node in placed]
    for index, edge in enumerate(edges):
        if edge["kind"] == "data":
            continue
        edge["options"] = opening(nodes[edge["target"]], nodes)[edge["source"]]
        edge["label"] = short(edge["options"])
        lines = [_box(_on(curve, dot / DOTS), 3, 3) for other, curve in enumerate(curves) if other != index for dot in range(DOTS + 1)]
        width = (len(edge["label"]) + SCORE) * LETTER * 0.85
        free = [box for share in ALONG if not _covered(box := _box(_on(curves[index], share), width, LABEL), solid)]
        box = min(free, key=lambda box: _covered(box, lines), default=None)
        edge["at"] = None if box is None else [round((box[0] + box[2]) / 2, 1), round((box[1] + box[3]) / 2, 1)]
        solid += [] if box is None else [box]


def _covered(box: Box, others: Sequence[Box]) -> float:
    """How much of other boxes a box covers, in square pixels."""
    return sum(_overlap(box, other) for other in others)


def _on(points: Sequence[Position], share: float) -> Position:
    """A point of a chain of cubic Bézier curves; `share` runs from 0 at its start to 1 at its end, each curve counting the same."""
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
    """The area that two boxes share."""
    (left, right), (top, bottom) = ((max(one[i], other[i]), min(one[i + 2], other[i + 2])) for i in (0, 1))
    return max(right - left, 0.0) * max(bottom - top, 0.0)


def _point(text: str, height: float) -> Position:
    """A point of dot's, whose y runs upwards."""
    x, y = (float(value) for value in text.split(","))
    return x, height - y
