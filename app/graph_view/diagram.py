"""Write a graph as Graphviz source, in the papers' notation.

Notation (Liu & Deng, figure 1): circles for input and output nodes, rectangles for regular nodes, diamonds for control nodes, a small
circle on a data edge that carries a default value. Colours and dashes are the browser's, since they change with λ.
Loads without torch and without streamlit.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import graphviz

from app.graph_view.folding import Folded
from core.graph.node import Edge, Node
from core.graph.notation import SHAPES

Style = Literal["rows", "TB", "LR"]

LETTER = 6.9  # upper bound of a letter's width in a node's name, in pixels
MAX_NAMED_OPTIONS = 4  # a control edge with more options gives their number instead of their names
CHANNEL = "channel"  # prefix of options that gate a channel inside a module
LONGEST = 20  # letters of a name on a node
POINTS = 72.0  # per inch, Graphviz's unit of node sizes


def shown(name: str) -> str:
    """Return a node's name, shortened to the letters that fit."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 8]}…{name[-7:]}"


def size(node: Node) -> tuple[float, float]:
    """Return the width and height of a node in pixels, enough for its name."""
    text = len(shown(node.name)) * LETTER
    match node.kind:
        case "input" | "output":
            return max(32.0, text + 20), 30.0
        case "control":
            return max(54.0, text * 1.4 + 26), 46.0
        case _:
            return max(72.0, text + 18), 52.0 if node.channels or isinstance(node, Folded) else 40.0


def opening(node: Node, nodes: Mapping[str, Node]) -> dict[str, list[str]]:
    """Return the control nodes that open a node, each with the options that open it."""
    options: dict[str, list[str]] = {}
    for gate in node.gates:
        options.setdefault(gate.control, []).append(nodes[gate.control].options[gate.column])
    if node.channels:
        options.setdefault(node.channels.control, []).extend(nodes[node.channels.control].options[node.channels.columns])
    return options


def source(nodes: Sequence[Node], style: Style = "rows") -> str:
    """Return Graphviz source in which node i is called `n<i>`; it is drawn without its labels, which the browser places.

    In the style `rows` a gated node stands beside its source, so that stages follow each other from left to right; the other styles are
    Graphviz's rank directions.
    """
    dot = graphviz.Digraph()
    dot.attr(
        "graph",
        rankdir="LR" if style == "LR" else "TB",
        nodesep="0.26",
        ranksep="0.44" if style == "rows" else "0.34",
    )
    dot.attr("node", fixedsize="true")
    dot.attr("edge", arrowsize="0.8")
    by_name = {node.name: node for node in nodes}
    ids = {node.name: f"n{index}" for index, node in enumerate(nodes)}
    for node in nodes:
        width, height = size(node)
        dot.node(
            ids[node.name],
            "",
            shape=SHAPES[node.kind],
            width=f"{width / POINTS:.3f}",
            height=f"{height / POINTS:.3f}",
        )
    for node in nodes:
        for edge in node.inputs:
            dot.edge(ids[edge.source], ids[node.name], **_data_edge(edge, node, by_name, style))
        for control in opening(node, by_name):
            dot.edge(ids[control], ids[node.name], **({"constraint": "false"} if style == "rows" else {}))
    return str(dot.source)


def short(options: Sequence[str]) -> str:
    """Return the label of a control edge: its options, or their number where there are many."""
    if len(options) > MAX_NAMED_OPTIONS:
        alone = [option for option in options if not option.startswith(CHANNEL)]
        return " + ".join([*map(shown, alone[:2]), f"{len(options) - len(alone)} channels"])
    return " / ".join(shown(option) for option in options[:2]) + (" …" if len(options) > 2 else "")


def _data_edge(edge: Edge, node: Node, nodes: Mapping[str, Node], style: Style) -> dict[str, str]:
    same_rank = style == "rows" and _beside(edge.source, node, nodes)
    ring = {} if edge.default is None else {"dir": "both", "arrowtail": "odot"}
    return {"minlen": "0" if same_rank else "1", "weight": "2" if same_rank else "8", **ring}


def _beside(source: str, node: Node, nodes: Mapping[str, Node]) -> bool:
    """Whether, in rows, a node stands beside its source rather than below it."""
    readers = [other for other in nodes.values() if other.kind != "control" and any(edge.source == source for edge in other.inputs)]
    if node.kind == "control":  # below its source if it chooses between the source's readers
        return not any(node.name == gate.control for reader in readers for gate in reader.gates)
    if not node.gates:
        return nodes[source].kind == "input" and len(readers) == 1
    return len(readers) == 1 or node is not readers[0]
