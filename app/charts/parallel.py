"""Parallel coordinates: a line per run through its settings and its figures. Loads without torch and without streamlit."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from app.colours import LINES
from app.wording import in_chart

PARALLEL_HEIGHT = 380
LONGEST_LABEL = 16  # characters of a value beside an axis
LONGEST_TITLE = 30  # characters of an axis's title
SCALE = [[0.0, LINES[1]], [0.5, LINES[4]], [1.0, LINES[0]]]  # from the lowest to the highest accuracy
LOGARITHMIC = 100  # ratio of the highest to the lowest value above which an axis is logarithmic


def parallel_chart(axes: Mapping[str, Sequence[Any]], colour: str) -> go.Figure:
    """Return a line per run through the axes, given as the values of the runs by title. `colour`: the axis that colours the lines.

    Numbers stand on a scale, other values one below the other. A run without a number is drawn at the lowest place, called –.
    """
    figure = go.Figure()
    dimensions = [_dimension(title, values) for title, values in axes.items()]
    values = [value if isinstance(value, int | float) else math.nan for value in axes[colour]]
    known = [value for value in values if not math.isnan(value)]
    lowest, highest = (min(known), max(known)) if known else (0.0, 1.0)
    line = {
        "color": [lowest if math.isnan(value) else value for value in values],
        "colorscale": SCALE,
        "cmin": lowest,
        "cmax": highest if highest > lowest else lowest + 1e-6,
    }
    figure.add_parcoords(dimensions=dimensions, line=line, labelangle=-12, labelside="top")
    figure.update_layout(height=PARALLEL_HEIGHT, margin={"l": 110, "r": 60, "t": 90, "b": 24})
    return figure


def _dimension(title: str, values: Sequence[Any]) -> dict[str, Any]:
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)]
    words = title.rpartition(": ")[2]
    label = in_chart(_cut(words[:1].upper() + words[1:] if words != title else title, LONGEST_TITLE))
    if not numbers or any(isinstance(value, str | bool) for value in values):
        return {"label": label} | _named(["–" if value is None else str(value) for value in values])
    lowest, highest = min(numbers), max(numbers)
    if len(numbers) < len(values) or lowest == highest:
        return {"label": label} | _named(["–" if value is None else f"{value:.4g}" for value in values], in_order=True)
    if lowest > 0 and highest / lowest > LOGARITHMIC:
        ticks = [10.0**power for power in range(math.floor(math.log10(lowest)), math.ceil(math.log10(highest)) + 1)]
        shown = {"tickvals": [math.log10(tick) for tick in ticks], "ticktext": [f"{tick:g}" for tick in ticks]}
        return {"label": label, "values": [math.log10(value) for value in values]} | shown
    shares = lowest >= 0 and highest <= 1 and title in ("Test accuracy", "Cost")
    return {"label": label, "values": list(values), "tickformat": ".1%" if shares else ".3s" if highest >= 1000 else ".3~g"}


def _named(texts: Sequence[str], *, in_order: bool = False) -> dict[str, Any]:
    """Return the places of texts on an axis, each different one once, numbers in their order."""
    different = list(dict.fromkeys(texts))
    if in_order:
        different.sort(key=lambda text: -math.inf if text == "–" else float(text))
    shown = [in_chart(_cut(text, LONGEST_LABEL)) for text in different]
    places = {text: place for place, text in enumerate(different)}
    tail = max(len(different) - 1, 1)
    return {"values": [places[text] for text in texts], "tickvals": list(places.values()), "ticktext": shown, "range": [0, tail]}


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
