"""Assemble what the browser is sent about one image, once for all λ. Loads without torch and without streamlit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.graph_view.drawing import drawing, strip_cells
from app.graph_view.facts import NodeFacts
from app.graph_view.folding import Folded
from app.graph_view.payload import ComparedView, Comparison, ForcedState, Forcing, Inspection, Interval, NodeGates, Seen, View
from app.headline import Circumstances, along_lam, answered, claim, correct, doubt, headline
from app.terms import key_terms
from app.wording import Forced, clock, counted, percent, scaled, time_comparison, time_range, time_with_range, timing_note
from core.graph.node import Node
from core.scale import SLIDER_STEPS, nearest_from

if TYPE_CHECKING:
    from core.explain.predict import LamSweep, Trace
    from core.fast.stopwatch import Spread

FULL = 2.0  # scale from which a channel's cell has the full colour
TOP = 5  # classes that the answer lists
DECIMALS = 4
NOT_FORCED: Forcing = {"note": "", "problem": "", "nodes": [], "options": {}, "routes": [], "routes_note": ""}


@dataclass(frozen=True)
class ViewOptions:
    """What a person chose: the slider's start, how often an address was arrived at, expanded groups, a link, the networks beside this one,
    the selected node and what was computed of it, nodes forced on (True) or off, what else can be forced, and the image without them.
    `pending` names what is known so far, where more is to come.
    """

    start_lam: float | None = None
    visit: int = 0
    expanded: tuple[str, ...] = ()
    link: str | None = None
    compared: Sequence[ComparedView] = ()
    automatic: LamSweep | None = None
    selected: str | None = None
    inspection: Inspection | None = None
    forced: Mapping[str, bool] = field(default_factory=dict)
    forcing: Forcing = field(default_factory=lambda: NOT_FORCED)
    pending: str | None = None


@dataclass(frozen=True)
class Subject:
    """What is seen: the run, what the image shows and its picture as a data URL; and the image's class, where it is known, or else what the
    image shows that is known to be none of the network's classes.
    """

    run: str = ""
    description: str = ""
    picture: str = ""
    true_label: str | None = None
    outside: str | None = None


@dataclass(frozen=True)
class Times:
    """Seconds that an image takes on each interval of λ, and that the static network takes."""

    gated: Sequence[Spread]
    static: Spread


def view_of(
    nodes: Sequence[Node],
    shown: Sequence[Node],
    macs: Mapping[str, int],
    sweep: LamSweep,
    times: Times | None,
    lam: float | None,
    has_slider: bool,
    facts: Mapping[str, NodeFacts],
    subject: Subject,
    options: ViewOptions | None = None,
) -> View:
    """Return the view of one image. `shown` are the nodes as they are drawn, some folded, and `macs` their costs.

    Without `times` the view says that they are being measured.
    """
    options = options or ViewOptions()
    static = sweep.reference.macs_static
    return {
        **seen(nodes, shown, macs, sweep, times, lam, has_slider, subject, options.forced),
        "compared": list(options.compared),
        "live": True,
        "expanded": list(options.expanded),
        "selected": options.selected,
        "link": options.link,
        "start_lam": options.start_lam,
        "visit": options.visit,
        "gated": _gated(nodes),
        "along": _along(nodes, sweep, bool(options.forced)) if has_slider else "",
        "computed": None if sweep.computed is None else list(sweep.computed),
        "pending": options.pending,
        "thresholds": sweep.thresholds,
        "gates": {node.name: gates for node in shown if (gates := _independent_gates(node, nodes))},
        "facts": dict(facts),
        "static": {"macs": counted(static), "time": time_with_range(times.static) if times else ""} if _gated(nodes) else None,
        "timing_note": timing_note(times.gated) if times else "",
        "forcing": options.forcing,
        "inspection": options.inspection,
        "comparison": None if options.automatic is None else _comparison(shown, options.automatic),
        "terms": key_terms(),
    }


def seen(
    nodes: Sequence[Node],
    shown: Sequence[Node],
    macs: Mapping[str, int],
    sweep: LamSweep,
    times: Times | None,
    lam: float | None,
    has_slider: bool,
    subject: Subject,
    forced_nodes: Mapping[str, bool],
    held: int | None = None,
) -> Seen:
    """Return what the graph of one image shows at every λ. The arguments are those of `view_of`; `held` is the slider's step, if any."""
    forced = {name: _state(runs) for name, runs in forced_nodes.items()}
    static, reference = sweep.reference.macs_static, sweep.reference
    scaling = [node.name for node in shown if not isinstance(node, Folded) and node.name in reference.scales]
    most_accurate = sweep.traces[-1] if has_slider and sweep.computed is None else None
    steps = range(SLIDER_STEPS if has_slider else 1) if sweep.computed is None else sweep.computed
    scored = nearest_from(steps)
    intervals: list[Interval] = []
    for trace, previous, taken in zip(sweep.traces, [None, *sweep.traces[:-1]], _spreads(sweep, times), strict=True):
        circumstances = Circumstances(forced, previous, most_accurate, subject.true_label)
        ranked = sorted(trace.probabilities.items(), key=lambda item: -item[1])[:TOP]
        intervals.append(
            {
                "claim": claim(trace, subject.true_label, subject.outside),
                "correct": correct(trace, subject.true_label),
                "doubt": doubt(trace),
                "headline": headline(nodes, trace, reference, circumstances),
                "executed": _executed(shown, trace),
                "strips": {node.name: _strip(_gates(node, trace), strip_cells(node)) for node in shown if strip_cells(node)},
                "chosen": {node.name: _listed(trace.controls[node.name].chosen) for node in shown if node.kind == "control"},
                "scales": {name: scaled(trace.scales[name]) for name in scaling},
                "label": trace.label if answered(trace) else "no answer",
                "probabilities": [(name, share, percent(share)) for name, share in ranked] if answered(trace) else [],
                "macs": counted(trace.macs),
                "cost": trace.cost_share,
                "cost_share": percent(trace.cost_share),
                "time": clock(taken.median) if taken else "",
                "time_range": time_range(taken) if taken else "",
                "time_comparison": time_comparison(taken, times.static) if taken and times and _gated(nodes) else "",
            }
        )
    return {
        "name": subject.run,
        "description": subject.description,
        "picture": subject.picture,
        "held": held,
        "drawing": drawing(shown, macs, static, scaling),
        "last_step": SLIDER_STEPS - 1,
        "has_slider": has_slider,
        "lam": lam,
        "forced": _forced(shown, forced_nodes),
        "starts": sweep.starts,
        "intervals": intervals,
        "scored": scored,
        "scores": {node.name: [_rounded(sweep.scores[node.name][step]) for step in scored] for node in shown if node.kind == "control"},
    }


