"""Stacked runs beside each other: in which options they differ, how accurate and how costly they are, how they got there.

Loads without torch and without streamlit.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from app.charts.theme import DASHES, Curve
from app.theme import LINES
from app.wording import counted, percent
from core.store import Run

SHOWN = "val accuracy"  # of a run's curve
MARKS = ("circle", "diamond", "square", "triangle-up", "x", "cross")


def differing(configs: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The options in which configurations differ, each with its value in every one of them; a dash where there is no such option."""
    flat = [_flat(config) for config in configs]
    names = dict.fromkeys(name for options in flat for name in options)
    told = {name: [_written(options.get(name)) for options in flat] for name in names}
    return {name: values for name, values in told.items() if len(set(values)) > 1}


def fronts_chart(runs: Sequence[Run]) -> go.Figure:
    """Accuracy against multiply-adds on test images: a line for each run that serves several λ, a mark for each other."""
    figure = go.Figure()
    for index, run in enumerate(runs):
        rows = sorted(run.figures.get("test", []), key=lambda row: float(row["macs_mean"]))
        hover = [_told(row) for row in rows]
        figure.add_scatter(
            x=[row["macs_mean"] for row in rows],
            y=[row["accuracy"] for row in rows],
            name=run.name,
            mode="lines+markers" if len(rows) > 1 else "markers",
            line=_line(index),
            marker={"size": 7 if len(rows) > 1 else 11, "symbol": MARKS[index % len(MARKS)], "color": _line(index)["color"]},
            text=hover,
            hovertemplate="%{text}<extra>%{fullData.name}</extra>",
        )
    _frame(figure, "multiply-adds per test image")
    return figure.update_xaxes(rangemode="tozero")


def courses_chart(curves: Mapping[str, Curve]) -> go.Figure:
    """How accurate runs were on validation images after each epoch: the best λ of those that serve several."""
    figure = go.Figure()
    for index, (name, curve) in enumerate(curves.items()):
        best: dict[float, float] = {}
        for line, points in curve.items():
            if line.startswith(SHOWN):
                for epoch, value in points:
                    best[epoch] = max(value, best.get(epoch, 0.0))
        mode = "lines+markers" if len(best) < 3 else "lines"
        figure.add_scatter(x=sorted(best), y=[best[epoch] for epoch in sorted(best)], name=name, mode=mode, line=_line(index))
    _frame(figure, "epoch")
    return figure


def _line(index: int) -> dict[str, Any]:
    """The line of the run of this number: the first twenty-five differ in colour or dashes."""
    dash = DASHES[(index + index // len(LINES)) % len(DASHES)]
    return {"color": LINES[index % len(LINES)], "width": 2, "dash": dash}


def _frame(figure: go.Figure, across: str) -> None:
    legend = {"orientation": "h", "y": -0.25, "x": 0}
    figure.update_layout(height=360, margin={"l": 8, "r": 8, "t": 8, "b": 8}, legend=legend, showlegend=True)
    figure.update_xaxes(title=across, automargin=True)
    figure.update_yaxes(title="accuracy", tickformat=".0%", automargin=True)


def _told(row: Mapping[str, Any]) -> str:
    at = "" if row["lam"] is None else f"λ = {row['lam']:g}: "
    share = percent(row["macs_mean"] / max(row["macs_static"], 1))
    return f"{at}{row['accuracy']:.1%} at {counted(row['macs_mean'])}, {share} of its static network"


def _flat(options: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in options.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{before}{name}.")
        else:
            found[before + name] = value
    return found


def _written(value: object) -> str:
    return "–" if value is None or value == "" else str(value)
