"""The charts of the λ page, from the stored figures of runs alone. Loads without torch and without streamlit.

A series is what is drawn in one colour: the runs of one sweep, or one run. Costs are multiply-adds, which can be compared between
architectures; shares of different reference networks cannot.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import plotly.graph_objects as go

from app.theme import LINES
from app.wording import counted
from core.evaluation.pareto import ParetoPoint, hull
from core.evaluation.series import by_series
from core.store import Run

HEIGHT = 440
SMALL = 320
MOST = 6  # routes with a colour of their own
SOFT = "#8a94a3"
BASELINES = {  # what a network has to beat on its own modules, and how it is drawn
    "random gates": {"dash": "dot", "symbol": "circle-open"},
    "fixed routes": {"dash": "dash", "symbol": "x"},
    "confidence": {"dash": "longdash", "symbol": "triangle-up-open"},
}


@dataclass(frozen=True)
class Series:
    """Runs that are drawn together: the gated runs of a sweep, or one run; variants, and networks for every λ among others, apart."""

    name: str
    runs: tuple[Run, ...]

    @property
    def seeds(self) -> dict[int, list[Run]]:
        """The runs of each seed."""
        by_seed = sorted(self.runs, key=lambda run: (run.seed, run.lam or 0.0))
        return {seed: list(runs) for seed, runs in groupby(by_seed, key=lambda run: run.seed)}


def series_of(runs: Sequence[Run]) -> list[Series]:
    """What there is to show: sweeps with at least one finished gated run, and finished gated runs of no sweep.

    The user's come first, the newest before the others; then those that ship, those that were tested on most images before the others.
    """
    gated = [run for run in runs if run.status == "finished" and run.gated]
    gated.sort(key=lambda run: (bool(run.reference), -run.figures["test"][0]["n"] if run.reference else 0))
    return [Series(name, tuple(together)) for name, together in by_series(gated).items()]


def rows_of(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """The test figures of the runs of one seed by λ, each with the name of its run."""
    rows = [{**row, "run": run.name} for run in runs for row in run.figures.get("test", [])]
    return sorted(rows, key=lambda row: -1.0 if row["lam"] is None else row["lam"])


def front_chart(shown: Sequence[Series], statics: Sequence[Run], baselines: Sequence[str]) -> go.Figure:
    """Accuracy against cost: points that can be clicked, their front lines, static networks and what each network has to beat."""
    figure = go.Figure()
    colors = {series.name: LINES[index % len(LINES)] for index, series in enumerate(shown)}
    for run in statics:
        _static(figure, run, first=run is statics[0])
    for series in shown:
        alone = min((run for run in series.runs if run.figures.get("baselines")), key=lambda run: run.seed, default=None)
        for name in baselines if alone else ():
            _baseline(figure, name, alone, colors[series.name])
    for series in shown:  # on top, where they can be clicked
        for seed, runs in series.seeds.items():
            _front(figure, series.name, rows_of(runs), colors[series.name], first=seed == min(series.seeds))
    _frame(figure, HEIGHT)
    figure.update_layout(hovermode="closest", clickmode="event+select")
    figure.update_xaxes(title="multiply-adds per image", rangemode="tozero", tickformat="~s")
    figure.update_yaxes(title="test accuracy", tickformat=".0%")
    return figure


def routes_chart(rows: Sequence[Mapping[str, Any]]) -> go.Figure:
    """The share of the images that took each route, against λ."""
    telling = telling_nodes(rows)
    shares: dict[str, dict[float, float]] = {}
    for row in rows:
        for route in row["routes"]:
            name = " + ".join(node for node in telling if node in route["nodes"]) or "nothing more"
            along = shares.setdefault(name, {})
            along[row["lam"]] = along.get(row["lam"], 0.0) + route["share"]
    lams = [row["lam"] for row in rows]
    ranked = sorted(shares, key=lambda name: -sum(shares[name].values()))
    figure = go.Figure()
    for index, name in enumerate(ranked[:MOST]):
        _band(figure, name, lams, [shares[name].get(lam, 0.0) for lam in lams], LINES[index % len(LINES)], index >= len(LINES))
    if rest := ranked[MOST:]:
        others = [sum(shares[name].get(lam, 0.0) for name in rest) for lam in lams]
        _band(figure, f"{len(rest)} other{'s' * (len(rest) > 1)}", lams, others, SOFT, False)
    _frame(figure, SMALL)
    figure.update_layout(title=_title("Share of the test images on each route"), hovermode="x unified")
    figure.update_xaxes(title="λ", range=[0, 1])
    figure.update_yaxes(range=[0, 1], tickformat=".0%")
    return figure


def modules_chart(rows: Sequence[Mapping[str, Any]]) -> go.Figure:
    """The share of the images for which each module ran, against λ: one row per module whose running depends on the image."""
    telling = telling_nodes(rows)
    rates = [[row["execution_rates"][node] for row in rows] for node in telling]
    figure = go.Figure(
        go.Heatmap(
            z=rates,
            x=[f"{row['lam']:g}" for row in rows],
            y=telling,
            zmin=0,
            zmax=1,
            colorscale=[[0, "rgba(13,148,136,0.06)"], [1, LINES[0]]],
            text=[[f"{rate:.0%}" for rate in along] for along in rates],
            texttemplate="%{text}",
            hovertemplate="%{y} at λ = %{x}: %{text}<extra></extra>",
            showscale=False,
        )
    )
    _frame(figure, SMALL)
    figure.update_layout(title=_title("Share of the test images for which each module ran"))
    figure.update_xaxes(title="λ", type="category")
    figure.update_yaxes(autorange="reversed", type="category")
    return figure


def telling_nodes(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The nodes that tell routes apart, in order: of those that always ran together the first."""
    routes = [set(route["nodes"]) for row in rows for route in row["routes"]]
    patterns: dict[tuple[bool, ...], str] = {}
    for node in rows[0]["execution_rates"]:
        pattern = tuple(node in route for route in routes)
        if not all(pattern) and any(pattern):
            patterns.setdefault(pattern, node)
    return list(patterns.values())


