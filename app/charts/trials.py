"""The trials of a search on the axes of accuracy and cost, with their front. Loads without torch and without streamlit."""

from collections.abc import Sequence

import plotly.graph_objects as go

from app.charts.style import frame
from app.colours import LINES, SOFT, transparent
from app.comparison import differing, setting_label
from app.wording import counted, in_chart, lam_name
from core.evaluation.trials import TrialPoint, front, points
from core.store import Run

TRIALS_HEIGHT = 400
TRIAL_OPACITY = 0.45
LISTED_SETTINGS = 10  # of a trial that a label lists


def trials_chart(runs: Sequence[Run]) -> go.Figure:
    """Return the finished trials of a search on validation images: a line for each along λ, and the front of all, to be clicked."""
    figure = go.Figure()
    along = points(runs)
    finished = [run for run in runs if any(point.run is run for point in along)]
    written = differing([run.config for run in finished])
    labels = {name: setting_label(name, [run.config for run in finished]) for name in list(written)[:LISTED_SETTINGS]}
    texts = {
        run.id: "<br>".join(f"{in_chart(label)}: {in_chart(written[name][number])}" for name, label in labels.items())
        for number, run in enumerate(finished)
    }
    for number, run in enumerate(finished):
        own = [point for point in along if point.run is run]
        figure.add_scatter(
            x=[point.macs for point in own],
            y=[point.accuracy for point in own],
            mode="lines+markers" if len(own) > 1 else "markers",
            line={"color": transparent(SOFT, TRIAL_OPACITY), "width": 1},
            marker={"color": transparent(SOFT, TRIAL_OPACITY), "size": 6},
            customdata=[_target(point) for point in own],
            text=[_described(point, texts[run.id]) for point in own],
            hovertemplate="%{text}<extra></extra>",
            name="trials",
            legendgroup="trials",
            showlegend=number == 0,
        )
    best = front(along)
    figure.add_scatter(
        x=[point.macs for point in best],
        y=[point.accuracy for point in best],
        mode="lines+markers",
        line={"color": LINES[0], "width": 2, "shape": "hv"},
        marker={"color": LINES[0], "size": 10},
        customdata=[_target(point) for point in best],
        text=[_described(point, texts[point.run.id]) for point in best],
        hovertemplate="%{text}<extra></extra>",
        name="front",
    )
    frame(figure, TRIALS_HEIGHT)
    figure.update_layout(hovermode="closest", clickmode="event+select", showlegend=True)
    figure.update_xaxes(title="Multiply-adds per image", rangemode="tozero", tickformat="~s")
    return figure.update_yaxes(title="Validation accuracy", tickformat=".3~p")


def _target(point: TrialPoint) -> list[object]:
    """Return what a click on a point opens: the run and its λ, −1 for a network without one."""
    return [point.run.name, -1.0 if point.lam is None else point.lam]


def _described(point: TrialPoint, settings: str) -> str:
    """Return a trial at one λ in words, with the settings in which the trials differ."""
    at = "" if point.lam is None else f" at {lam_name(point.lam)}"
    figures = f"{point.accuracy:.1%} of the validation images, {point.test['accuracy']:.1%} of the test images"
    return f"<b>{in_chart(point.run.name)}</b>{at}<br>{figures}<br>{counted(point.macs)} multiply-adds<br>{settings}"