def _spreads(sweep: LamSweep, times: Times | None) -> Sequence[Spread | None]:
    """Return the time of each interval, none as long as it has not been measured."""
    return [None] * len(sweep.traces) if times is None else times.gated


def _along(nodes: Sequence[Node], sweep: LamSweep, forced: bool) -> str:
    """Say what changes along λ, or how fine the slider is so far."""
    if sweep.computed is None:
        return along_lam(nodes, sweep, forced)
    return f"{len(sweep.computed)} of {SLIDER_STEPS} values of λ so far; in between, the nearest of them is shown"


def _independent_gates(node: Node, nodes: Sequence[Node]) -> NodeGates | None:
    """Return where the gates of a node are, if they open independently of each other; a folded node shows none."""
    each = {one.name for one in nodes if one.kind == "control" and one.decides == "each"}
    block = next((gate for gate in node.gates if gate.control in each), None)
    control = node.channels.control if node.channels else block.control if block else None
    if control not in each or isinstance(node, Folded):
        return None
    first, count = (node.channels.first, node.channels.count) if node.channels else (0, 0)
    grouped = bool(node.channels and node.channels.nested)
    return {"control": control, "block": block.column if block else None, "first": first, "channels": count, "grouped": grouped}


def _gated(nodes: Sequence[Node]) -> bool:
    return any(node.kind == "control" for node in nodes)


def _state(runs: bool) -> Forced:
    return "on" if runs else "off"


def _forced(shown: Sequence[Node], forced: Mapping[str, bool]) -> dict[str, ForcedState]:
    """Say how the drawn nodes are forced: "some" where the blocks of a folded node differ."""
    found: dict[str, ForcedState] = {}
    for node in shown:
        members = node.members if isinstance(node, Folded) else (node.name,)
        blocks = node.blocks if isinstance(node, Folded) else members
        states = {forced[name] for name in members if name in forced}
        if states:
            found[node.name] = "some" if len(states) > 1 or not forced.keys() >= set(blocks) else _state(states.pop())
    return found


def _comparison(shown: Sequence[Node], automatic: LamSweep) -> Comparison:
    """Return the image with nothing forced."""
    return {
        "title": "With nothing forced",
        "starts": automatic.starts,
        "intervals": [
            {"executed": _executed(shown, trace), "label": trace.label, "cost_share": percent(trace.cost_share)}
            for trace in automatic.traces
        ],
    }


def _executed(shown: Sequence[Node], trace: Trace) -> list[str]:
    """Return the drawn nodes that ran; a folded node counts if its last member ran."""
    ran = set(trace.executed)
    return [node.name for node in shown if (node.members[-1] if isinstance(node, Folded) else node.name) in ran]


def _gates(node: Node, trace: Trace) -> float | list[float]:
    """Return what a node's strip shows: how far its channels are open, or which of its blocks ran."""
    if isinstance(node, Folded):
        return [FULL * (name in trace.executed) for name in node.blocks]
    return trace.gates[node.name]


def _strip(gates: float | list[float], count: int) -> str:
    """Return a digit for each cell: 0 where all its channels are closed, else 1 to 9 by the mean of their scales."""
    values = gates if isinstance(gates, list) else [gates]
    size = -(-len(values) // count)
    means = [sum(cell) / len(cell) for cell in (values[start : start + size] for start in range(0, len(values), size))]
    return "".join("0" if mean <= 0 else str(min(9, 1 + round(8 * mean / FULL))) for mean in means)


def _listed(chosen: str | list[str] | None) -> list[str]:
    return [chosen] if isinstance(chosen, str) else list(chosen or [])


def _rounded(row: list[float] | None) -> list[float] | None:
    return None if row is None else [round(value, DECIMALS) for value in row]
