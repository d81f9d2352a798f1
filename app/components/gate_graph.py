"""The lit graph: headline, λ slider, graph and answer as one component, so that the slider moves without asking the server."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from app.graph_view.payload import View
from app.javascript import joined
from core.scale import SLIDER_STEPS

HERE = Path(__file__).parent

_component = st.components.v2.component(
    "gatescope_gate_graph",
    html='<div class="gate-graph"></div>',
    css=(HERE / "gate_graph.css").read_text(encoding="utf-8"),
    js=joined(HERE / "graph" / "page.mjs"),
)


@dataclass(frozen=True)
class GraphState:
    """What a person did in the component: the selected node, the slider's step when it was selected or last came to rest, the expanded
    groups, and, once, the step at which the view is to be pinned.
    """

    selected: str | None = None
    step: int = (SLIDER_STEPS - 1) // 2
    expanded: tuple[str, ...] = ()
    pin: int | None = None


def gate_graph(view: View, *, key: str) -> GraphState:
    """Draw a view; return what a person did in it."""
    start = GraphState()
    default = {"inspected": {"selected": start.selected, "step": start.step}, "expanded": []}
    return _state(
        _component(data=view, key=key, default=default, on_inspected_change=_rerun, on_expanded_change=_rerun, on_pin_change=_rerun)
    )


def graph_state(key: str) -> GraphState:
    """Return what a person did in a component before this run of the page draws it."""
    state = st.session_state.get(key)
    return _state(state) if state else GraphState()


def _rerun() -> None:
    """Streamlit runs the page again for a value that has a callback, whatever the callback does."""


def _state(state: Any) -> GraphState:
    pin, inspected = state.get("pin"), state["inspected"]
    expanded = tuple(map(str, state["expanded"]))
    return GraphState(inspected["selected"], int(inspected["step"]), expanded, None if pin is None else int(pin))
