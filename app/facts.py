"""What is known of each node of a graph, in words and figures, for whoever clicks it. Loads without torch and without streamlit."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from app.wording import counted, percent
from core.network.node import Node

if TYPE_CHECKING:
    from core.inference.predict import LamSweep

STEPS = 101  # of the λ slider
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
    names: Collection[str],
    shapes: Mapping[str, Sequence[int]],
    parameters: Mapping[str, int],
    macs: Mapping[str, int],
    rows: Iterable[Mapping[str, Any]],
    sweep: "LamSweep",
) -> dict[str, dict[str, Any]]:
    """For each of the nodes of these names {kind, figures [[title, value]], lines, rates [[λ or none, share of images that it runs for]]}.

    `rows` are a run's evaluations on validation images, `sweep` is the image that is looked at.
    """
    by_name = {node.name: node for node in nodes}
    static = max(sweep.reference.macs_static, 1)
    seen = [(row["lam"], row["execution_rates"]) for row in rows]
    ran = [set(trace.executed) for trace in sweep.traces]
    told = {}
    for node in nodes:
        if node.name not in names:
            continue
        rates = [[lam, shares[node.name]] for lam, shares in seen if node.name in shares]
        told[node.name] = {
            "kind": KINDS[node.kind],
            "figures": [
                ["Sends", "×".join(map(str, shapes[node.name]))],
                ["Parameters", f"{parameters.get(node.name, 0):,}"],
                ["Multiply-adds", counted(macs[node.name])],
                ["Of the static network", percent(macs[node.name] / static)],
            ],
            "lines": [*_lines(node, by_name), _when([node.name in running for running in ran], sweep.starts)],
            "rates": rates if node.gates or any(share < 1 for _, share in rates) else [],
        }
    return told


def _lines(node: Node, nodes: Mapping[str, Node]) -> list[str]:
    """What it reads, what opens it, and what it opens."""
    lines = []
    if node.inputs:
        reads = [edge.source + ("" if edge.default is None else f" (or {edge.default:g} where that did not run)") for edge in node.inputs]
        lines.append(f"Reads {', '.join(reads)}.")
    options: dict[str, list[str]] = {}
    for gate in node.gates:
        options.setdefault(gate.control, []).append(f"“{nodes[gate.control].options[gate.column]}”")
    gates = [f"{control} takes {' or '.join(taken)}" for control, taken in options.items()]
    if gates:
        lines.append(f"Runs where {', or '.join(gates)}.")
    if node.channels:
        lines.append(f"{node.channels.count} channels inside it have gates of their own, which {node.channels.control} sets.")
    for column, option in enumerate(node.options[:LISTED]):
        opened = [other.name for other in nodes.values() if any((g.control, g.column) == (node.name, column) for g in other.gates)]
        if opened or node.decides == "one":
            lines.append(f"“{option}” opens {', '.join(opened) or 'nothing'}.")
    return lines


def _when(ran: Sequence[bool], starts: Sequence[int]) -> str:
    """For which λ a node runs on the image: whether it did from each of some steps of the slider on."""
    if len(set(ran)) == 1:
        every = " at every λ" if len(ran) > 1 else ""
        return f"For this image it runs{every}." if ran[0] else f"For this image it is skipped{every}."
    ends = [*starts[1:], STEPS]
    spans: list[list[int]] = []
    for start, end, runs in zip(starts, ends, ran, strict=True):
        if runs and spans and spans[-1][1] == start - 1:
            spans[-1][1] = end - 1
        elif runs:
            spans.append([start, end - 1])
    told = [f"from λ = {first / 100:.2f}" + (f" to {last / 100:.2f}" if last < STEPS - 1 else " on") for first, last in spans]
    return f"For this image it runs {' and '.join(told)}."