def _front(figure: go.Figure, name: str, rows: Sequence[Mapping[str, Any]], color: str, *, first: bool) -> None:
    corners = hull([ParetoPoint(row["macs_mean"], row["accuracy"]) for row in rows])
    line = {"color": color, "width": 2}
    figure.add_scatter(
        x=[corner.cost for corner in corners],
        y=[corner.accuracy for corner in corners],
        mode="lines",
        line=line,
        name=name,
        legendgroup=name,
        showlegend=first,
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=[row["macs_mean"] for row in rows],
        y=[row["accuracy"] for row in rows],
        mode="markers",
        marker={"color": color, "size": 9},
        customdata=[[row["run"], -1 if row["lam"] is None else row["lam"]] for row in rows],
        text=[_hover(row) for row in rows],
        hovertemplate="%{text}<extra></extra>",
        name=name,
        legendgroup=name,
        showlegend=False,
    )


def _baseline(figure: go.Figure, name: str, run: Run, color: str) -> None:
    """One of what a run has to beat, of that run alone though others may be drawn in its colour.

    Its costs are kept as shares of the run's reference network.
    """
    macs = run.figures["test"][0]["macs_static"]
    corners = hull([ParetoPoint(**point) for point in run.figures["baselines"].get("test", {}).get(name, [])])
    if not corners:
        return
    drawn = BASELINES[name]
    figure.add_scatter(
        x=[corner.cost * macs for corner in corners],
        y=[corner.accuracy for corner in corners],
        mode="lines+markers",
        line={"color": color, "width": 1, "dash": drawn["dash"]},
        marker={"symbol": drawn["symbol"], "size": 6},
        opacity=0.75,
        name=f"{run.name}: {name}",
        hoverinfo="skip",  # where it meets a network's own point, that is the one to be clicked
    )


def _static(figure: go.Figure, run: Run, *, first: bool) -> None:
    row = run.figures["test"][0]
    figure.add_scatter(
        x=[row["macs_mean"]],
        y=[row["accuracy"]],
        mode="markers",
        marker={"symbol": "square-open", "size": 10, "color": SOFT, "line": {"width": 2}},
        customdata=[[run.name, -1]],
        text=[_hover({**row, "run": run.name})],
        hovertemplate="%{text}<extra></extra>",
        name="static networks",
        legendgroup="static networks",
        showlegend=first,
    )


def _hover(row: Mapping[str, Any]) -> str:
    at = "" if row["lam"] is None else f", λ = {row['lam']:g}"
    share = row["macs_mean"] / max(row["macs_static"], 1)
    return f"{row['run']}{at}<br>{row['accuracy']:.1%} at {counted(row['macs_mean'])} ({share:.0%} of its static network)"


def _band(figure: go.Figure, name: str, lams: list[float], shares: list[float], color: str, hatched: bool) -> None:
    pattern = {"shape": "/"} if hatched else None
    figure.add_scatter(
        x=lams,
        y=shares,
        name=name,
        mode="lines" if len(lams) > 1 else "markers",
        line={"width": 0.5, "color": color},
        stackgroup="routes",
        fillpattern=pattern,
        hovertemplate="%{y:.0%}",
    )


def _title(text: str) -> dict[str, Any]:
    return {"text": text, "font": {"size": 14}, "x": 0, "xanchor": "left"}


def _frame(figure: go.Figure, height: int) -> None:
    below = {"yref": "container", "y": 0, "yanchor": "bottom"}  # the title of the axis, however many rows there are
    legend = {"orientation": "h", "x": 0, **below}
    figure.update_layout(height=height, margin={"l": 8, "r": 8, "t": 36, "b": 8}, legend=legend)
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)
