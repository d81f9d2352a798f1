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


def sketch(*, draws: bool, key: str, on_change: Callable[[], None]) -> bytes | None:
    """Show the canvas; return the last drawn or pasted picture as the bytes of a file. Without `draws`, pictures can only be pasted."""
    picture = _component(data={"draws": draws}, key=key, default={"picture": None}, on_picture_change=on_change).picture
    if not isinstance(picture, str) or len(picture) > MAX_PICTURE_LETTERS:
        return None
    try:
        return base64.b64decode(picture.partition(",")[2], validate=True)
    except binascii.Error:
        return None
