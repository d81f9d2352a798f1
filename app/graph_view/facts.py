"""Describe each node of a graph in words and figures, for its details card. Loads without torch and without streamlit."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from app.wording import counted, percent
from core.graph.node import Node, NodeKind
from core.scale import SLIDER_STEPS, cost_share, lam_at

if TYPE_CHECKING:
    from core.explain.predict import LamSweep

MAX_LISTED_OPTIONS = 4  # options of a controller that have a line of their own
KINDS: dict[NodeKind, str] = {
    "input": "Input: the image",
    "regular": "Module",
    "control": "Controller: it decides which modules run",
    "dummy": "Dummy node: it outputs the same value for every image",
    "output": "Output: the last output that ran gives the answer",
}


class NodeFacts(TypedDict):
    """What the details card of a node says.

    `title` is the kind of node, `figures` are pairs of caption and value, `lines` sentences. `rates` are pairs of λ (none: the network's
    own) and the share of validation images for which the node runs. `switches` are the λ at which a controller's choice changes.
    """

    title: str
    figures: list[tuple[str, str]]
    lines: list[str]
    rates: list[tuple[float | None, float]]
    switches: list[float]


def facts(
    nodes: Sequence[Node],
    names: Collection[str],
    shapes: Mapping[str, Sequence[int]],
    parameters: Mapping[str, int],
    macs: Mapping[str, int],
    rows: Iterable[Mapping[str, Any]],
    sweep: "LamSweep",
    forced: Mapping[str, bool] | None = None,
    automatic: "LamSweep | None" = None,
) -> dict[str, NodeFacts]:
    """Return the facts of the nodes with these names.

    `rows` are a run's evaluations on validation images, and `sweep` is the image along λ. Where nodes are `forced` on (True) or off,
    `automatic` is the same image with nothing forced.
    """
    by_name = {node.name: node for node in nodes}
    static = sweep.reference.macs_static
    measured: list[tuple[float | None, Mapping[str, float]]] = [(row["lam"], row["execution_rates"]) for row in rows]
    found: dict[str, NodeFacts] = {}
    for node in nodes:
        if node.name not in names:
            continue
        rates = [(lam, shares[node.name]) for lam, shares in measured if node.name in shares]
        found[node.name] = {
            "title": KINDS[node.kind],
            "figures": [
                *([] if node.kind == "control" else [("Output shape", _shape(shapes[node.name]))]),
                ("Parameters", f"{parameters.get(node.name, 0):,}"),
                ("Multiply-adds", counted(macs[node.name])),
                ("Share of the static network", percent(cost_share(macs[node.name], static))),
            ],
            "lines": [*_connections(node, by_name, shapes), *_behaviour(node, sweep, forced or {}, automatic)],
            "rates": rates if node.gates or any(share < 1 for _, share in rates) else [],
            "switches": [] if sweep.computed is not None else [lam_at(start) for start, _ in _choices(node, sweep)[1:]],
        }
    return found


def _shape(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))


def _connections(node: Node, nodes: Mapping[str, Node], shapes: Mapping[str, Sequence[int]]) -> list[str]:
    """Say what a node reads, what opens it, and what it opens."""
    lines = []
    if node.inputs:
        sources = [
            f"{edge.source} ({_shape(shapes[edge.source])}{'' if edge.default is None else f'; {edge.default:g} if it was skipped'})"
            for edge in node.inputs
        ]
        lines.append(f"Reads {', '.join(sources)}.")
    options: dict[str, list[str]] = {}
    for gate in node.gates:
        options.setdefault(gate.control, []).append(f"“{nodes[gate.control].options[gate.column]}”")
    verb = {control: "chooses" if nodes[control].decides == "one" else "opens" for control in options}
    gates = [f"{control} {verb[control]} {' or '.join(opening)}" for control, opening in options.items()]
    if gates:
        lines.append(f"Runs if {', or '.join(gates)}.")
    if node.channels:
        control, count = node.channels.control, node.channels.count
        whole = f"{control} decides for each of its {count} inner channels whether it is computed."
        first = f"{control} decides how many of its {count} groups of inner channels are computed, from the first one on."
        lines.append(first if node.channels.nested else whole)
    for column, option in enumerate(node.options[:MAX_LISTED_OPTIONS]):
        opened = [other.name for other in nodes.values() if any((g.control, g.column) == (node.name, column) for g in other.gates)]
        if opened or node.decides == "one":
            lines.append(f"“{option}” opens {', '.join(opened) or 'nothing'}.")
    return lines


def _behaviour(node: Node, sweep: "LamSweep", forced: Mapping[str, bool], automatic: "LamSweep | None") -> list[str]:
    """Say when a node runs for the image, and when it would if nothing were forced; nothing before all values of λ are known."""
    if sweep.computed is not None or (automatic is not None and automatic.computed is not None):
        return []
    if node.name in forced and automatic is not None:
        return [f"It is forced {'on' if forced[node.name] else 'off'}. {_when(node, automatic, 'With nothing forced')}"]
    lines = [_when(node, sweep, "For this image")]
    choices = _choices(node, sweep)
    if len(choices) > 1:
        (_, first), *rest = choices
        lines.append(
            f"It chooses “{first}” at first" + "".join(f", then “{option}” from λ = {lam_at(start):.2f}" for start, option in rest) + "."
        )
    return lines


def _choices(node: Node, sweep: "LamSweep") -> list[tuple[int, str]]:
    """Return the steps of the slider at which a controller's choice changes, with the new choice; the first entry is its first choice."""
    choices: list[tuple[int, str]] = []
    for start, trace in zip(sweep.starts, sweep.traces, strict=True):
        chosen = trace.controls[node.name].chosen if node.kind == "control" else None
        if isinstance(chosen, str) and (not choices or choices[-1][1] != chosen):
            choices.append((start, chosen))
    return choices


def _when(node: Node, sweep: "LamSweep", where: str) -> str:
    """Say at which λ a node runs."""
    ran = [node.name in trace.executed for trace in sweep.traces]
    if len(set(ran)) == 1:
        every = " at every λ" if len(ran) > 1 else ""
        return f"{where} it runs{every}." if ran[0] else f"{where} it is skipped{every}."
    ends = [*sweep.starts[1:], SLIDER_STEPS]
    spans: list[tuple[int, int]] = []
    for start, end, runs in zip(sweep.starts, ends, ran, strict=True):
        if runs and spans and spans[-1][1] == start - 1:
            spans[-1] = (spans[-1][0], end - 1)
        elif runs:
            spans.append((start, end - 1))
    last = SLIDER_STEPS - 1
    words = [f"from λ = {lam_at(start):.2f}" + (f" to {lam_at(end):.2f}" if end < last else " upwards") for start, end in spans]
    return f"{where} it runs {' and '.join(words)}."
