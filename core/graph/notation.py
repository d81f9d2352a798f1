"""A graph in the notation of the D2NN paper, as Graphviz source for `dot` (Liu & Deng, figure 1).

Circles for input and output nodes, outputs shaded; rectangles for regular nodes; diamonds for control nodes; dummy nodes shaded; data
edges solid, control edges dashed; a small circle on a data edge that carries a default value. Loads without torch.
"""

from collections.abc import Sequence

from core.graph.node import Node, NodeKind

SHAPES: dict[NodeKind, str] = {"input": "ellipse", "output": "ellipse", "regular": "box", "control": "diamond", "dummy": "box"}
SHADED: tuple[NodeKind, ...] = ("output", "dummy")


def dot_source(nodes: Sequence[Node]) -> str:
    """Return the Graphviz source of the graph of these nodes."""
    options = {node.name: node.options for node in nodes}
    lines = ["digraph {"]
    for node in nodes:
        style = ' style="filled" fillcolor="lightgrey"' if node.kind in SHADED else ""
        lines.append(f"  {_quoted(node.name)} [shape={SHAPES[node.kind]}{style}]")
    for node in nodes:
        for edge in node.inputs:
            mark = "" if edge.default is None else f" [dir=both arrowtail=odot taillabel={_quoted(f'{edge.default:g}')}]"
            lines.append(f"  {_quoted(edge.source)} -> {_quoted(node.name)}{mark}")
        for gate in node.gates:
            label = _quoted(options[gate.control][gate.column])
            lines.append(f"  {_quoted(gate.control)} -> {_quoted(node.name)} [style=dashed label={label}]")
        if node.channels:
            label = _quoted(f"{node.channels.count} channels")
            lines.append(f"  {_quoted(node.channels.control)} -> {_quoted(node.name)} [style=dashed label={label}]")
    return "\n".join([*lines, "}"])


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
