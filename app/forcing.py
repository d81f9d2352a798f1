"""Modules that a person forces on or off: what is forced, conflicts, a controller's choice, and the route of another λ."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from app import state
from app.graph_view.payload import Forcing, PossibleRoute
from app.wording import percent
from core.errors import UserError
from core.graph.node import Node
from core.scale import lam_at
from core.store import Run

if TYPE_CHECKING:
    from core.explain.model import ImageTensor
    from core.explain.predict import LamSweep

MAX_NAMED_MODULES = 3  # forced modules that are named one by one
MAX_OPTIONS = 12  # options of a controller whose choice can be forced


def free_conflicts(run: Run, sha256: str, image: "ImageTensor", forced: dict[str, bool], step: int) -> "tuple[LamSweep, str]":
    """Return the image (C, H, W) along λ, this step of the slider included, and which modules cannot be forced together.

    Those are set back to automatic.
    """
    freed: list[str] = []
    reason = ""
    while True:
        try:
            sweep = state.sweep(run, sha256, image, forced, step)
            break
        except UserError as error:
            if not forced:
                raise
            reason = reason or str(error)
            freed.append(forced.popitem()[0])
    return sweep, f"{reason.rstrip('.')}. {', '.join(freed)}: set back to automatic." if freed else ""


def forcing(nodes: Sequence[Node], forced: Mapping[str, bool], automatic: "LamSweep", problem: str) -> Forcing:
    """Return what a person can force, and has; `automatic` is the image with nothing forced."""
    gated = [node.name for node in nodes if node.gates]
    scales = any(node.kind == "control" and node.decides == "each" for node in nodes)
    possible = len(automatic.traces) > 1 and bool(gated) and not scales and automatic.computed is None
    if automatic.computed is not None and not scales:
        note = "The routes of this image are still being computed."
    elif possible:
        note = "Keeps one route of this image at every λ, to see what the other routes would have changed."
    elif scales:
        note = "This network’s gates also scale, so a route alone does not determine its answer."
    else:
        note = "This image takes the same route at every λ."
    routes: list[PossibleRoute] = [
        {"lam": f"{lam_at(start):.2f}", "cost_share": percent(trace.cost_share)}
        for start, trace in zip(automatic.starts, automatic.traces, strict=True)
    ]
    effects = {node.name: _effects(node, nodes) for node in nodes if node.kind == "control" and node.decides == "one"}
    return {
        "note": _note(forced),
        "problem": problem,
        "nodes": gated,
        "options": {name: _forced_option(effect, forced) for name, effect in effects.items() if 0 < len(effect) <= MAX_OPTIONS},
        "routes": routes if possible else [],
        "routes_note": note,
    }


def force(run: Run, nodes: Sequence[Node], automatic: "LamSweep", wanted: Mapping[str, Any]) -> None:
    """Force a module, a controller's choice or a route, or set all modules back to automatic.

    `wanted` has "node" and "state", or "control" and "option", or "route", or nothing. It comes from the browser: what does not exist is
    ignored.
    """
    by_name = {node.name: node for node in nodes}
    gated = [node.name for node in nodes if node.gates]
    forced = state.forced(run, gated)
    if wanted.get("node") in gated:
        forced.pop(wanted["node"], None)
        if wanted.get("state") in ("on", "off"):
            forced[wanted["node"]] = wanted["state"] == "on"
    elif wanted.get("control") in by_name:
        effects = _effects(by_name[wanted["control"]], nodes)
        opened = next(iter(effects.values()), {})
        kept = {name: runs for name, runs in forced.items() if name not in opened}
        state.force_only(run, kept | effects.get(str(wanted.get("option")), {}))
    elif wanted.get("route") in range(len(automatic.traces)):
        executed = automatic.traces[wanted["route"]].executed
        state.force_only(run, {name: name in executed for name in gated})
    elif not wanted:
        state.force_only(run, {})


def _note(forced: Mapping[str, bool]) -> str:
    """Name the forced modules, or count them."""
    if len(forced) > MAX_NAMED_MODULES:
        return f"{len(forced)} modules are forced on or off"
    return " and ".join(f"{name} is forced {'on' if runs else 'off'}" for name, runs in forced.items())


def _effects(control: Node, nodes: Sequence[Node]) -> dict[str, dict[str, bool]]:
    """Return for each option of a controller which modules it opens (True) and which it does not."""
    opens = {node.name: {gate.column for gate in node.gates if gate.control == control.name} for node in nodes if node.gates}
    opens = {name: columns for name, columns in opens.items() if columns}
    return {option: {name: column in columns for name, columns in opens.items()} for column, option in enumerate(control.options) if opens}


def _forced_option(effects: Mapping[str, Mapping[str, bool]], forced: Mapping[str, bool]) -> str | None:
    """Return the option that is forced, or none."""
    return next((option for option, effect in effects.items() if effect.items() <= forced.items()), None)
