"""Modules that a person forces on or off: what is forced, conflicts, and the route of another λ."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from app import state
from app.wording import percent, plain
from core.errors import UserError
from core.graph.node import Node
from core.scale import lam_at
from core.store import Run

if TYPE_CHECKING:
    from core.explain.model import ImageTensor
    from core.explain.predict import LamSweep

MAX_NAMED_MODULES = 3  # forced modules that are named one by one


def free_conflicts(run: Run, sha256: str, image: "ImageTensor", forced: dict[str, bool]) -> "LamSweep":
    """Return the image (C, H, W) at every λ. Modules that cannot be forced together are set back to automatic, the last first."""
    freed: list[str] = []
    reason = ""
    while True:
        try:
            sweep = state.sweep(run, sha256, image, forced)
            break
        except UserError as error:
            if not forced:
                raise
            reason = reason or str(error)
            freed.append(forced.popitem()[0])
    if freed:
        state.force_only(run, dict(forced))
        st.error(f"{plain(reason)}. {plain(', '.join(freed))}: set back to automatic.", icon=":material/block:")
    return sweep


def show_forced(run: Run, forced: dict[str, bool]) -> None:
    """Say which modules are forced, and offer to set them back to automatic."""
    listed = [f"{plain(name)} is forced {'on' if runs else 'off'}" for name, runs in forced.items()]
    words = " and ".join(listed) if len(listed) <= MAX_NAMED_MODULES else f"{len(listed)} modules are forced on or off"
    text, button = st.columns([0.8, 0.2], vertical_alignment="center")
    text.markdown(f":material/pan_tool: **{words}.**", help="  \n".join(listed) if len(listed) > MAX_NAMED_MODULES else None)
    if button.button("Reset", icon=":material/undo:", width="stretch", help="Set all modules back to automatic"):
        state.force_only(run, {})
        st.rerun(scope="fragment")


def other_route(run: Run, nodes: Sequence[Node], automatic: "LamSweep") -> None:
    """Let a person force, at every λ, the route that the image takes at another λ."""
    gated = [node.name for node in nodes if node.gates]
    scales = any(node.kind == "control" and node.decides == "each" for node in nodes)
    possible = len(automatic.traces) > 1 and bool(gated) and not scales
    if possible:
        reason = "Keep one route of this image at every λ, to see what the other routes would have changed."
    elif scales:
        reason = "This network’s gates also scale, so a route alone does not determine its answer."
    else:
        reason = "This image takes the same route at every λ."
    with st.popover("Force another route", icon=":material/alt_route:", disabled=not possible, help=reason):
        if not possible:
            return
        number = st.radio(
            "Route of this image to force at every λ",
            range(len(automatic.traces)),
            format_func=lambda number: (
                f"from λ = {lam_at(automatic.starts[number]):.2f}: {percent(automatic.traces[number].cost_share)} of the static network"
            ),
        )
        if st.button("Force this route", icon=":material/pan_tool:"):
            state.force_only(run, {name: name in automatic.traces[number].executed for name in gated})
            st.rerun(scope="fragment")
