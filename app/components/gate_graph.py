"""The lit graph: headline, λ slider, graph and answer as one component, so that the slider moves without asking the server."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from app.graph_view.payload import View

HERE = Path(__file__).parent

_component = st.components.v2.component(
    "gatescope_gate_graph",
    html='<div class="gate-graph"></div>',
    css=(HERE / "gate_graph.css").read_text(encoding="utf-8"),
    js=(HERE / "gate_graph.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Touched:
    """What was touched: the node that is selected, the slider's step when it was or came to rest since, groups of nodes opened, and, once,
    the step at which the view is to be pinned.
    """

    selected: str | None = None
    step: int = 50
    opened: tuple[str, ...] = ()
    pin: int | None = None


def gate_graph(view: View, *, key: str) -> Touched:
    """Draws a view; returns what was touched in it."""
    default = {"looked": {"selected": None, "step": 50}, "opened": []}
    changed = {f"on_{name}_change": lambda: None for name in (*default, "pin")}
    return _touched(_component(data=view, key=key, default=default, **changed))


def touched(key: str) -> Touched:
    """What was touched in a component before this run of the page draws it."""
    state = st.session_state.get(key)
    return _touched(state) if state else Touched()


def _touched(state: Any) -> Touched:
    pin, looked = state.get("pin"), state["looked"]
    return Touched(looked["selected"], int(looked["step"]), tuple(map(str, state["opened"])), None if pin is None else int(pin))
