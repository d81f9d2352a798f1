"""Curves of training: values after each epoch, of one run or of several. Loads without torch and without streamlit."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from app.charts.style import DASHES, frame, line_style
from app.colours import LINES
from app.wording import in_chart

Points = Sequence[tuple[float, float]]
Curve = Mapping[str, Points]

CURVE_HEIGHT = 300
COMPARED_CURVE_HEIGHT = 360
MIN_LINE_POINTS = 3  # epochs; a line through fewer points has markers
FAINT = 0.25  # opacity of the values behind their smoothed line
ACCURACY = "val accuracy"
LOSSES = {"values": "controllers’ predictions", "cost": "distance from the budget"}  # by their names in the metrics
RATES, CHANNELS = "val rate of ", "val channels of "
METRIC_TITLES = {
    ACCURACY: "Validation accuracy",
    "val cost share": "Cost, as a share of the static network’s",
    RATES: "Share of validation images for which each module ran",
    CHANNELS: "Share of its channels that each module opened",
    "train": "Training loss",
}


@dataclass(frozen=True)
class CurveView:
    """How curves are drawn.

    `smoothing`: the weight of earlier values, 0 for none. `minutes`: the time of an epoch, to draw time instead of epochs.
    """

    smoothing: float = 0.0
    log_x: bool = False
    log_y: bool = False
    minutes: float | None = None


def grouped(curve: Curve) -> dict[str, dict[str, Points]]:
    """Return the lines of a run's curve by chart title, each under the part of its name that distinguishes it."""
    groups: dict[str, dict[str, Points]] = {}
    for start, title in METRIC_TITLES.items():
        lines = {name: points for name, points in curve.items() if name.startswith(start) and (start != "train" or name.endswith("loss"))}
        if lines:
            groups[title] = {_rest(name, start): points for name, points in lines.items()}
    return groups


def curve_chart(title: str, lines: Curve, epochs: float, *, shares: bool, view: CurveView | None = None) -> go.Figure:
    """Return values over epochs or time, a line per name. `shares` are shown as percentages."""
    view = view or CurveView()
    figure = go.Figure()
    for index, (name, points) in enumerate(lines.items()):
        style = {"color": LINES[index % len(LINES)], "width": 2, "dash": DASHES[index % len(DASHES)]}
        _line(figure, name, points, style, view)
    frame(figure, CURVE_HEIGHT, title)
    figure.update_layout(showlegend=sum(trace.showlegend is not False for trace in figure.data) > 1, hovermode="x unified")
    _axes(figure, view)
    if not view.log_x:
        figure.update_xaxes(range=[0, max(epochs, 1) * (view.minutes or 1)])
    return figure.update_yaxes(tickformat=".0%" if shares else None, rangemode=None if view.log_y else "tozero")


def compared_curves_chart(curves: Mapping[str, Curve], metric: str = ACCURACY, views: Sequence[CurveView] | None = None) -> go.Figure:
    """Return one metric of several runs after each epoch; of validation accuracy at several λ, the best.

    `views`: of each run, since their epochs take different times.
    """
    views = views or [CurveView()] * len(curves)
    figure = go.Figure()
    for index, ((name, curve), view) in enumerate(zip(curves.items(), views, strict=True)):
        points = best_of(curve) if metric == ACCURACY else curve.get(metric, ())
        _line(figure, name, points, line_style(index), view)
    frame(figure, COMPARED_CURVE_HEIGHT)
    figure.update_layout(showlegend=True)
    _axes(figure, views[0] if views else CurveView())
    title = METRIC_TITLES[ACCURACY] if metric == ACCURACY else in_chart(metric[:1].upper() + metric[1:])
    return figure.update_yaxes(title=title, tickformat=".0%" if metric.endswith(("accuracy", "share")) else None)


def best_of(curve: Curve) -> Points:
    """Return the highest validation accuracy of all λ after each epoch."""
    best: dict[float, float] = {}
    for line, points in curve.items():
        if line.startswith(ACCURACY):
            for epoch, value in points:
                best[epoch] = max(value, best.get(epoch, 0.0))
    return sorted(best.items())


def smoothed(values: Iterable[float], weight: float) -> list[float]:
    """Return the exponential moving average, corrected for its beginning. A gap (NaN) stays one."""
    average, total, found = 0.0, 0.0, []
    for value in values:
        if value == value:
            average, total = weight * average + (1 - weight) * value, weight * total + (1 - weight)
        found.append(average / total if value == value else value)
    return found


def _line(figure: go.Figure, name: str, points: Points, style: Mapping[str, Any], view: CurveView) -> None:
    x = [epoch * (view.minutes or 1) for epoch, _ in points]
    y = [value for _, value in points]
    mode = "lines+markers" if len(points) < MIN_LINE_POINTS else "lines"
    if view.smoothing:
        behind = {"legendgroup": name, "showlegend": False, "hoverinfo": "skip", "opacity": FAINT}
        figure.add_scatter(x=x, y=y, name=in_chart(name), mode=mode, line={**style, "width": 1}, **behind)
        y = smoothed(y, view.smoothing)
    figure.add_scatter(x=x, y=y, name=in_chart(name), mode=mode, line=style, legendgroup=name)


def _axes(figure: go.Figure, view: CurveView) -> None:
    figure.update_xaxes(title="Epoch" if view.minutes is None else "Minutes of training", type="log" if view.log_x else "linear")
    figure.update_yaxes(type="log" if view.log_y else "linear")


def _rest(name: str, start: str) -> str:
    """Return the part of a line's name that distinguishes it from the others of its chart, for a person."""
    if start in (RATES, CHANNELS):
        return name.removeprefix(start)
    rest = name[len(start) :].removesuffix(" loss").strip().removeprefix("at ").replace("λ=", "λ = ")
    return LOSSES.get(rest, rest) or METRIC_TITLES[start].lower()
