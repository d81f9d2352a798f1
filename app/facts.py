"""What is known of each node of a graph, in words and figures, for whoever clicks it. Loads without torch and without streamlit."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from app.diagram import opening
from app.wording import counted, percent
from core.network.node import Node

if TYPE_CHECKING:
    from core.inference.predict import LamSweep

LISTED = 4  # options of a control node that are told one by one
KINDS = {
    "input": "the image",
    "regular": "a module",
    "control": "a control node: it decides what runs",
    "dummy": "a dummy node: it sends a constant",
    "output": "an output; an image’s answer is that of the last one that ran",
}


def facts(
    nodes: Sequence[Node],
    shapes: Mapping[str, Sequence[int]],
    parameters: Mapping[str, int],
    macs: Mapping[str, int],
    rows: Iterable[Mapping[str, Any]],
    sweep: "LamSweep",
) -> dict[str, dict[str, Any]]:
    """For each node {kind, figures [[title, value]], lines, rates [[λ or none, share of validation images that it runs for]]}.

    `rows` are a run's evaluations on validation images, `sweep` is the image that is looked at.
    """
    by_name = {node.name: node for node in nodes}
    static = max(sweep.reference.macs_static, 1)
    seen = [(row["lam"], row["execution_rates"]) for row in rows]
    told = {}
    for node in nodes:
        rates = [[lam, shares[node.name]] for lam, shares in seen if node.name in shares]
        told[node.name] = {
            "kind": KINDS[node.kind],
            "figures": [
                ["Sends", "×".join(map(str, shapes[node.name]))],
                ["Parameters", f"{parameters.get(node.name, 0):,}"],
                ["Multiply-adds", counted(macs[node.name])],
                ["Of the static network", percent(macs[node.name] / static)],
            ],
            "lines": _lines(node, by_name, sweep),
            "rates": rates if node.gates or any(share < 1 for _, share in rates) else [],
        }
    return told


def _lines(node: Node, nodes: Mapping[str, Node], sweep: "LamSweep") -> list[str]:
    """What it reads, what opens it, what it opens, and for which λ it runs on the image."""
    lines = []
    if node.inputs:
        reads = [edge.source + ("" if edge.default is None else f" (or {edge.default:g} where that did not run)") for edge in node.inputs]
        lines.append(f"Reads {', '.join(reads)}.")
    gates = [f"{control} takes {' or '.join(f'“{option}”' for option in options)}" for control, options in opening(node, nodes).items()]
    if gates:
        lines.append(f"Runs where {', or '.join(gates)}.")
    if node.channels:
        lines.append(f"{node.channels.count} channels inside it have gates of their own, which {node.channels.control} sets.")
    for column, option in enumerate(node.options[:LISTED]):
        opened = [other.name for other in nodes.values() if any((g.control, g.column) == (node.name, column) for g in other.gates)]
        if opened or node.decides == "one":
            lines.append(f"“{option}” opens {', '.join(opened) or 'nothing'}.")
    lines.append(_when(node.name, sweep))
    return lines


def _when(name: str, sweep: "LamSweep") -> str:
    """For which λ a node runs on the image."""
    ran = [name in trace.executed for trace in sweep.traces]
    if len(set(ran)) == 1:
        every = " at every λ" if len(sweep.traces) > 1 else ""
        return f"For this image it runs{every}." if ran[0] else f"For this image it is skipped{every}."
    ends = [*sweep.starts[1:], 101]
    spans: list[list[int]] = []
    for start, end, runs in zip(sweep.starts, ends, ran, strict=True):
        if runs and spans and spans[-1][1] == start - 1:
            spans[-1][1] = end - 1
        elif runs:
            spans.append([start, end - 1])
    told = [f"from λ = {first / 100:.2f}" + (f" to {last / 100:.2f}" if last < 100 else " on") for first, last in spans]
    return f"For this image it runs {' and '.join(told)}."
