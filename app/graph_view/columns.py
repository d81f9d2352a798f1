"""Split a long layout into columns at nodes that everything below depends on; such a node is drawn again at the top of the next column.

Loads without torch and without streamlit.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.graph_view.layout import Layout, PlacedEdge, PlacedNode

COLUMN_GAP = 44.0  # between columns, in pixels
POINT = re.compile(r"(-?\d+(?:\.\d+)?),(-?\d+(?:\.\d+)?)")


def split(layout: Layout, columns: int) -> Layout:
    """Return the layout in this many columns of about equal height, or in as many as it has places to be split at."""
    nodes, edges = layout["nodes"], layout["edges"]
    places = _places(nodes, edges)
    wanted = [layout["height"] * column / columns for column in range(1, columns)]
    chosen = sorted({min(places, key=lambda place: abs(place["y"] - y))["y"] for y in wanted}) if places else []
    return _side_by_side(layout, [next(place for place in places if place["y"] == y) for y in chosen])


def _places(nodes: Sequence[PlacedNode], edges: Sequence[PlacedEdge]) -> list[PlacedNode]:
    """Return the nodes at which a layout can be split: alone at their height, and the only sources of edges that lead below it."""
    height = {node["name"]: node["y"] for node in nodes}
    found = []
    for node in nodes:
        alone = all(other is node or abs(other["y"] - node["y"]) > (other["h"] + node["h"]) / 2 for other in nodes)
        down = {edge["source"] for edge in edges if height[edge["source"]] <= node["y"] < height[edge["target"]]}
        up = any(height[edge["target"]] <= node["y"] < height[edge["source"]] for edge in edges)
        if alone and down == {node["name"]} and not up:
            found.append(node)
    return sorted(found, key=lambda node: node["y"])


def _side_by_side(layout: Layout, places: Sequence[PlacedNode]) -> Layout:
    """Return the layout with the parts between these nodes placed side by side."""
    ends = [place["y"] for place in places]
    parts: list[list[PlacedNode]] = [[] for _ in range(len(ends) + 1)]
    for node in layout["nodes"]:
        parts[bisect_left(ends, node["y"])].append(node)
    column_of = {node["name"]: column for column, part in enumerate(parts) for node in part}
    for place, part in zip(places, parts[1:], strict=True):
        part.append({**place, "continuation": True})
    edges_of = _edges_of(layout["edges"], column_of)
    right, lowest = 0.0, 0.0
    nodes: list[PlacedNode] = []
    edges: list[PlacedEdge] = []
    for part, within in zip(parts, edges_of, strict=True):
        xs = [x for node in part for x in (node["x"] - node["w"] / 2, node["x"] + node["w"] / 2)]
        xs += [x for edge in within for x in _xs(edge)]
        across, down = right - min(xs), -min(node["y"] - node["h"] / 2 for node in part)
        for node in part:
            nodes.append({**node, "x": round(node["x"] + across, 1), "y": round(node["y"] + down, 1)})
        edges += [_moved(edge, across, down) for edge in within]
        right += max(xs) - min(xs) + COLUMN_GAP
        lowest = max(lowest, *(node["y"] + node["h"] / 2 + down for node in part))
    return {**layout, "width": right - COLUMN_GAP, "height": lowest, "nodes": nodes, "edges": edges}


def _edges_of(edges: Sequence[PlacedEdge], column: dict[str, int]) -> list[list[PlacedEdge]]:
    """Return the edges of each column: those that lead to its nodes."""
    found: list[list[PlacedEdge]] = [[] for _ in range(max(column.values()) + 1)]
    for edge in edges:
        found[column[edge["target"]]].append(edge)
    return found


def _xs(edge: PlacedEdge) -> list[float]:
    return [float(x) for x, _ in POINT.findall(edge["path"])]


def _moved(edge: PlacedEdge, across: float, down: float) -> PlacedEdge:
    """Return an edge shifted by so many pixels."""

    def shifted(text: str) -> str:
        return POINT.sub(lambda point: f"{float(point[1]) + across:.1f},{float(point[2]) + down:.1f}", text)

    moved: PlacedEdge = {**edge, "path": shifted(edge["path"]), "arrow": shifted(edge["arrow"])}
    if ring := edge["ring"]:
        moved["ring"] = {"x": round(ring["x"] + across, 1), "y": round(ring["y"] + down, 1), "r": ring["r"]}
    if place := edge.get("label_at"):
        moved["label_at"] = [round(place[0] + across, 1), round(place[1] + down, 1)]
    return moved
