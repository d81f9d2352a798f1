"""Assemble what the browser is sent about one image, once for all λ. Loads without torch and without streamlit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.graph_view.drawing import drawing, strip_cells
from app.graph_view.facts import NodeFacts
from app.graph_view.folding import Folded
from app.graph_view.payload import Comparison, ForcedState, Forcing, Inspection, Interval, NodeGates, View
from app.headline import Circumstances, along_lam, answered, claim, correct, doubt, headline
from app.wording import Forced, clock, counted, percent, scaled, time_comparison, time_range, timing_note
from core.graph.node import Node
from core.scale import SLIDER_STEPS, lam_at

if TYPE_CHECKING:
    from core.explain.predict import LamSweep, Trace
    from core.fast.stopwatch import Spread

FULL = 2.0  # scale from which a channel's cell has the full colour
TOP = 5  # classes that the answer lists
DECIMALS = 4
NOT_FORCED: Forcing = {"note": "", "problem": "", "nodes": [], "options": {}, "routes": [], "routes_note": ""}


@dataclass(frozen=True)
class ViewOptions:
    """What a person chose: the slider's start, expanded groups, a link, what to compare with, the selected node and what was computed of
    it, nodes forced on (True) or off and what else can be forced, whether another view stands beside this one; and the image's class,
    where it is known, or else what the image shows that is known to be none of the network's classes. `pending` names
    what is known so far, where more is to come.
    """

    start_lam: float | None = None
    expanded: tuple[str, ...] = ()
    link: str | None = None
    compared_with: LamSweep | View | None = None
    selected: str | None = None
    inspection: Inspection | None = None
    forced: Mapping[str, bool] = field(default_factory=dict)
    forcing: Forcing = field(default_factory=lambda: NOT_FORCED)
    side_by_side: bool = False
    true_label: str | None = None
    pending: str | None = None
    outside: str | None = None


@dataclass(frozen=True)
class Times:
    """Seconds that an image takes on each interval of λ, and that the static network takes."""

    gated: Sequence[Spread]
    static: float


def view_of(
    nodes: Sequence[Node],
    shown: Sequence[Node],
    macs: Mapping[str, int],
    sweep: LamSweep,
    times: Times | None,
    lam: float | None,
    has_slider: bool,
    facts: Mapping[str, NodeFacts],
    options: ViewOptions | None = None,
) -> View:
    """Return the view of one image. `shown` are the nodes as they are drawn, some folded, and `macs` their costs.

    Without `times` the view says that they are being measured.
    """
    options = options or ViewOptions()
    forced = {name: _state(runs) for name, runs in options.forced.items()}
    static, reference = sweep.reference.macs_static, sweep.reference
    scaling = [node.name for node in shown if not isinstance(node, Folded) and node.name in reference.scales]
    most_accurate = sweep.traces[-1] if has_slider and sweep.computed is None else None
    intervals: list[Interval] = []
    for trace, previous, taken in zip(sweep.traces, [None, *sweep.traces[:-1]], _spreads(sweep, times), strict=True):
        seen = Circumstances(forced, previous, most_accurate, options.true_label)
        ranked = sorted(trace.probabilities.items(), key=lambda item: -item[1])[:TOP]
        intervals.append(
            {
                "claim": claim(trace, options.true_label, options.outside),
                "correct": correct(trace, options.true_label),
                "doubt": doubt(trace),
                "headline": headline(nodes, trace, reference, seen),
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
        "drawing": drawing(shown, macs, static, scaling),
        "live": True,
        "pinned": False,
        "side_by_side": options.side_by_side,
        "expanded": list(options.expanded),
        "selected": options.selected,
        "link": options.link,
        "start_lam": options.start_lam,
        "last_step": SLIDER_STEPS - 1,
        "has_slider": has_slider,
        "lam": lam,
        "gated": _gated(nodes),
        "forced": _forced(shown, options.forced),
        "starts": sweep.starts,
        "intervals": intervals,
        "along": _along(nodes, sweep, bool(forced)) if has_slider else "",
        "computed": None if sweep.computed is None else list(sweep.computed),
        "pending": options.pending,
        "thresholds": sweep.thresholds,
        "scores": {node.name: [_rounded(row) for row in sweep.scores[node.name]] for node in shown if node.kind == "control"},
        "gates": {node.name: gates for node in shown if (gates := _independent_gates(node, nodes))},
        "facts": dict(facts),
        "static": {"macs": counted(static), "time": clock(times.static) if times else ""} if _gated(nodes) else None,
        "timing_note": timing_note(times.gated) if times else "",
        "forcing": options.forcing,
        "inspection": options.inspection,
        "comparison": None if options.compared_with is None else _comparison(shown, options.compared_with),
    }


def pinned(view: View, step: int) -> View:
    """Return the view as it is at one step of the slider, to stand still beside another."""
    moves = view["has_slider"]
    interval = max(index for index, start in enumerate(view["starts"]) if start <= step) if moves else 0
    return {
        **view,
        "live": False,
        "pinned": True,
        "side_by_side": True,
        "start_lam": None,
        "has_slider": False,
        "lam": lam_at(step) if moves else view["lam"],
        "starts": [0],
        "intervals": [view["intervals"][interval]],
        "along": "",
        "computed": None,
        "pending": None,
        "thresholds": [],
        "scores": {name: [rows[step if moves else 0]] for name, rows in view["scores"].items()},
        "forcing": NOT_FORCED,
        "inspection": None,
        "comparison": None,
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
    return {"control": control, "block": block.column if block else None, "first": first, "channels": count}


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


def _comparison(shown: Sequence[Node], other: LamSweep | View) -> Comparison:
    """Return what to compare with. Nodes are compared only where a pinned view's network has the same ones."""
    if isinstance(other, dict):
        same = {node["name"] for node in other["drawing"]["nodes"]} == {node.name for node in shown}
        return {
            "title": "In the pinned view",
            "starts": other["starts"],
            "intervals": [
                {"executed": one["executed"] if same else None, "label": one["label"], "cost_share": one["cost_share"]}
                for one in other["intervals"]
            ],
        }
    return {
        "title": "With nothing forced",
        "starts": other.starts,
        "intervals": [
            {
                "executed": _executed(shown, trace),
                "label": trace.label,
                "cost_share": percent(trace.cost_share),
            }
            for trace in other.traces
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
