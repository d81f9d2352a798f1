"""Curves of training: values after each epoch, of one run or of several. Loads without torch and without streamlit."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from app.charts.style import DASHES, frame, line_style
from app.colours import LINES
from app.wording import in_chart

Curve = Mapping[str, Sequence[tuple[float, float]]]

CURVE_HEIGHT = 300
COMPARED_CURVE_HEIGHT = 360
MIN_LINE_POINTS = 3  # epochs; a line through fewer points has markers
ACCURACY = "val accuracy"
LOSSES = {"values": "controllers’ predictions", "cost": "distance from the budget"}  # by their names in the metrics
RATES = "val rate of "
METRIC_TITLES = {
    ACCURACY: "Validation accuracy",
    "val cost share": "Cost, as a share of the static network’s",
    RATES: "Share of validation images for which each module ran",
    "train": "Training loss",
}


def grouped(curve: Curve) -> dict[str, dict[str, Sequence[tuple[float, float]]]]:
    """Return the lines of a run's curve by chart title, each under the part of its name that distinguishes it."""
    groups: dict[str, dict[str, Sequence[tuple[float, float]]]] = {}
    for start, title in METRIC_TITLES.items():
        lines = {name: points for name, points in curve.items() if name.startswith(start) and (start != "train" or name.endswith("loss"))}
        if lines:
            groups[title] = {_rest(name, start): points for name, points in lines.items()}
    return groups


def curve_chart(title: str, lines: Curve, epochs: float, *, shares: bool) -> go.Figure:
    """Return values over epochs, a line per name. `shares` are shown as percentages."""
    figure = go.Figure()
    for index, (name, points) in enumerate(lines.items()):
        figure.add_scatter(
            x=[epoch for epoch, _ in points],
            y=[value for _, value in points],
            name=in_chart(name),
            mode="lines+markers" if len(points) < MIN_LINE_POINTS else "lines",
            line={"color": LINES[index % len(LINES)], "width": 2, "dash": DASHES[index % len(DASHES)]},
        )
    frame(figure, CURVE_HEIGHT, title)
    figure.update_layout(showlegend=len(figure.data) > 1, hovermode="x unified")
    figure.update_xaxes(title="Epoch", range=[0, max(epochs, 1)])
    return figure.update_yaxes(tickformat=".0%" if shares else None, rangemode="tozero")


def compared_curves_chart(curves: Mapping[str, Curve]) -> go.Figure:
    """Return the validation accuracy of several runs after each epoch; of a run with several λ, the best."""
    figure = go.Figure()
    for index, (name, curve) in enumerate(curves.items()):
        best: dict[float, float] = {}
        for line, points in curve.items():
            if line.startswith(ACCURACY):
                for epoch, value in points:
                    best[epoch] = max(value, best.get(epoch, 0.0))
        mode = "lines+markers" if len(best) < MIN_LINE_POINTS else "lines"
        figure.add_scatter(
            x=sorted(best), y=[best[epoch] for epoch in sorted(best)], name=in_chart(name), mode=mode, line=line_style(index)
        )
    frame(figure, COMPARED_CURVE_HEIGHT)
    figure.update_layout(showlegend=True)
    figure.update_xaxes(title="Epoch")
    return figure.update_yaxes(title="Validation accuracy", tickformat=".0%")


def _rest(name: str, start: str) -> str:
    """Return the part of a line's name that distinguishes it from the others of its chart, for a person."""
    if start == RATES:
        return name.removeprefix(RATES)
    rest = name[len(start) :].removesuffix(" loss").strip().removeprefix("at ").replace("λ=", "λ = ")
    return LOSSES.get(rest, rest) or METRIC_TITLES[start].lower()
