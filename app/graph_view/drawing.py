"""Describe a graph for the browser, which lays it out with Graphviz: nodes with their sizes, edges with their labels, and the source.

Loads without torch and without streamlit.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NotRequired, TypedDict, get_args

from app.graph_view.diagram import Style, opening, short, shown, size, source
from app.graph_view.folding import Folded
from app.wording import counted
from core.graph.node import Decision, Node, NodeKind
from core.scale import cost_share

CELLS = 40  # largest number of cells in a strip of channels


class DrawnNode(TypedDict):
    """One node: its size in pixels, its cost in multiply-adds, in words and as a share of the static network's.

    `members` names the nodes that a folded node represents. `strip_cells` counts the cells of its strip of channels or blocks. `scales`
    says whether its own gate scales its output.
    """

    name: str
    text: str
    kind: NodeKind
    options: list[str]
    decides: Decision | None
    members: list[str]
    strip_cells: int
    w: float
    h: float
    macs: int
    cost: str
    cost_share: float
    scales: bool


class DrawnEdge(TypedDict):
    """One edge: its default value, and for a control edge its options and label."""

    source: str
    target: str
    kind: Literal["data", "control"]
    default: float | None
    options: NotRequired[list[str]]
    label: NotRequired[str]


class Drawing(TypedDict):
    """Nodes in order, edges, and the Graphviz source in each style, in which node i is called `n<i>`."""

    nodes: list[DrawnNode]
    edges: list[DrawnEdge]
    sources: dict[Style, str]


def drawing(nodes: Sequence[Node], macs: Mapping[str, int], static: int, scaling: Collection[str] = ()) -> Drawing:
    """Return the drawing of these nodes, whose costs are `macs`; `scaling` names those whose own gate scales their output."""
    by_name = {node.name: node for node in nodes}
    return {
        "nodes": [_node(node, macs[node.name], static, node.name in scaling) for node in nodes],
        "edges": [edge for node in nodes for edge in _edges(node, by_name)],
        "sources": {style: source(nodes, style) for style in get_args(Style)},
    }


def strip_cells(node: Node) -> int:
    """Return the number of cells in a node's strip: one per channel or folded block, or one for several where there are many."""
    count = len(node.blocks) if isinstance(node, Folded) else node.channels.count if node.channels else 0
    return -(-count // -(-count // CELLS)) if count else 0


def _node(node: Node, macs: int, static: int, scales: bool) -> DrawnNode:
    width, height = size(node)
    return {
        "name": node.name,
        "text": shown(node.name),
        "kind": node.kind,
        "options": list(node.options),
        "decides": node.decides if node.kind == "control" else None,
        "members": list(node.members) if isinstance(node, Folded) else [],
        "strip_cells": strip_cells(node),
        "w": round(width, 1),
        "h": height,
        "macs": macs,
        "cost": counted(macs),
        "cost_share": cost_share(macs, static),
        "scales": scales,
    }


def _edges(node: Node, nodes: Mapping[str, Node]) -> list[DrawnEdge]:
    """Return the edges that lead to a node."""
    edges: list[DrawnEdge] = [{"source": one.source, "target": node.name, "kind": "data", "default": one.default} for one in node.inputs]
    for control, options in opening(node, nodes).items():
        label = short(options)
        edges.append({"source": control, "target": node.name, "kind": "control", "default": None, "options": options, "label": label})
    return edges
