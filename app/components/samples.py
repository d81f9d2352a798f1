"""The strip of test images: small pictures to choose from, with marks, and what narrows and orders them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypedDict

import streamlit as st

STRIP_FOLDER = Path(__file__).parent / "samples"  # script and style of the strip

_component = st.components.v2.component(
    "gatescope_samples",
    html='<div class="samples"></div>',
    css=(STRIP_FOLDER / "samples.css").read_text(encoding="utf-8"),
    js=(STRIP_FOLDER / "samples.mjs").read_text(encoding="utf-8"),
)


class Thumbnail(TypedDict):
    """One small picture: its number, a data URL, what it shows, whether its route changes along λ, and at how much of λ it is wrong."""

    index: int
    url: str
    title: str
    turns: bool
    wrong: str  # "always", "partly" or nothing


class Strip(TypedDict):
    """One page of the pictures. `shows` and `orders` are pairs of value and text, `status` says how far the marks are."""

    items: list[Thumbnail]
    chosen: int | None
    shows: list[tuple[str, str]]
    show: str
    orders: list[tuple[str, str]]
    order: str
    page: int
    pages: int
    count: str
    status: str
    growing: bool


class StripView(TypedDict):
    """What a person chose to see."""

    show: str
    order: str
    page: int
    seed: int


def sample_strip(strip: Strip, *, key: str, on_choose: Callable[[int], None], on_view: Callable[[dict[str, object]], None]) -> None:
    """Draw the pictures. `on_choose` is called with the number of a clicked one, `on_view` with what else is to be seen."""

    def choose() -> None:
        chosen = st.session_state[key].get("choose")
        if isinstance(chosen, int):
            on_choose(chosen)

    def view() -> None:
        on_view(dict(st.session_state[key].get("view") or {}))

    _component(data=strip, key=key, on_choose_change=choose, on_view_change=view)


def page_of(rows: Sequence[int], page: int, size: int) -> tuple[list[int], int, int]:
    """Return the rows on a page, its number within bounds, and the number of pages."""
    pages = max(1, -(-len(rows) // size))
    page = min(max(page, 0), pages - 1)
    return list(rows[page * size : (page + 1) * size]), page, pages
