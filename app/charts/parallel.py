"""Parallel coordinates: a line per run through its settings and its figures. Loads without torch and without streamlit."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from app.colours import LINES
from app.wording import counted, in_chart

PARALLEL_HEIGHT = 380
LONGEST_LABEL = 16  # characters of a value beside an axis
LONGEST_TITLE = 30  # characters of an axis's title
SCALE = [[0.0, LINES[1]], [0.5, LINES[4]], [1.0, LINES[0]]]  # from the lowest to the highest accuracy
LOGARITHMIC = 100  # ratio of the highest to the lowest value above which an axis is logarithmic
CLOSEST = 1 / 20  # of an axis between two labels, at least
SHARE_TITLES, COUNT_TITLES = ("Test accuracy", "Cost"), ("Multiply-adds",)  # titles of axes in percent and in multiply-adds
MAX_DECIMALS = 3  # of a percentage


def parallel_chart(axes: Mapping[str, Sequence[Any]], colour: str) -> go.Figure:
    """Return a line per run through the axes, given as the values of the runs by title. `colour`: the axis that colours the lines.

    Numbers stand on a scale, other values one below the other. A run without a number is drawn at the lowest place, called –. What is
    written alike for all runs has no axis.
    """
    figure = go.Figure()
    dimensions = [_dimension(title, axes[title]) for title in telling_axes(axes)]
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


def telling_axes(axes: Mapping[str, Sequence[Any]]) -> list[str]:
    """Return the titles of the axes on which runs differ, as their values are written."""
    return [title for title, values in axes.items() if len(set(_written(title, values))) > 1]


def _dimension(title: str, values: Sequence[Any]) -> dict[str, Any]:
    words = title.rpartition(": ")[2]
    label = in_chart(_cut(words[:1].upper() + words[1:] if words != title else title, LONGEST_TITLE))
    texts = [in_chart(_cut(text, LONGEST_LABEL)) for text in _written(title, values)]
    if all(map(_is_number, values)):
        places = _on_scale(values)
    elif all(value is None or _is_number(value) for value in values):
        order = sorted({-math.inf if value is None else value for value in values})
        places = [order.index(-math.inf if value is None else value) for value in values]
    else:
        different = list(dict.fromkeys(_written(title, values)))
        places = [different.index(text) for text in _written(title, values)]
    ticks = dict(sorted(zip(places, texts, strict=True)))
    lowest, highest = min(ticks), max(ticks)
    apart, shown = CLOSEST * (highest - lowest), [lowest]
    for place in ticks:  # labels that would cover each other are left out, the highest is not
        if place == highest or (place - shown[-1] >= apart and highest - place >= apart):
            shown.append(place)
    return {"label": label, "values": places, "range": [lowest, highest], "tickvals": shown, "ticktext": [ticks[place] for place in shown]}


def _on_scale(values: Sequence[float]) -> list[float]:
    """Return the places of numbers on an axis: themselves, or their logarithms where they lie far apart."""
    lowest, highest = min(values), max(values)
    return [math.log10(value) for value in values] if lowest > 0 and highest / lowest > LOGARITHMIC else list(values)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _written(title: str, values: Sequence[Any]) -> list[str]:
    """Return the values of an axis as a person reads them; shares have as many decimals as tell them apart, at most MAX_DECIMALS."""
    write: Callable[[float], str] = _number
    if title in SHARE_TITLES:
        shares = {value for value in values if _is_number(value)}
        decimals = range(1, MAX_DECIMALS + 1)
        told = (digits for digits in decimals if len({f"{share:.{digits}%}" for share in shares}) == len(shares))
        digits = next(told, MAX_DECIMALS)
        write = f"{{:.{digits}%}}".format
    elif title in COUNT_TITLES:
        write = counted
    return ["–" if value is None else write(value) if _is_number(value) else str(value) for value in values]


def _number(value: float) -> str:
    return f"{value:.0f}" if value == round(value) or abs(value) >= 1e4 else f"{value:.4g}"


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
