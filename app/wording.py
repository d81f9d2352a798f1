"""What happened to an image, in words and figures for a person. Loads without torch and without streamlit."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from core.graph.node import Node

if TYPE_CHECKING:
    from core.explain.predict import Trace


def counted(macs: float) -> str:
    """Multiply-adds with three figures: "940", "12.2 k", "21.5 M", "1.24 G"."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if macs >= 0.9995 * size:
            value = macs / size
            return f"{value:.2f} {unit}" if value < 9.995 else f"{value:.1f} {unit}" if value < 99.95 else f"{value:.0f} {unit}"
    return f"{macs:.0f}"


def percent(share: float) -> str:
    """A share as a percentage, with one decimal below 10%."""
    if share <= 0:
        return "0%"
    return "under 0.1%" if share < 0.0005 else f"{share:.1%}" if share < 0.0995 else f"{share:.0%}"


def clock(seconds: float) -> str:
    """A time with two figures at least: "0.48 ms", "12 ms", "1.2 s"."""
    if seconds >= 0.9995:
        return f"{seconds:.1f} s"
    milliseconds = 1e3 * seconds
    return (
        f"{milliseconds:.2f} ms" if milliseconds < 0.9995 else f"{milliseconds:.1f} ms" if milliseconds < 9.95 else f"{milliseconds:.0f} ms"
    )


def sooner(taken: float, static: float) -> str:
    """How a time compares with that of the static network, for better or worse."""
    change = taken / static - 1
    if abs(change) < 0.02:
        return "as long as the static network"
    return (
        f"{percent(-change)} less time than the static network"
        if change < 0
        else f"{percent(change)} more time: gates cost more than they save"
    )


def measured(seconds: Sequence[float]) -> str:
    """At how many values of λ an image was timed, where not along every stretch: the others were told the time of the nearest of them."""
    timed = len(set(seconds))
    return "" if timed == len(seconds) else f"Measured at {timed} values of λ; elsewhere the nearest one’s time."


def scaled(scale: float) -> str:
    """What a gate scales by: "×0.83"; nothing where it is closed."""
    return "" if scale <= 0 else f"×{scale:.2f}" if scale >= 0.005 else "under ×0.01"


def lam_name(lam: float | None) -> str:
    """What a network was trained for."""
    return "every λ" if lam is None else f"λ = {lam:g}"


def headline(
    nodes: Sequence[Node],
    trace: "Trace",
    reference: "Trace",
    *,
    held: Mapping[str, str] | None = None,
    before: "Trace | None" = None,
    most: "Trace | None" = None,
) -> tuple[str, str, str]:
    """What just happened to the image: how it came to it, the figures to stress, and how the answer compares with the full network's.

    `held` says of nodes how they are held; `before` is what happened at smaller λ, `most` what happens at λ = 1. Gates that scale what they
    let through were never all open and unscaled: such a network's answer is compared with its own at λ = 1.
    """
    modules = {node.name for node in nodes if node.kind in ("regular", "dummy")}
    ran = len(modules & set(trace.executed))
    work = percent(trace.macs / max(trace.macs_static, 1))
    if not any(node.kind == "control" for node in nodes):
        every = "its one module" if len(modules) == 1 else f"all {len(modules)} modules"
        return "No gates here: ", f"{every} ran, {work} of the work", ", as for every image."
    figures = f"{ran} of {len(modules)} modules ran, {work} of the work"
    channels = [gate for node in nodes if node.channels for gate in _listed(trace.gates[node.name])]
    closed = sum(gate <= 0 for gate in channels)
    if set(trace.executed) == set(reference.executed) and not closed:
        opening = _held(held) or ("Nothing was skipped: " if ran == len(modules) else "As much as the full network: ")
        return opening, figures, ", decisions included."
    if any(node.decides == "each" for node in nodes if node.kind == "control"):
        same = "" if most is None or most is trace else ", same answer as at λ = 1"
        tail = f"{same}." if most is None or trace.label == most.label else f", but at λ = 1 it answers “{most.label}”."
    else:
        as_full = trace.label == reference.label
        tail = ", same answer as the full network." if as_full else f", but the full network answers “{reference.label}”."
    opened = f"{len(channels) - closed} of {len(channels)} channels opened: " if closed else ""
    return _held(held) or opened or _turning_point(nodes, trace, before), figures, tail


def _held(held: Mapping[str, str] | None) -> str:
    """With what is held, if anything is."""
    if not held:
        return ""
    (name, how), *more = held.items()
    return f"With {len(held)} nodes held: " if more else f"With {name} held {how}: "


def _listed(gates: float | list[float]) -> list[float]:
    return gates if isinstance(gates, list) else [gates]


def _turning_point(nodes: Sequence[Node], trace: "Trace", before: "Trace | None") -> str:
    """Which control node stopped, else which decided otherwise than at smaller λ, else what the last one took, or all alike."""
    controls = [node for node in nodes if node.kind == "control"]
    spoken = {node.name: node for node in controls if trace.controls[node.name].chosen is not None}
    if not spoken:
        return "No gate was asked: "
    took = {name: trace.controls[name].chosen for name in spoken}
    *_, last = spoken
    chosen = took[last]
    if not isinstance(chosen, str):
        return f"{last} opened {len(chosen or [])} of {len(spoken[last].options)}: "
    alike = list(spoken) if set(map(str, took.values())) == {chosen} else [last]
    who = f"{', '.join(alike[:-1])} and {last}" if len(alike) > 1 else last
    column = spoken[last].options.index(chosen)
    if not any((gate.control, gate.column) == (last, column) for node in nodes for gate in node.gates):
        return f"{who} stopped here: "
    turned = [name for name in spoken if before and before.controls[name].chosen not in (None, took[name])]
    return f"{turned[0]} now takes “{took[turned[0]]}”: " if turned else f"{who} took “{chosen}”: "


def plain(text: str) -> str:
    """Text with nothing in it that Markdown would act on: names come from users."""
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]()#+-.!|~$<>:" else letter for letter in text)
