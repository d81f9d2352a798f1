"""The map of an atlas, whose points show and open their pictures, and strips of pictures that open themselves."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypedDict

import streamlit as st

from app.javascript import joined

ATLAS_FOLDER = Path(__file__).parent / "atlas"  # scripts and style of both
PLACE_UNIT = 10_000  # places on the map are whole numbers up to this
COST_UNIT = 1000  # costs are sent in thousandths of the static network's

_style = (ATLAS_FOLDER / "atlas.css").read_text(encoding="utf-8")
_map = st.components.v2.component(
    "gatescope_atlas_map", html='<div class="atlas-map"></div>', css=_style, js=joined(ATLAS_FOLDER / "map.mjs")
)
_strips = st.components.v2.component(
    "gatescope_atlas_strips", html='<div class="atlas-strips"></div>', css=_style, js=joined(ATLAS_FOLDER / "strips.mjs")
)


_follow = st.components.v2.component("gatescope_atlas_follow", js=(ATLAS_FOLDER / "follow.mjs").read_text(encoding="utf-8"))


class MapData(TypedDict):
    """What the map shows of n images at L values of λ. `map` is its name, under which charts follow it.

    `colour` is what the colours mean at first: "route", "class", "right", "answer" or "cost". `places` are x and y of each image in turn.
    `routes`, `costs` and `answers` have a list for each λ with a number for each image. `routeNames` are the routes that have a colour of
    their own. `sheet` is one picture with all images in so many columns. `subjects` say what the images show where that is more than their
    classes.
    """

    map: str
    run: str
    lams: list[float | None]
    start: int
    colour: str
    places: list[int]
    routes: list[list[int]]
    routeNames: list[str]
    costs: list[list[int]]
    answers: list[list[int]]
    labels: list[int]
    classes: list[str]
    subjects: list[str] | None
    sheet: str
    columns: int
    palette: list[str]
    costScale: list[str]
    axis: str
    hint: str


class StripItem(TypedDict):
    """One picture: its number, a data URL, what it shows in words, and "right", "wrong" or nothing."""

    index: int
    url: str
    title: str
    mark: str


class PictureStrip(TypedDict):
    """A row of pictures. `colour` stands before its title, unless it is empty."""

    title: str
    note: str
    colour: str
    items: list[StripItem]


def atlas_map(data: MapData, *, key: str, on_open: Callable[[int], None]) -> None:
    """Draw the map. `on_open` is called with the number of a clicked image."""
    _map(data=data, key=key, on_open_change=_opening(key, on_open))


def followed_step(name: str, start: int) -> int:
    """Return the index of the λ that the map with this name was moved to, at first `start`. Runs the fragment again when it is moved."""
    found = _follow(data={"map": name}, key=f"{name}-follow", default={"step": start}, on_step_change=_rerun).step
    return found if isinstance(found, int) else start


def picture_strips(run: str, lam: float | None, strips: Sequence[PictureStrip], *, key: str, on_open: Callable[[int], None]) -> None:
    """Draw rows of pictures. `on_open` is called with the number of a clicked one, which the browser links to at this λ."""
    _strips(data={"run": run, "lam": lam, "strips": list(strips)}, key=key, on_open_change=_opening(key, on_open))


def _opening(key: str, on_open: Callable[[int], None]) -> Callable[[], None]:
    def opened() -> None:
        index = st.session_state[key].get("open")
        if isinstance(index, int):
            on_open(index)

    return opened


def _rerun() -> None:
    """Streamlit runs the page again for a value that has a callback, whatever the callback does."""
