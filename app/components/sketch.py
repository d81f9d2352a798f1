"""A canvas to draw on, and a place to paste a picture into."""

import base64
import binascii
from collections.abc import Callable
from pathlib import Path

import streamlit as st

HERE = Path(__file__).parent
LARGEST = 40_000_000  # letters of a pasted picture

_component = st.components.v2.component(
    "gatescope_sketch",
    html='<div class="sketch"></div>',
    css=(HERE / "sketch.css").read_text(encoding="utf-8"),
    js=(HERE / "sketch.js").read_text(encoding="utf-8"),
)


def sketch(*, draws: bool, key: str, on_change: Callable[[], None]) -> bytes | None:
    """Shows it; returns what was drawn or pasted last as the bytes of a picture file. Without `draws` it can only be pasted into."""
    made = _component(data={"draws": draws}, key=key, default={"picture": None}, on_picture_change=on_change).picture
    if not isinstance(made, str) or len(made) > LARGEST:
        return None
    try:
        return base64.b64decode(made.partition(",")[2], validate=True)
    except binascii.Error:
        return None
