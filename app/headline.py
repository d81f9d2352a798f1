"""Say in a sentence what happened to an image at one λ, and what changes along λ. Loads without torch and without streamlit."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.wording import Forced, percent
from core.graph.node import Node
from core.scale import lam_at

if TYPE_CHECKING:
    from core.explain.predict import LamSweep, Trace

SURE = 0.5  # smallest probability of an answer that is sure
LEAD = 2.0  # smallest ratio of its probability to the next class's
MAX_NAMED = 2  # skipped modules that are named one by one


@dataclass(frozen=True)
class Circumstances:
    """What a headline compares with.

    `forced` are the modules that a person forces on or off, `previous` is the trace at the next smaller λ, `most_accurate` the trace at
    λ = 1, `true_label` the image's class where it is known. A network whose gates scale never runs with all of them open and unscaled: it
    is compared with its own answer at λ = 1.
    """

    forced: Mapping[str, Forced] = field(default_factory=dict)
    previous: "Trace | None" = None
    most_accurate: "Trace | None" = None
    true_label: str | None = None


def answered(trace: "Trace") -> bool:
    """Return whether the network gave an answer: its probabilities are numbers."""
    return all(math.isfinite(share) for share in trace.probabilities.values())


def correct(trace: "Trace", true_label: str | None) -> bool | None:
    """Return whether the answer is right; none where the image's class is not known."""
    return None if true_label is None else answered(trace) and trace.label == true_label


def doubt(trace: "Trace") -> str:
    """Say why an answer is unsure: its class has a probability below SURE, or less than LEAD times the next one's. Empty if it is sure."""
    if not answered(trace):
        return ""
    first, *rest = sorted(trace.probabilities.values(), reverse=True)
    if first < SURE:
        return f"below {percent(SURE)}"
    return f"less than {LEAD:g} times the next class" if rest and first < LEAD * rest[0] else ""


def claim(trace: "Trace", true_label: str | None, outside: str | None = None) -> str:
    """Say what the network answered, and first whether that is right and sure.

    `outside` is what the image shows where that is known to be none of the network's classes.
    """
    if not answered(trace):
        return "No answer: the output is not a number."
    if outside is not None:
        return f"{outside[:1].upper()}{outside[1:]} is none of its classes: “{trace.label}” cannot be right."
    unsure = bool(doubt(trace))
    if true_label is None:
        return f"Unsure: perhaps “{trace.label}”." if unsure else f"The answer is “{trace.label}”."
    if trace.label == true_label:
        return f"Right, but unsure: “{trace.label}”." if unsure else f"Right: “{trace.label}”."
    return f"Wrong{', and unsure' if unsure else ''}: “{trace.label}” instead of “{true_label}”."


def headline(nodes: Sequence[Node], trace: "Trace", reference: "Trace", seen: Circumstances) -> tuple[str, str, str]:
    """Say what happened to the image: what decided it, the figures to stress, and how the answer compares with the full network's."""
    modules = {node.name for node in nodes if node.kind in ("regular", "dummy")}
    ran = len(modules & set(trace.executed))
    share = percent(trace.cost_share)
    if not any(node.kind == "control" for node in nodes):
        every = "its one module" if len(modules) == 1 else f"all {len(modules)} modules"
        return "This network has no gates: ", f"{every} ran, with {share} of the static network’s computation", ", as for every image."
    channels = [gate for node in nodes if node.channels for gate in _listed(trace.gates[node.name])]
    closed = sum(gate <= 0 for gate in channels)
    if set(trace.executed) == set(reference.executed) and not closed:
        if seen.forced:
            return _forced(seen.forced), f"{ran} of {len(modules)} modules ran, with {share} of the static network’s computation", "."
        opening = "All modules ran. " if ran == len(modules) else "The full network ran. "
        return opening, f"With its controllers, the network used {share} of the static network’s computation", "."
    figures = f"{ran} of {len(modules)} modules ran, with {share} of the static network’s computation"
    if _scales(nodes):
        tail = "." if seen.most_accurate in (None, trace) else _compared(trace, seen.most_accurate, "at λ = 1 it", seen.true_label)
        what = "groups of channels" if any(node.channels and node.channels.nested for node in nodes) else "channels"
        opening = f"{len(channels) - closed} of {len(channels)} {what} opened: " if closed else _without(nodes, trace)
    else:
        tail = _compared(trace, reference, "the full network", seen.true_label)
        opening = _turning_point(nodes, trace, seen.previous)
    return _forced(seen.forced) or opening, figures, tail


