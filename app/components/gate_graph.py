"""The lit graph: headline, λ slider, graph, answer and inspector as one component, so that the slider moves without asking the server."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from app.graph_view.payload import View
from app.javascript import ENTRY, GRAPH_FOLDER, joined, styles
from core.scale import SLIDER_STEPS

START = {"selected": None, "step": (SLIDER_STEPS - 1) // 2, "option": None, "method": ""}

_component = st.components.v2.component(
    "gatescope_gate_graph", html='<div class="gate-graph"></div>', css=styles(GRAPH_FOLDER), js=joined(ENTRY)
)


@dataclass(frozen=True)
class GraphState:
    """What a person did in the component: the selected node, the slider's step when it was selected or last came to rest, the option and
    the method of its attribution, the expanded groups. `awaited` is the `pending` of
    the view that the browser waits to see completed.
    """

    selected: str | None
    step: int
    option: str | None
    method: str
    expanded: tuple[str, ...] = ()
    awaited: str | None = None


def gate_graph(
    view: View, *, key: str, on_force: Callable[[Mapping[str, Any]], None], on_compare: Callable[[Mapping[str, Any]], None]
) -> GraphState:
    """Draw a view; return what a person did in it. `on_force` is called with what they want to force, `on_compare` with what they want to
    change about the networks beside this one.
    """

    def force() -> None:
        on_force(dict(st.session_state[key].get("force") or {}))

    def compare() -> None:
        on_compare(dict(st.session_state[key].get("compare") or {}))

    return _state(
        _component(
            data=view,
            key=key,
            default={"inspected": START, "expanded": [], "awaited": None},
            on_inspected_change=_rerun,
            on_expanded_change=_rerun,
            on_awaited_change=_rerun,
            on_compare_change=compare,
            on_force_change=force,
        )
    )


def graph_state(key: str) -> GraphState:
    """Return what a person did in a component before this run of the page draws it."""
    return _state(st.session_state.get(key) or {"inspected": START, "expanded": []})


def _rerun() -> None:
    """Streamlit runs the page again for a value that has a callback, whatever the callback does."""


def _state(state: Any) -> GraphState:
    inspected = {**START, **state["inspected"]}
    return GraphState(
        inspected["selected"],
        int(inspected["step"]),
        inspected["option"],
        str(inspected["method"]),
        tuple(map(str, state["expanded"])),
        state.get("awaited"),
    )
