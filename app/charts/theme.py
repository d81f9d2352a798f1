"""Charts as plotly figures. Loads without torch and without streamlit."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from app.theme import LINES

Curve = Mapping[str, Sequence[tuple[float, float]]]

HEIGHT = 300
SMALL = 230
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")  # told apart without colour too
GROUPS = {"val accuracy": "Validation accuracy", "val cost share": "Work, as a share of the static network’s", "train": "Training loss"}


def grouped(curve: Curve) -> dict[str, dict[str, Sequence[tuple[float, float]]]]:
    """The lines of a run's curve by what they measure, each with the part of its name that tells it from the others."""
    groups: dict[str, dict[str, Sequence[tuple[float, float]]]] = {}
    for start, title in GROUPS.items():
        lines = {name: points for name, points in curve.items() if name.startswith(start) and (start != "train" or name.endswith("loss"))}
        if lines:
            groups[title] = {_rest(name, start): points for name, points in lines.items()}
    return groups


def curve_chart(title: str, lines: Curve, epochs: float, *, shares: bool) -> go.Figure:
    """Values over epochs, one line per name; `shares` are percentages from 0 to 100."""
    figure = go.Figure()
    for index, (name, points) in enumerate(lines.items()):
        figure.add_scatter(
            x=[epoch for epoch, _ in points],
            y=[value for _, value in points],
            name=name,
            mode="lines+markers" if len(points) < 3 else "lines",
            line={"color": LINES[index % len(LINES)], "width": 2, "dash": DASHES[index % len(DASHES)]},
        )
    return _framed(figure, title, "epoch", [0, max(epochs, 1)], shares)


def trade_off_chart(rows: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Accuracy and work against λ, from what an evaluation gives for several values of λ."""
    figure = go.Figure()
    lams = [row["lam"] for row in rows]
    works = [row["macs_mean"] / max(row["macs_static"], 1) for row in rows]
    for index, (name, values) in enumerate({"accuracy": [row["accuracy"] for row in rows], "work": works}.items()):
        line = {"color": LINES[index], "width": 2, "dash": DASHES[index]}
        figure.add_scatter(x=lams, y=values, name=name, mode="lines+markers", line=line)
    return _framed(figure, "Test images, for each λ", "λ", [0, 1], True)


def values_chart(names: Sequence[str], values: Sequence[float]) -> go.Figure:
    """What a node sent, a bar per number."""
    figure = go.Figure()
    figure.add_bar(x=list(names), y=list(values), marker={"color": LINES[0]})
    _framed(figure, "What it sent", "", [-0.6, len(names) - 0.4], False)
    return figure.update_layout(height=SMALL)


def _framed(figure: go.Figure, title: str, axis: str, span: list[float], shares: bool) -> go.Figure:
    figure.update_layout(
        title={"text": title, "font": {"size": 14}, "x": 0, "xanchor": "left"},
        height=HEIGHT,
        margin={"l": 8, "r": 8, "t": 40, "b": 8},
        legend={"orientation": "h", "y": -0.28, "x": 0},
        showlegend=len(figure.data) > 1,
        hovermode="x unified",
    )
    figure.update_xaxes(title=axis, range=span, automargin=True)
    figure.update_yaxes(tickformat=".0%" if shares else None, rangemode="tozero", automargin=True)
    return figure


def _rest(name: str, start: str) -> str:
    rest = name[len(start) :].removesuffix(" loss").strip()
    return rest.removeprefix("at ") or GROUPS[start].lower()
