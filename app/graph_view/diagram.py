"""A graph as the papers draw it, as Graphviz source.

Notation (Liu & Deng, figure 1): circles for input and output nodes, outputs shaded; rectangles for regular nodes; diamonds for control
nodes; dummy nodes shaded; data edges solid, control edges dashed; a small circle on a data edge that carries a default value.
Loads without torch and without streamlit.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal

import graphviz

from app.graph_view.folding import Folded
from app.theme import LIGHT
from core.graph.node import Edge, Node
from core.graph.notation import SHADED, SHAPES

Style = Literal["rows", "TB", "LR"]

LETTER = 7.2  # width of a letter of a node's name in pixels, generously
MANY = 4  # options of one control edge
CHANNEL = "channel "  # how the options begin that are gates inside a module
LONGEST = 20  # letters of a name that are shown
POINTS = 72.0  # per inch, Graphviz's unit of node sizes


def shown(name: str) -> str:
    """A node's name as far as there is room for it."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 8]}…{name[-7:]}"


def size(node: Node) -> tuple[float, float]:
    """Width and height of a node in pixels, enough for its name."""
    text = len(shown(node.name)) * LETTER
    match node.kind:
        case "input" | "output":
            return max(34.0, text + 22), 34.0
        case "control":
            return max(58.0, text * 1.5 + 30), 56.0
        case _:
            return max(78.0, text + 20), 58.0 if node.channels or isinstance(node, Folded) else 46.0


def opening(node: Node, nodes: Mapping[str, Node]) -> dict[str, list[str]]:
    """The control nodes that open a node, each with its options that do."""
    options: dict[str, list[str]] = {}
    for gate in node.gates:
        options.setdefault(gate.control, []).append(nodes[gate.control].options[gate.column])
    if node.channels:
        options.setdefault(node.channels.control, []).extend(nodes[node.channels.control].options[node.channels.columns])
    return options


def source(nodes: Sequence[Node], style: Style = "rows", *, labelled: bool = True, executed: Collection[str] | None = None) -> str:
    """Graphviz source; node i is called `n<i>` in it.

    In `rows`, what a gate opens stands beside what it reads, so that stages follow each other from left to right; otherwise `style` is
    Graphviz's rank direction. With `executed`, the names of the nodes that ran, these are filled and the others dashed and pale.
    """
    dot = graphviz.Digraph()
    dot.attr(
        "graph",
        rankdir="LR" if style == "LR" else "TB",
        nodesep="0.28",
        ranksep="0.72" if style == "rows" else "0.5",
        bgcolor="transparent",
    )
    dot.attr("node", fixedsize="true", fontname="Helvetica", fontsize="12")
    dot.attr("edge", fontname="Helvetica", fontsize="10", arrowsize="0.8")
    by_name = {node.name: node for node in nodes}
    ids = {node.name: f"n{index}" for index, node in enumerate(nodes)}
    lit = set(by_name) if executed is None else set(executed)
    for node in nodes:
        width, height = size(node)
        dot.node(
            ids[node.name],
            _text(shown(node.name)),
            shape=SHAPES[node.kind],
            width=f"{width / POINTS:.3f}",
            height=f"{height / POINTS:.3f}",
            **_paint(node, node.name in lit, plain=executed is None),
        )
    for node in nodes:
        for edge in node.inputs:
            dot.edge(ids[edge.source], ids[node.name], **_data_edge(edge, node, by_name, style), **_ink({edge.source, node.name} <= lit))
        for control, options in opening(node, by_name).items():
            label = {"xlabel": _text(short(options))} if labelled else {}
            free = {"constraint": "false"} if style == "rows" else {}
            dot.edge(ids[control], ids[node.name], style="dashed", **label, **free, **_ink({control, node.name} <= lit))
    return dot.source


def short(options: Sequence[str]) -> str:
    """The options of a control edge as its label; many are told by their number."""
    if len(options) > MANY:
        alone = [option for option in options if not option.startswith(CHANNEL)]
        return " + ".join([*map(shown, alone[:2]), f"{len(options) - len(alone)} channels"])
    return " / ".join(shown(option) for option in options[:2]) + (" …" if len(options) > 2 else "")


def _data_edge(edge: Edge, node: Node, nodes: Mapping[str, Node], style: Style) -> dict[str, str]:
    beside = style == "rows" and _beside(edge.source, node, nodes)
    ring = {} if edge.default is None else {"dir": "both", "arrowtail": "odot"}
    return {"minlen": "0" if beside else "1", "weight": "2" if beside else "8", **ring}


def _beside(read: str, node: Node, nodes: Mapping[str, Node]) -> bool:
    """Whether, in rows, a node stands beside a node that it reads rather than below it."""
    readers = [other for other in nodes.values() if other.kind != "control" and any(edge.source == read for edge in other.inputs)]
    if node.kind == "control":  # below, where it chooses between readers of what it reads itself
        return not any(node.name == gate.control for reader in readers for gate in reader.gates)
    if not node.gates:
        return nodes[read].kind == "input" and len(readers) == 1
    return len(readers) == 1 or node is not readers[0]


def _text(text: str) -> str:
    """Text that Graphviz takes as it is: neither as HTML nor with escapes."""
    return graphviz.nohtml(graphviz.escape(text))


def _ink(lit: bool) -> dict[str, str]:
    return {} if lit else {"color": LIGHT["line"], "fontcolor": LIGHT["soft"]}


def _paint(node: Node, lit: bool, *, plain: bool) -> dict[str, str]:
    """Colour and line of a node; `plain` without saying what ran."""
    shaded = node.kind in SHADED
    rounded = ["rounded"] if node.kind == "regular" else []
    if not lit:
        return {"style": ",".join(["dashed", *rounded]), "color": LIGHT["soft"], "fontcolor": LIGHT["soft"]}
    if plain or node.kind in ("input", "output"):
        return {"style": ",".join(["filled", *rounded]), "fillcolor": LIGHT["line"] if shaded else LIGHT["paper"]}
    hue = "gate" if node.kind == "control" else "run"
    return {"style": ",".join(["filled", *rounded]), "fillcolor": LIGHT[f"{hue}_wash"], "color": LIGHT[hue]}
