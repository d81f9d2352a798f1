"""The lit graph: headline, λ slider, graph and answer as one component, so that the slider moves without asking the server."""

from pathlib import Path

import streamlit as st

from app.view import View

HERE = Path(__file__).parent

_component = st.components.v2.component(
    "gatescope_gate_graph",
    html='<div class="gate-graph"></div>',
    css=(HERE / "gate_graph.css").read_text(encoding="utf-8"),
    js=(HERE / "gate_graph.js").read_text(encoding="utf-8"),
)


def gate_graph(view: View, *, key: str) -> str | None:
    """Draws a view; returns the name of the node that was clicked, if one is selected."""
    result = _component(data=view, key=key, default={"selected": None}, on_selected_change=lambda: None)
    selected = result.selected
    return selected if isinstance(selected, str) else None
