"""A canvas to draw on, and a place to paste a picture into."""

import base64
import binascii
from collections.abc import Callable
from pathlib import Path

import streamlit as st

HERE = Path(__file__).parent
MAX_PICTURE_LETTERS = 40_000_000  # letters of a picture in base64

_component = st.components.v2.component(
    "gatescope_sketch",
    html='<div class="sketch"></div>',
    css=(HERE / "sketch.css").read_text(encoding="utf-8"),
    js=(HERE / "sketch.js").read_text(encoding="utf-8"),
)


def sketch(*, draws: bool, key: str, on_change: Callable[[], None]) -> None:
    """Show the canvas. `on_change` is called when a picture is drawn, pasted or cleared. Without `draws`, pictures can only be pasted."""
    _component(data={"draws": draws}, key=key, default={"picture": None}, on_picture_change=on_change)


def drawn(key: str) -> bytes | None:
    """Return the last drawn or pasted picture of a canvas as the bytes of a file, or none."""
    picture = st.session_state[key].get("picture")
    if not isinstance(picture, str) or len(picture) > MAX_PICTURE_LETTERS:
        return None
    try:
        return base64.b64decode(picture.partition(",")[2], validate=True)
    except binascii.Error:
        return None
