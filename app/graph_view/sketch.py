"""Write a graph with its labels as Graphviz source, for a drawing that stands still: a network before or during its training.

The colours are legible on light and on dark paper. Loads without torch and without streamlit.
"""

from collections.abc import Mapping, Sequence

import graphviz

from app.colours import SOFT
from app.graph_view.diagram import opening, short, shown
from app.graph_view.folding import Folded, fold
from app.wording import counted, percent
from core.graph.node import Node
from core.graph.notation import SHAPES

INK, CONTROL_FILL, PAPER = "#0f1722", "#fdeccf", "#eef2f6"
RUNS, RESTS = (13, 108, 101), (227, 243, 240)  # red, green and blue of a module that runs for every image, and for none
WHITE_ABOVE = 0.55  # share from which white letters have the higher contrast


def sketch(nodes: Sequence[Node], macs: Mapping[str, int], rates: Mapping[str, float] | None = None) -> str:
    """Return Graphviz source of a graph with each module's multiply-adds, or with the share of images for which it ran, where known."""
    drawn = fold(nodes)
    dot = graphviz.Digraph()
    dot.attr("graph", rankdir="LR", nodesep="0.2", ranksep="0.35", bgcolor="transparent", margin="0")
    dot.attr("node", fontname="sans-serif", fontsize="11", style="filled", color=SOFT, fontcolor=INK, margin="0.08,0.04", height="0.3")
    dot.attr("edge", color=SOFT, fontcolor=SOFT, fontname="sans-serif", fontsize="9", arrowsize="0.7")
    by_name = {node.name: node for node in drawn}
    ids = {node.name: f"n{index}" for index, node in enumerate(drawn)}
    for node in drawn:
        dot.node(ids[node.name], **_node(node, macs, rates or {}))
    for node in drawn:
        for edge in node.inputs:
            ring = {} if edge.default is None else {"dir": "both", "arrowtail": "odot"}
            dot.edge(ids[edge.source], ids[node.name], **ring)
        for control, options in opening(node, by_name).items():
            dot.edge(ids[control], ids[node.name], graphviz.escape(short(options)), style="dashed")
    return str(dot.source)


def _node(node: Node, macs: Mapping[str, int], rates: Mapping[str, float]) -> dict[str, str]:
    """Return the attributes of a node: its name, a figure below it, and a colour by its kind or its share of images."""
    members = node.members if isinstance(node, Folded) else (node.name,)
    known = [rates[name] for name in members if name in rates]
    cost = sum(macs.get(name, 0) for name in members)
    figure = percent(sum(known) / len(known)) if known else counted(cost) if cost and node.kind == "regular" else ""
    label = graphviz.escape(shown(node.name)) + (f"\\n{figure}" if figure else "")
    if node.kind == "control":
        return {"label": label, "shape": SHAPES["control"], "fillcolor": CONTROL_FILL, "margin": "0.01,0.01"}
    if not known:
        return {"label": label, "shape": SHAPES[node.kind], "fillcolor": PAPER}
    rate = sum(known) / len(known)
    fill = "#" + "".join(f"{round(rest + (run - rest) * rate):02x}" for run, rest in zip(RUNS, RESTS, strict=True))
    return {"label": label, "shape": SHAPES[node.kind], "fillcolor": fill, "fontcolor": "#ffffff" if rate > WHITE_ABOVE else INK}
