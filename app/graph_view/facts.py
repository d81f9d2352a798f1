"""What is known of each node of a graph, in words and figures, for whoever clicks it. Loads without torch and without streamlit."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from app.wording import counted, percent
from core.graph.node import Node

if TYPE_CHECKING:
    from core.explain.predict import LamSweep

SLIDER_STEPS = 101  # of the λ slider
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
    held: Mapping[str, bool] | None = None,
    free: "LamSweep | None" = None,
) -> dict[str, dict[str, Any]]:
    """For each of the nodes of these names {kind, figures [[title, value]], lines, rates [[λ or none, share of images that it runs for]],
    switches [λ]}.

    `rows` are a run's evaluations on validation images, `sweep` is the image that is looked at; `free` is it with nothing held, where nodes
    are `held` on or off. A control node switches where it takes another option than before.
    """
    by_name = {node.name: node for node in nodes}
    static = max(sweep.reference.macs_static, 1)
    seen = [(row["lam"], row["execution_rates"]) for row in rows]
    held = held or {}
    told = {}
    for node in nodes:
        if node.name not in names:
            continue
        rates = [[lam, shares[node.name]] for lam, shares in seen if node.name in shares]
        told[node.name] = {
            "kind": KINDS[node.kind],
            "figures": [
                *([] if node.kind == "control" else [["Sends", _shape(shapes[node.name])]]),
                ["Parameters", f"{parameters.get(node.name, 0):,}"],
                ["Multiply-adds", counted(macs[node.name])],
                ["Of the static network", percent(macs[node.name] / static)],
            ],
            "lines": [*_lines(node, by_name, shapes), *_happened(node, sweep, held, free)],
            "rates": rates if node.gates or any(share < 1 for _, share in rates) else [],
            "switches": [start / 100 for start, _ in _taken(node, sweep)[1:]],
        }
    return told


def _shape(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))


def _lines(node: Node, nodes: Mapping[str, Node], shapes: Mapping[str, Sequence[int]]) -> list[str]:
    """What it reads, what opens it, and what it opens."""
    lines = []
    if node.inputs:
        reads = [
            f"{edge.source} ({_shape(shapes[edge.source])}{'' if edge.default is None else f', {edge.default:g} where it did not run'})"
            for edge in node.inputs
        ]
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


def _happened(node: Node, sweep: "LamSweep", held: Mapping[str, bool], free: "LamSweep | None") -> list[str]:
    """What became of a node on the image, and what would have if nothing were held."""
    lines = [_when([node.name in trace.executed for trace in sweep.traces], sweep.starts)]
    taken = _taken(node, sweep)
    if len(taken) > 1:
        first, *rest = taken
        lines.append(f"It takes “{first[1]}”" + "".join(f", “{option}” from λ = {start / 100:.2f} on" for start, option in rest) + ".")
    if node.name in held and free is not None:
        alone = _when([node.name in trace.executed for trace in free.traces], free.starts)
        lines = [f"It is held {'on' if held[node.name] else 'off'}. {alone.replace('For this image it', 'With nothing held it', 1)}"]
    return lines


def _taken(node: Node, sweep: "LamSweep") -> list[tuple[int, str]]:
    """From which steps of the slider on a control node takes another option than before, and which."""
    taken: list[tuple[int, str]] = []
    for start, trace in zip(sweep.starts, sweep.traces, strict=True):
        chosen = trace.controls[node.name].chosen if node.kind == "control" else None
        if isinstance(chosen, str) and (not taken or taken[-1][1] != chosen):
            taken.append((start, chosen))
    return taken


def _when(ran: Sequence[bool], starts: Sequence[int]) -> str:
    """For which λ a node runs on the image: whether it did from each of some steps of the slider on."""
    if len(set(ran)) == 1:
        every = " at every λ" if len(ran) > 1 else ""
        return f"For this image it runs{every}." if ran[0] else f"For this image it is skipped{every}."
    ends = [*starts[1:], SLIDER_STEPS]
    spans: list[list[int]] = []
    for start, end, runs in zip(starts, ends, ran, strict=True):
        if runs and spans and spans[-1][1] == start - 1:
            spans[-1][1] = end - 1
        elif runs:
            spans.append([start, end - 1])
    told = [f"from λ = {first / 100:.2f}" + (f" to {last / 100:.2f}" if last < SLIDER_STEPS - 1 else " on") for first, last in spans]
    return f"For this image it runs {' and '.join(told)}."
