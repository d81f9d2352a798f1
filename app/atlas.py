"""The atlas of a run, which is computed in the background and kept; and what its page draws: the map, and strips of pictures."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from PIL import Image

from app import state
from app.background import Background
from app.colours import CATEGORIES, COST_SCALE
from app.components.atlas_map import COST_UNIT, PLACE_UNIT, MapData, PictureStrip, StripItem
from app.graph_view.folding import Folded, fold
from app.rendering import to_picture, url
from app.samples import Samples
from app.wording import percent
from core.graph.node import Node
from core.store import Run, Store

if TYPE_CHECKING:
    from core.explain.atlas.atlas import Atlas
    from core.explain.atlas.map import Positions
    from core.explain.model import ImageTensor, Model

ATLASES = 4  # kept in memory
SHEETS = 4  # pictures of all images of a dataset that are kept in memory
SHEET_PIXELS = 6_000_000  # of such a picture, at most
LARGEST_CELL, SMALLEST_CELL = 144, 16  # side of an image in it
STRIP_SIDE = 52  # of a picture in a strip, at most
STRIP_LENGTH = 24  # pictures
MAX_SINGLE = 20  # modules that are drawn one by one; more are folded where they repeat
HINT = "Point at a dot to see its picture. Click the dot to open the picture in Explore."


def background_atlas(run: Run, sha256: str, model: "Model", samples: Samples) -> "Background[Atlas]":
    """Return the atlas of a network on these samples: the stored one, or else one that begins when it is first looked at.

    Pictures in the place of test images have no classes there: a few pictures say nothing about accuracy.
    """
    samples = replace(samples, labels=[None] * len(samples.labels)) if samples.replaced else samples
    opened = state.store()
    found: Background[Atlas] = _atlas(opened.url, run.id, sha256, len(samples.labels), bool(samples.replaced), opened, model, samples)
    return found


@st.cache_resource(max_entries=ATLASES, show_spinner=False)
def _atlas(
    url: str, run_id: int, sha256: str, count: int, replaced: bool, _store: Store, _model: "Model", _samples: Samples
) -> "Background[Atlas]":
    from core.explain.atlas.computation import compute_atlas, empty_atlas
    from core.explain.atlas.file import atlas_key, read_atlas, write_atlas

    key = atlas_key(sha256, _samples.images, _samples.labels)
    stored = read_atlas(_store.weights, run_id, key)

    def kept() -> "Iterator[Atlas]":
        for atlas in compute_atlas(_model, _samples.images, _samples.labels):
            if atlas.complete:
                try:
                    write_atlas(_store.weights, run_id, key, atlas)
                except OSError:
                    logging.getLogger(__name__).warning("An atlas is not kept: the weights folder cannot be written to", exc_info=True)
            yield atlas

    return Background(iter(()) if stored else kept(), stored or empty_atlas(_model, count), watched=float("inf"))


@st.cache_resource(max_entries=ATLASES, show_spinner=False)
def _positions(key: tuple[object, ...], _atlas: "Atlas") -> "Positions":
    from core.explain.atlas.map import positions

    return positions(_atlas)


@st.cache_resource(max_entries=SHEETS, show_spinner="Preparing the pictures…")
def _sheet(dataset: str, shape: tuple[int, ...], replaced: bool, _images: "ImageTensor") -> tuple[str, int]:
    """Return one picture with all images (N, C, H, W), as a data URL, and its number of columns."""
    count, (height, width) = len(_images), _images.shape[2:]
    side = int(min(LARGEST_CELL, max(SMALLEST_CELL, (SHEET_PIXELS / max(count, 1)) ** 0.5)))
    side = max(height, width) if max(height, width) <= side else side
    columns = max(1, round(count**0.5))
    sheet = Image.new("RGB", (columns * side, -(-count // columns) * side))
    for number, image in enumerate(_images):
        small = to_picture(image)
        small.thumbnail((side, side), Image.Resampling.BOX)
        left, top = (side - small.width) // 2, (side - small.height) // 2
        sheet.paste(small, (number % columns * side + left, number // columns * side + top))
    return url(sheet, "WEBP"), columns


def map_data(run: Run, sha256: str, atlas: "Atlas", samples: Samples, name: str, start: int) -> MapData:
    """Return what the map with this name shows, at first at the λ with the index `start`."""
    sheet, columns = _sheet(
        repr(sorted(run.config["dataset"].items())), tuple(samples.images.shape), bool(samples.replaced), samples.images
    )
    found = _positions((state.store().url, run.id, sha256, len(atlas), atlas.total, bool(samples.replaced)), atlas)
    across, up = (percent(share) for share in found.shares.tolist())
    axis = (
        "Images that take the same routes lie together, dearer ones to the right. Principal components of what each "
        f"image runs at every λ: {across} of the variance across, {up} up. Images with the same routes fill a disc."
    )
    return {
        "map": name,
        "run": run.name,
        "lams": list(atlas.lams),
        "start": start,
        "colour": "route" if len(atlas.routes) > 1 else "cost" if atlas.varying else "right",
        "places": (found.places * PLACE_UNIT).round().astype(int).reshape(-1).tolist(),
        "routes": np.minimum(atlas.route, len(CATEGORIES)).T.tolist(),
        "routeNames": [route_title(atlas, number) for number in range(min(len(atlas.routes), len(CATEGORIES)))],
        "costs": (atlas.costs * COST_UNIT).round().astype(int).T.tolist(),
        "answers": atlas.answers.T.tolist(),
        "labels": atlas.labels.tolist(),
        "classes": list(atlas.classes),
        "subjects": samples.subjects if samples.replaced else None,
        "sheet": sheet,
        "columns": columns,
        "palette": list(CATEGORIES),
        "costScale": list(COST_SCALE),
        "axis": axis if len(atlas.routes) > 1 or atlas.varying else "Every image runs the same modules at the same cost.",
        "hint": HINT,
    }


def route_title(atlas: "Atlas", number: int) -> str:
    """Return the number of a route, from 1, with its modules in words."""
    return f"Route {number + 1}: {atlas.route_name(number)}" if len(atlas.routes) > 1 else atlas.route_name(number)


def module_groups(nodes: Sequence[Node], atlas: "Atlas", chosen: Sequence[int]) -> list[tuple[str, list[int]]]:
    """Return the names of the drawn modules with the indices of the chosen nodes in each. Repeated modules are folded if there are many."""
    if len(chosen) <= MAX_SINGLE:
        return [(atlas.nodes[node], [node]) for node in chosen]
    places = {atlas.nodes[node]: node for node in chosen}
    groups: list[tuple[str, list[int]]] = []
    for shown in fold(nodes):
        members = shown.members if isinstance(shown, Folded) else (shown.name,)
        if found := [places[name] for name in members if name in places]:
            groups.append((shown.name if len(found) > 1 else atlas.nodes[found[0]], found))
    return groups


def route_strips(atlas: "Atlas", samples: Samples, at: int, most: int) -> list[PictureStrip]:
    """Return examples of the most frequent routes at the λ with this index."""
    return [
        {
            "title": route_title(atlas, number),
            "note": f"{percent(count / len(atlas))} of the images",
            "colour": CATEGORIES[number] if number < len(CATEGORIES) else "",
            "items": _items(atlas, samples, at, np.flatnonzero(atlas.route[:, at] == number).tolist()),
        }
        for number, count in atlas.routes_at(at)[:most]
    ]


def cost_strips(atlas: "Atlas", samples: Samples, at: int) -> list[PictureStrip]:
    """Return the cheapest and the dearest images at the λ with this index, and those that a higher cost answers otherwise."""
    strips: list[PictureStrip] = []
    order, costs = atlas.by_cost(at).tolist(), atlas.costs[:, at]
    if costs.max() > costs.min():
        most = min(STRIP_LENGTH, len(order) // 2)
        for title, rows in (("Cheapest images", order[:most]), ("Dearest images", order[::-1][:most])):
            low, high = percent(float(costs[rows].min())), percent(float(costs[rows].max()))
            spent = low if low == high else f"{low} to {high}"
            note = f"They cost {spent} of the static network’s computation."
            strips.append({"title": title, "note": note, "colour": "", "items": _items(atlas, samples, at, rows)})
    if len(atlas.lams) > 1 and atlas.known.any():
        known = int(atlas.known.sum())
        last = len(atlas.lams) - 1
        for title, words, rows in (
            ("Right only at a higher cost", "wrong at λ = 0 and right at λ = 1", atlas.gained().tolist()),
            ("Wrong at a higher cost", "right at λ = 0 and wrong at λ = 1", atlas.lost().tolist()),
        ):
            note = f"{len(rows)} images, {percent(len(rows) / known)}, are {words}." if len(rows) != 1 else f"One image is {words}."
            strips.append(
                {
                    "title": title,
                    "note": note if rows else f"No image is {words}.",
                    "colour": "",
                    "items": _items(atlas, samples, last, rows),
                }
            )
    return strips


def _items(atlas: "Atlas", samples: Samples, at: int, rows: Sequence[int]) -> list[StripItem]:
    """Return the first of these images as pictures, with their answers at the λ with this index."""
    found: list[StripItem] = []
    for row in rows[:STRIP_LENGTH]:
        small = to_picture(samples.images[row])
        small.thumbnail((STRIP_SIDE, STRIP_SIDE), Image.Resampling.BILINEAR)
        answer = int(atlas.answers[row, at])
        said = f"answered “{atlas.classes[answer]}”" if answer >= 0 else "no answer"
        words = f"{samples.subjects[row]} · {said} · cost {percent(float(atlas.costs[row, at]))}"
        mark = "" if not atlas.known[row] else "right" if atlas.right[row, at] else "wrong"
        found.append({"index": row, "url": url(small), "title": words, "mark": mark})
    return found
