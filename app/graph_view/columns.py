"""A long layout cut into columns, where all that follows hangs on one node: that node is drawn again at the top of the next column.

Loads without torch and without streamlit.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

Layout = dict[str, Any]

GAP = 44.0  # between columns, in pixels
NUMBER = re.compile(r"(-?\d+(?:\.\d+)?),(-?\d+(?:\.\d+)?)")


def cut(layout: Layout, columns: int) -> Layout:
    """The layout in so many columns, or in as many as it has places to cut it at, of about equal height."""
    nodes, edges = layout["nodes"], layout["edges"]
    places = _places(nodes, edges)
    wanted = [layout["height"] * column / columns for column in range(1, columns)]
    chosen = sorted({min(places, key=lambda place: abs(place["y"] - y))["y"] for y in wanted}) if places else []
    return _beside(layout, [next(place for place in places if place["y"] == y) for y in chosen])


def _places(nodes: Sequence[dict[str, Any]], edges: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The nodes at which a layout can be cut: alone at their height, and the only ones above whose edges lead below."""
    height = {node["name"]: node["y"] for node in nodes}
    found = []
    for node in nodes:
        alone = all(other is node or abs(other["y"] - node["y"]) > (other["h"] + node["h"]) / 2 for other in nodes)
        down = {edge["source"] for edge in edges if height[edge["source"]] <= node["y"] < height[edge["target"]]}
        up = any(height[edge["target"]] <= node["y"] < height[edge["source"]] for edge in edges)
        if alone and down == {node["name"]} and not up:
            found.append(node)
    return sorted(found, key=lambda node: float(node["y"]))


def _beside(layout: Layout, places: Sequence[dict[str, Any]]) -> Layout:
    """The stretches between some nodes side by side."""
    ends = [place["y"] for place in places]
    parts: list[list[dict[str, Any]]] = [[] for _ in range(len(ends) + 1)]
    for node in layout["nodes"]:
        parts[bisect_left(ends, node["y"])].append(node)
    for place, part in zip(places, parts[1:], strict=True):
        part.append(place | {"again": True})
    shifts, right, lowest, drawn = [], 0.0, 0.0, []
    edges_of = _edges_of(
        layout["edges"], {node["name"]: column for column, part in enumerate(parts) for node in part if not node.get("again")}
    )
    for part, within in zip(parts, edges_of, strict=True):
        xs = [x for node in part for x in (node["x"] - node["w"] / 2, node["x"] + node["w"] / 2)] + [
            x for edge in within for x in _xs(edge)
        ]
        shift = (right - min(xs), -min(node["y"] - node["h"] / 2 for node in part))
        shifts.append(shift)
        drawn += [node | {"x": round(node["x"] + shift[0], 1), "y": round(node["y"] + shift[1], 1)} for node in part]
        right += max(xs) - min(xs) + GAP
        lowest = max(lowest, *(node["y"] + node["h"] / 2 + shift[1] for node in part))
    edges = [_moved(edge, *shift) for within, shift in zip(edges_of, shifts, strict=True) for edge in within]
    return layout | {"width": right - GAP, "height": lowest, "nodes": drawn, "edges": edges}


def _edges_of(edges: Sequence[dict[str, Any]], column: dict[str, int]) -> list[list[dict[str, Any]]]:
    """The edges of each column: those that lead to its nodes."""
    found: list[list[dict[str, Any]]] = [[] for _ in range(max(column.values()) + 1)]
    for edge in edges:
        found[column[edge["target"]]].append(edge)
    return found


def _xs(edge: dict[str, Any]) -> list[float]:
    return [float(x) for x, _ in NUMBER.findall(edge["path"])]


def _moved(edge: dict[str, Any], right: float, down: float) -> dict[str, Any]:
    def along(text: str) -> str:
        return NUMBER.sub(lambda point: f"{float(point[1]) + right:.1f},{float(point[2]) + down:.1f}", text)

    ring = edge["ring"] and edge["ring"] | {"x": round(edge["ring"]["x"] + right, 1), "y": round(edge["ring"]["y"] + down, 1)}
    at = edge.get("at") and [round(edge["at"][0] + right, 1), round(edge["at"][1] + down, 1)]
    moved = edge | {"path": along(edge["path"]), "arrow": along(edge["arrow"]), "ring": ring}
    return moved | {"at": at} if "at" in edge else moved
