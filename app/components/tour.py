"""The tour of Explore: a “?” that repeats it, and five cards over the live page, shown at the first visit."""

from pathlib import Path

import streamlit as st

TOUR_FOLDER = Path(__file__).parent / "tour"  # script and style of the tour

_component = st.components.v2.component(
    "gatescope_tour",
    html='<div class="tour"></div>',
    css=(TOUR_FOLDER / "tour.css").read_text(encoding="utf-8"),
    js=(TOUR_FOLDER / "tour.mjs").read_text(encoding="utf-8"),
)


def tour(*, key: str) -> None:
    """Offer the tour, which begins without a click at the first visit."""
    _component(key=key, width="content")
