"""Accuracy against cost, from the stored figures of runs. Loads without torch and without streamlit.

A series is what is drawn in one colour: the runs of one sweep, or one run. Costs are multiply-adds, which can be compared between
architectures; shares of different static networks cannot.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import plotly.graph_objects as go

from app.charts.averages import ImageSets, draw_budget, draw_gated, draw_static
from app.charts.style import DASHES, frame, line_style
from app.colours import LINES, SOFT
from app.wording import counted, in_chart, percent
from core.evaluation.seeds import MeanRow, by_all_but_seed
from core.evaluation.series import by_series
from core.pareto import ParetoPoint, hull
from core.published import published
from core.scale import mean_cost_share
from core.store import Run

FRONT_HEIGHT = 430
COMPARED_FRONT_HEIGHT = 360
RUN_HEIGHT = 300
BEYOND = 1.3  # a cost axis, and with it the published networks, end at this multiple of the highest cost of the others
MARKS = ("circle", "diamond", "square", "triangle-up", "x", "cross")
BASELINES = {  # gates that do not look at the image, on the network's own modules, and how they are drawn
    "random gates": {"dash": "dot", "symbol": "circle-open"},
    "fixed routes": {"dash": "dash", "symbol": "x"},
    "fixed widths": {"dash": "dashdot", "symbol": "x"},
    "confidence": {"dash": "longdash", "symbol": "triangle-up-open"},
}


@dataclass(frozen=True)
class Series:
    """Gated runs that are drawn together: those of a sweep, one run, or runs that differ in the seed alone.

    Variants of a sweep, and its networks for every λ where others are for one λ each, are series of their own.
    """

    name: str
    runs: tuple[Run, ...]

    @property
    def seeds(self) -> dict[int, list[Run]]:
        """The runs of each seed."""
        by_seed = sorted(self.runs, key=lambda run: (run.seed, run.lam or 0.0))
        return {seed: list(runs) for seed, runs in groupby(by_seed, key=lambda run: run.seed)}


def series_of(runs: Sequence[Run]) -> list[Series]:
    """Return the series of finished gated runs: the user's first, the newest before the others, then the reference runs, those that
    were tested on most images first. Runs of no sweep that differ in the seed alone are one series, with the name of the first.
    """
    gated = [run for run in runs if run.status == "finished" and run.gated and run.figures]
    gated.sort(key=lambda run: (bool(run.reference), -run.figures["test"][0]["n"] if run.reference else 0))
    loose = {run.name: group for group in by_all_but_seed(run for run in gated if not run.sweep) for run in group}
    found = []
    for name, together in by_series(gated).items():
        group = loose.get(name, together)
        if together[0].sweep or name == min(group, key=lambda run: run.id).name:
            found.append(Series(name, tuple(group)))
    return found


def rows_of(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return the test figures of the runs of one seed in the order of λ, each with the name of its run."""
    rows = [{**row, "run": run.name} for run in runs for row in run.figures.get("test", [])]
    return sorted(rows, key=lambda row: -1.0 if row["lam"] is None else row["lam"])


def highest_cost(shown: Sequence[Series], statics: Sequence[Run]) -> float:
    """Return the multiply-adds that a chart of these series must reach: somewhat more than their own and than static networks of the
    same architectures.
    """
    gated = [run for series in shown for run in series.runs]
    architectures = {run.architecture for run in gated} or {run.architecture for run in statics}
    rivals = [run for run in statics if run.architecture in architectures]
    return BEYOND * max(float(row["macs_mean"]) for run in (*gated, *rivals) for row in run.figures["test"])


def front_chart(
    shown: Sequence[Series],
    statics: Sequence[Run],
    baselines: Sequence[str],
    *,
    published_on: str | None = None,
    tested: ImageSets | None = None,
    budget: float | None = None,
    highest: float | None = None,
    best: Sequence[MeanRow] = (),
) -> go.Figure:
    """Return the points of each series, which can be clicked, with their Pareto front, static networks and baselines.

    `published_on`: a dataset whose published networks are drawn too. `tested`: the images that each run was tested on, where there are
    several sets. `budget`: multiply-adds at which a line stands, with a mark around the `best` networks under it. `highest`:
    multiply-adds at which the axis ends at first, `highest_cost` unless it is given.
    """
    figure = go.Figure()
    tested, highest = tested or ImageSets(), highest or highest_cost(shown, statics)
    colors = {series.name: LINES[index % len(LINES)] for index, series in enumerate(shown)}
    draw_static(figure, statics, tested)
    for series in shown:
        measured = min((run for run in series.runs if run.figures.get("baselines")), key=lambda run: run.seed, default=None)
        for name in baselines:
            if measured:
                _baseline(figure, name, measured, colors[series.name])
    if budget is not None:
        draw_budget(figure, budget, best)
    for series in shown:  # on top, where they can be clicked
        draw_gated(figure, series.name, series.runs, colors[series.name], tested)
    _published(figure, published_on, highest)
    figure.update_traces(cliponaxis=False, selector={"type": "scatter"})  # a mark at a cost of nearly 0 is drawn whole
    frame(figure, FRONT_HEIGHT)
    figure.update_layout(hovermode="closest", clickmode="event+select", showlegend=True)
    figure.update_xaxes(title="Multiply-adds per image", range=[0, highest], tickformat="~s")
    return figure.update_yaxes(title="Test accuracy", tickformat=".3~p")