def along_lam(nodes: Sequence[Node], sweep: "LamSweep", forced: bool) -> str:
    """Say what changes along λ for an image: its route, or its channels, cost and answer, or nothing."""
    image = "With the modules you forced, this image" if forced else "This image"
    if sweep.thresholds:
        return "Orange marks: values of λ at which this image takes a different route"
    shares = [trace.cost_share for trace in sweep.traces]
    low, high = percent(min(shares)), percent(max(shares))
    if len(sweep.traces) == 1 or (low == high and not _scales(nodes)):
        return f"{image} takes the same route at every λ"
    what = "channels" if any(node.channels for node in nodes) else "scales of its gates"
    cost = f", and with them the cost, from {low} to {high}" if low != high else ""
    return f"The same modules run at every λ. The {what} change{cost}{_answers(sweep)}"


def _answers(sweep: "LamSweep") -> str:
    """Say how often the answer changes along λ."""
    labels = [trace.label for trace in sweep.traces]
    changes = [index for index in range(1, len(labels)) if labels[index] != labels[index - 1]]
    if not changes:
        return "; the answer stays the same"
    if len(changes) > 1:
        return f"; the answer changes {len(changes)} times"
    (index,) = changes
    return f"; the answer changes from “{labels[index - 1]}” to “{labels[index]}” at λ = {lam_at(sweep.starts[index]):.2f}"


def _scales(nodes: Sequence[Node]) -> bool:
    """Return whether gates open independently of each other, and scale."""
    return any(node.kind == "control" and node.decides == "each" for node in nodes)


def _compared(trace: "Trace", other: "Trace", who: str, true_label: str | None) -> str:
    """Compare an answer with another, and where the image's class is known with that."""
    if trace.label == other.label:
        if true_label not in (None, trace.label):
            return f"; {who} gives the same wrong answer."
        return f", and {who} gives the same answer."
    if true_label is None:
        return f"; {who} answers “{other.label}”."
    rest = "which is right" if other.label == true_label else "which is wrong" + (" too" if trace.label != true_label else "")
    return f"; {who} answers “{other.label}”, {rest}."


def _forced(forced: Mapping[str, Forced]) -> str:
    """Name what is forced, or return nothing."""
    if not forced:
        return ""
    (name, state), *more = forced.items()
    return f"With {len(forced)} modules forced: " if more else f"With {name} forced {state}: "


def _listed(gates: float | list[float]) -> list[float]:
    return gates if isinstance(gates, list) else [gates]


def _without(nodes: Sequence[Node], trace: "Trace") -> str:
    """Name the gated modules that were skipped, or count them."""
    gated = [node.name for node in nodes if node.gates and node.kind != "control"]
    skipped = [name for name in gated if name not in trace.executed]
    if not skipped:
        return ""
    if len(skipped) > MAX_NAMED:
        return f"{len(skipped)} of {len(gated)} gated modules were skipped: "
    return f"Without {' and '.join(skipped)}: "


def _turning_point(nodes: Sequence[Node], trace: "Trace", previous: "Trace | None") -> str:
    """Name the controller that stopped, or else one that chose otherwise than at smaller λ, or else the last choice."""
    controls = {node.name: node for node in nodes if node.kind == "control" and trace.controls[node.name].chosen is not None}
    if not controls:
        return "No controller ran: "
    choices = {name: trace.controls[name].chosen for name in controls}
    *_, last = controls
    chosen = choices[last]
    if not isinstance(chosen, str):
        return ""
    same = list(controls) if set(map(str, choices.values())) == {chosen} else [last]
    who = f"{', '.join(same[:-1])} and {last}" if len(same) > 1 else last
    column = controls[last].options.index(chosen)
    if not any((gate.control, gate.column) == (last, column) for node in nodes for gate in node.gates):
        return f"{who} stopped here: "
    turned = [name for name in controls if previous and previous.controls[name].chosen not in (None, choices[name])]
    return f"{turned[0]} now chooses “{choices[turned[0]]}”: " if turned else f"{who} chose “{chosen}”: "
