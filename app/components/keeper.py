"""Keeps a person's own picture in the browser's tab, so that a reload of the page brings it back."""

import base64
import binascii
from collections.abc import Callable
from pathlib import Path

import streamlit as st

SCRIPT = Path(__file__).with_name("keeper.js")
MAX_KEPT_LETTERS = 1_000_000  # letters of a picture in base64

_component = st.components.v2.component("gatescope_keeper", html="<span></span>", js=SCRIPT.read_text(encoding="utf-8"))


def keeper(*, data: bytes | None, name: str, shown: bool, removed: bool, key: str, on_return: Callable[[bytes, str, bool], None]) -> None:
    """Keep the bytes of a picture's file and its name; or, where there are none, call `on_return` with what the tab has kept.

    `shown` says whether the picture is the one that is seen, `removed` that the person took it away.
    """

    def returned() -> None:
        kept = st.session_state[key].get("returned") or {}
        letters, known = kept.get("data"), kept.get("name")
        if not isinstance(letters, str) or len(letters) > MAX_KEPT_LETTERS:
            return
        try:
            on_return(base64.b64decode(letters, validate=True), str(known), bool(kept.get("shown")))
        except binascii.Error:
            return

    letters = None if data is None else base64.b64encode(data).decode()
    _component(data={"data": letters, "name": name, "shown": shown, "removed": removed}, key=key, on_returned_change=returned)
