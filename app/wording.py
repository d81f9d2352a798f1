"""Say in words and figures what happened to an image. Loads without torch and without streamlit."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from core.graph.node import Node

if TYPE_CHECKING:
    from core.explain.predict import Trace

Forced = Literal["on", "off"]


def counted(macs: float) -> str:
    """Return multiply-adds with three figures: "940", "12.2 k", "21.5 M", "1.24 G"."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if macs >= 0.9995 * size:
            value = macs / size
            return f"{value:.2f} {unit}" if value < 9.995 else f"{value:.1f} {unit}" if value < 99.95 else f"{value:.0f} {unit}"
    return f"{macs:.0f}"


def percent(share: float) -> str:
    """Return a share as a percentage, with one decimal below 10%."""
    if share <= 0:
        return "0%"
    return "under 0.1%" if share < 0.0005 else f"{share:.1%}" if share < 0.0995 else f"{share:.0%}"


def clock(seconds: float) -> str:
    """Return a time with at least two figures: "0.48 ms", "12 ms", "1.2 s"."""
    if seconds >= 0.9995:
        return f"{seconds:.1f} s"
    milliseconds = 1e3 * seconds
    return (
        f"{milliseconds:.2f} ms" if milliseconds < 0.9995 else f"{milliseconds:.1f} ms" if milliseconds < 9.95 else f"{milliseconds:.0f} ms"
    )


def time_comparison(taken: float, static: float) -> str:
    """Compare a time with the static network's."""
    change = taken / static - 1
    if abs(change) < 0.02:
        return "the same time as the static network"
    if change < 0:
        return f"{percent(-change)} less time than the static network"
    return f"{percent(change)} more time than the static network: the gates cost more than they save"


def timing_note(seconds: Sequence[float]) -> str:
    """Return at how many values of λ an image was timed, or nothing if it was timed on every interval of λ."""
    timed = len(set(seconds))
    return "" if timed == len(seconds) else f"Measured at {timed} values of λ; in between, the time at the nearest of them is shown."


def scaled(scale: float) -> str:
    """Return the factor of a gate, "×0.83", or nothing for a closed one."""
    return "" if scale <= 0 else f"×{scale:.2f}" if scale >= 0.005 else "under ×0.01"


def lam_name(lam: float | None) -> str:
    """Return the λ that a network was trained for."""
    return "every λ" if lam is None else f"λ = {lam:g}"


def headline(
    nodes: Sequence[Node],
    trace: "Trace",
    reference: "Trace",
    *,
    forced: Mapping[str, Forced] | None = None,
    previous: "Trace | None" = None,
    most_accurate: "Trace | None" = None,
) -> tuple[str, str, str]:
    """Say what happened to the image: what decided it, the figures to stress, and how the answer compares with the full network's.

    `forced` are the modules that a person forces on or off, `previous` is the trace at the next smaller λ, `most_accurate` the trace at
    λ = 1. A network whose gates scale never runs with all of them open and unscaled: it is compared with its own answer at λ = 1.
    """
    modules = {node.name for node in nodes if node.kind in ("regular", "dummy")}
    ran = len(modules & set(trace.executed))
    share = percent(trace.cost_share)
    if not any(node.kind == "control" for node in nodes):
        every = "its one module" if len(modules) == 1 else f"all {len(modules)} modules"
        return "This network has no gates: ", f"{every} ran, with {share} of the static network’s computation", ", as for every image."
    channels = [gate for node in nodes if node.channels for gate in _listed(trace.gates[node.name])]
    closed = sum(gate <= 0 for gate in channels)
    if set(trace.executed) == set(reference.executed) and not closed:
        if forced:
            return _forced(forced), f"{ran} of {len(modules)} modules ran, with {share} of the static network’s computation", "."
        opening = "All modules ran. " if ran == len(modules) else "The full network ran. "
        return opening, f"With its controllers, the network used {share} of the static network’s computation", "."
    figures = f"{ran} of {len(modules)} modules ran, with {share} of the static network’s computation"
    if any(node.decides == "each" for node in nodes if node.kind == "control"):
        same = "" if most_accurate is None or most_accurate is trace else ", and gave the same answer as at λ = 1"
        agrees = most_accurate is None or trace.label == most_accurate.label
        tail = f"{same}." if agrees or most_accurate is None else f"; at λ = 1 the answer is “{most_accurate.label}”."
    else:
        agrees = trace.label == reference.label
        tail = ", and gave the same answer as the full network." if agrees else f"; the full network answers “{reference.label}”."
    opened = f"{len(channels) - closed} of {len(channels)} channels opened: " if closed else ""
    return _forced(forced) or opened or _turning_point(nodes, trace, previous), figures, tail


def _forced(forced: Mapping[str, Forced] | None) -> str:
    """Name what is forced, or return nothing."""
    if not forced:
        return ""
    (name, state), *more = forced.items()
    return f"With {len(forced)} modules forced: " if more else f"With {name} forced {state}: "


def _listed(gates: float | list[float]) -> list[float]:
    return gates if isinstance(gates, list) else [gates]


def _turning_point(nodes: Sequence[Node], trace: "Trace", previous: "Trace | None") -> str:
    """Name the controller that stopped, or else one that chose otherwise than at smaller λ, or else the last choice."""
    controls = {node.name: node for node in nodes if node.kind == "control" and trace.controls[node.name].chosen is not None}
    if not controls:
        return "No controller ran: "
    choices = {name: trace.controls[name].chosen for name in controls}
    *_, last = controls
    chosen = choices[last]
    if not isinstance(chosen, str):
        return f"{last} opened {len(chosen or [])} of {len(controls[last].options)}: "
    same = list(controls) if set(map(str, choices.values())) == {chosen} else [last]
    who = f"{', '.join(same[:-1])} and {last}" if len(same) > 1 else last
    column = controls[last].options.index(chosen)
    if not any((gate.control, gate.column) == (last, column) for node in nodes for gate in node.gates):
        return f"{who} stopped here: "
    turned = [name for name in controls if previous and previous.controls[name].chosen not in (None, choices[name])]
    return f"{turned[0]} now chooses “{choices[turned[0]]}”: " if turned else f"{who} chose “{chosen}”: "


def plain(text: str) -> str:
    """Escape everything that Markdown would act on: names come from users."""
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]()#+-.!|~$<>:" else letter for letter in text)