def compared_chart(runs: Sequence[Run], *, published_on: str | None = None) -> go.Figure:
    """Return accuracy against multiply-adds on test images: a line for each run with several λ, a mark for each other run.

    `published_on`: a dataset whose published networks are drawn too.
    """
    figure = go.Figure()
    for index, run in enumerate(runs):
        rows = sorted(run.figures.get("test", []), key=lambda row: float(row["macs_mean"]))
        style = line_style(index)
        figure.add_scatter(
            x=[row["macs_mean"] for row in rows],
            y=[row["accuracy"] for row in rows],
            name=in_chart(run.name),
            mode="lines+markers" if len(rows) > 1 else "markers",
            line=style,
            marker={"size": 7 if len(rows) > 1 else 11, "symbol": MARKS[index % len(MARKS)], "color": style["color"]},
            text=[_figures(row) for row in rows],
            hovertemplate="%{text}<extra>%{fullData.name}</extra>",
        )
    _published(figure, published_on, BEYOND * max((max(trace.x) for trace in figure.data if trace.x), default=0))
    frame(figure, COMPARED_FRONT_HEIGHT)
    figure.update_layout(showlegend=True)
    figure.update_xaxes(title="Multiply-adds per image", rangemode="tozero")
    return figure.update_yaxes(title="Test accuracy", tickformat=".0%")


def along_lam_chart(rows: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Return one run's accuracy and cost share against λ."""
    figure = go.Figure()
    lams = [row["lam"] for row in rows]
    lines = {"Accuracy": [row["accuracy"] for row in rows], "Cost, as a share of the static network’s": list(map(mean_cost_share, rows))}
    for index, (name, values) in enumerate(lines.items()):
        line = {"color": LINES[index], "width": 2, "dash": DASHES[index]}
        figure.add_scatter(x=lams, y=values, name=name, mode="lines+markers", line=line)
    frame(figure, RUN_HEIGHT, "Test images, for each λ")
    figure.update_layout(hovermode="x unified")
    figure.update_xaxes(title="λ", range=[0, 1])
    return figure.update_yaxes(tickformat=".0%", rangemode="tozero")


def _baseline(figure: go.Figure, name: str, run: Run, color: str) -> None:
    """Draw one baseline of one run. Its costs are stored as shares of the run's static network."""
    macs = run.figures["test"][0]["macs_static"]
    corners = hull([ParetoPoint(**point) for point in run.figures["baselines"].get("test", {}).get(name, [])])
    if not corners:
        return
    style = BASELINES[name]
    figure.add_scatter(
        x=[corner.cost * macs for corner in corners],
        y=[corner.accuracy for corner in corners],
        mode="lines+markers",
        line={"color": color, "width": 1, "dash": style["dash"]},
        marker={"symbol": style["symbol"], "size": 6},
        opacity=0.75,
        name=in_chart(f"{run.name}: {name}"),
        hoverinfo="skip",  # so that a click where it meets a network's point goes to that point
    )


def _published(figure: go.Figure, dataset: str | None, highest: float) -> None:
    """Draw the published networks of a dataset that cost at most so many multiply-adds."""
    points = published(dataset, highest) if dataset else ()
    if not points:
        return
    figure.add_scatter(
        x=[point.macs for point in points],
        y=[point.accuracy for point in points],
        mode="markers",
        marker={"symbol": "diamond-tall-open", "size": 8, "color": SOFT, "line": {"width": 1.5}},
        text=[
            f"{point.network} ({point.kind})<br>{point.accuracy:.2%} at {counted(point.macs)} multiply-adds<br>{point.source}"
            for point in points
        ],
        hovertemplate="%{text}<extra>published</extra>",
        name="published networks",
    )


def _figures(row: Mapping[str, Any]) -> str:
    """Return accuracy and cost at one λ in words."""
    at = "" if row["lam"] is None else f"λ = {row['lam']:g}: "
    cost = f"{counted(row['macs_mean'])} multiply-adds, {percent(mean_cost_share(row))} of the static network"
    return f"{at}{row['accuracy']:.1%} at {cost}"
