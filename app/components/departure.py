"""Asks the browser to say that it shows a page on which nothing is left of the one before."""

from pathlib import Path

import streamlit as st

_component = st.components.v2.component(
    "gatescope_departure", html="<span></span>", js=Path(__file__).with_name("departure.js").read_text(encoding="utf-8")
)


def departed(number: int) -> bool:
    """Ask once for each number; return whether the browser has said so."""
    return bool(_component(key=f"departure-{number}", on_left_change=lambda: None).left)
