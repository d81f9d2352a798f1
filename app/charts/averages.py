"""Networks on the axes of accuracy and cost: means over seeds with their deviations, and a mark for each set of images.

Loads without torch and without streamlit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from app.colours import LINES, SOFT, transparent
from app.wording import counted, duration, in_chart, lam_name, percent
from core.evaluation.seeds import MeanRow, families, mean_rows
from core.pareto import ParetoPoint, hull
from core.scale import cost_share
from core.store import Run

DATA_MARKS = ("circle", "diamond", "triangle-up", "star", "hexagon")  # of gated networks; static ones have the outlines
STATIC_MARKS = ("square-open", "diamond-open", "triangle-up-open", "star-open", "hexagon-open")
STATIC_COLOURS = (SOFT, "#a16207", "#7c3aed", "#0369a1", "#9f1239")
STATIC_NETWORKS = "static networks"
BAND_OPACITY, BAR_OPACITY = 0.15, 0.5


@dataclass(frozen=True)
class ImageSets:
    """The sets of images that networks were tested on: their titles in the order of their marks, and the set of each run by its name."""

    titles: tuple[str, ...] = ("",)
    of: Mapping[str, int] | None = None

    def index(self, run: Run) -> int:
        """Return the number of a run's set of images."""
        return (self.of or {}).get(run.name, 0)


def draw_gated(figure: go.Figure, name: str, runs: Sequence[Run], color: str, tested: ImageSets) -> None:
    """Draw gated networks that share a name in the legend: their Pareto front, points that can be clicked, and deviations over seeds."""
    for number, family in enumerate(families(runs)):
        rows = sorted(mean_rows(family), key=lambda row: row.macs)
        if not rows:
            continue
        if any(row.accuracy_spread is not None for row in rows):
            _band(figure, name, rows, color)
        corners = hull([ParetoPoint(row.macs, row.accuracy) for row in rows])
        figure.add_scatter(
            x=[corner.cost for corner in corners],
            y=[corner.accuracy for corner in corners],
            mode="lines",
            line={"color": color, "width": 2},
            name=in_chart(name),
            legendgroup=name,
            showlegend=number == 0,
            hoverinfo="skip",
        )
        _points(figure, name, rows, {"color": color, "size": 9, "symbol": _mark(DATA_MARKS, tested.index(family[0]))})


def draw_static(figure: go.Figure, runs: Sequence[Run], tested: ImageSets) -> None:
    """Draw static networks, those of each set of images with a mark and a colour of their own."""
    for number, title in enumerate(tested.titles):
        rows = mean_rows(run for run in runs if tested.index(run) == number)
        if not rows:
            continue
        name = f"{STATIC_NETWORKS} · {title}" if len(tested.titles) > 1 else STATIC_NETWORKS
        marker = {"symbol": _mark(STATIC_MARKS, number), "size": 10, "color": _mark(STATIC_COLOURS, number), "line": {"width": 2}}
        _points(figure, name, rows, marker, showlegend=True)


def draw_budget(figure: go.Figure, macs: float, best: Sequence[MeanRow]) -> None:
    """Draw a budget as a line on the cost axis, and a ring around the best networks under it."""
    figure.add_vline(x=macs, line={"color": SOFT, "width": 2, "dash": "dash"})
    figure.add_annotation(
        x=macs, y=1, yref="paper", yanchor="top", xanchor="left", xshift=4, showarrow=False, text="budget", font={"color": SOFT, "size": 13}
    )
    if best:
        figure.add_scatter(
            x=[row.macs for row in best],
            y=[row.accuracy for row in best],
            mode="markers",
            marker={"symbol": "circle-open", "size": 20, "color": LINES[1], "line": {"width": 3}},
            name="best under the budget",
            hoverinfo="skip",
        )


def described(row: MeanRow) -> str:
    """Return a row in words: λ, accuracy and cost with their deviations, the number of seeds, and how long the training took."""
    at = "" if row.lam is None else f"{lam_name(row.lam)}: "
    accuracy = f"{row.accuracy:.1%}{'' if row.accuracy_spread is None else f' ± {100 * row.accuracy_spread:.1f}'}"
    cost = f"{counted(row.macs)}{'' if row.macs_spread is None else f' ± {counted(row.macs_spread)}'} multiply-adds"
    share = "" if row.lam is None else f", {percent(cost_share(row.macs, row.macs_static))} of the static network"
    return f"{at}{accuracy} at {cost}{share}"


def network_name(row: MeanRow) -> str:
    """Return the name of a row's run; of several seeds, the name of what they belong to."""
    first = row.runs[0]
    return first.name if len(row.runs) == 1 else f"{first.series if first.sweep else first.name} (mean of {len(row.runs)} seeds)"


def _hover(row: MeanRow) -> str:
    lines = [in_chart(network_name(row)), described(row)]
    if seconds := [run.seconds for run in row.runs if run.seconds]:
        lines.append(f"trained in {duration(sum(seconds) / len(seconds))}{' each' if len(seconds) > 1 else ''}")
    return "<br>".join(lines)


def _points(figure: go.Figure, name: str, rows: Sequence[MeanRow], marker: Mapping[str, object], *, showlegend: bool = False) -> None:
    """Draw points that can be clicked: each names the run of its first seed and its λ, −1 for none."""
    spreads = [row.macs_spread or 0.0 for row in rows]
    bars = {"array": spreads, "thickness": 1, "width": 0, "color": transparent(str(marker["color"]), BAR_OPACITY)} if any(spreads) else None
    figure.add_scatter(
        x=[row.macs for row in rows],
        y=[row.accuracy for row in rows],
        mode="markers",
        marker=marker,
        error_x=bars,
        customdata=[[row.runs[0].name, -1 if row.lam is None else row.lam] for row in rows],
        text=[_hover(row) for row in rows],
        hovertemplate="%{text}<extra></extra>",
        name=in_chart(name),
        legendgroup=name,
        showlegend=showlegend,
    )


def _band(figure: go.Figure, name: str, rows: Sequence[MeanRow], color: str) -> None:
    """Draw the accuracies within one standard deviation of the mean, along the cost."""
    spreads = [row.accuracy_spread or 0.0 for row in rows]
    there = [row.accuracy + spread for row, spread in zip(rows, spreads, strict=True)]
    back = [row.accuracy - spread for row, spread in zip(rows, spreads, strict=True)]
    costs = [row.macs for row in rows]
    figure.add_scatter(
        x=[*costs, *reversed(costs)],
        y=[*there, *reversed(back)],
        fill="toself",
        fillcolor=transparent(color, BAND_OPACITY),
        line={"width": 0},
        mode="lines",
        name=f"{in_chart(name)}, ± one standard deviation",
        legendgroup=name,
        showlegend=False,
        hoverinfo="skip",
    )


def _mark(choices: Sequence[str], index: int) -> str:
    return choices[index % len(choices)]
