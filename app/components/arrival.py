"""Brings a place of the page into view for a person who was sent there from another place."""

from pathlib import Path

import streamlit as st

_component = st.components.v2.component(
    "gatescope_arrival", html="<span></span>", js=Path(__file__).with_name("arrival.js").read_text(encoding="utf-8")
)


def arrival(number: int, *, key: str) -> None:
    """Bring the place where this is drawn into view, once for each number above 0."""
    if number:
        _component(data={"number": number}, key=key)
