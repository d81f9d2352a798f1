"""The charts of the page "How it works". Loads without torch and without streamlit."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from app.charts.style import frame
from app.colours import LINES, SOFT, transparent
from app.toy_controller import DEAR_COST, MODULES, Array, reward, threshold, true_accuracy
from app.wording import in_chart

LESSON_HEIGHT, LOW_HEIGHT = 300, 190
CHEAP, DEAR = LINES[0], LINES[1]
FILL = 0.18
BLUR: Array = np.linspace(0, 1, 101)  # at which the toy's predictions are drawn


def scores_chart(options: Sequence[str], scores: Sequence[Sequence[float] | None], thresholds: Sequence[float]) -> go.Figure:
    """Return a controller's score of each option along λ: one entry per step of the slider, None where it did not run.

    `thresholds`: values of λ at which a line stands.
    """
    figure = go.Figure()
    lams = np.linspace(0, 1, len(scores))
    for column, option in enumerate(options):
        values = [None if row is None else row[column] for row in scores]
        line = {"color": LINES[column % len(LINES)], "width": 2, "dash": ("solid", "dash", "dot")[column % 3]}
        hover = "λ = %{x:.2f}: %{y:.3f}"
        figure.add_scatter(x=lams, y=values, name=in_chart(option), mode="lines", line=line, hovertemplate=hover)
    for lam in thresholds:
        figure.add_vline(x=lam, line={"color": SOFT, "width": 2, "dash": "dash"})
    frame(figure, LESSON_HEIGHT, "Score of each option for this picture")
    figure.update_layout(hovermode="x unified", showlegend=True)
    figure.update_xaxes(title="λ", range=[0, 1])
    return figure


def rewards_chart(rewards: Mapping[str, float]) -> go.Figure:
    """Return the reward of each module as a bar; the highest has the colour of what runs."""
    best = max(rewards, key=lambda name: rewards[name])
    figure = go.Figure(
        go.Bar(
            x=list(rewards.values()),
            y=[name.capitalize() for name in rewards],
            orientation="h",
            marker={"color": [CHEAP if name == best else SOFT for name in rewards]},
            text=[f"{value:+.3f}" for value in rewards.values()],
            textposition="outside",
            hoverinfo="skip",
            width=0.6,
        )
    )
    frame(figure, LOW_HEIGHT, "Reward λA + (1−λ)E")
    figure.update_xaxes(range=[-1.2, 1.2], zeroline=True)
    return figure.update_yaxes(autorange="reversed")


def gates_chart(scores: Sequence[float]) -> go.Figure:
    """Return the scores of a gate network, one bar per channel: those above 0 open their gates."""
    runs = [score > 0 for score in scores]
    figure = go.Figure(
        go.Bar(
            x=list(range(1, len(scores) + 1)),
            y=list(scores),
            marker={"color": [CHEAP if one else SOFT for one in runs], "pattern": {"shape": ["" if one else "/" for one in runs]}},
            customdata=["runs" if one else "skipped" for one in runs],
            hovertemplate="Channel %{x}: score %{y:.2f}, %{customdata}<extra></extra>",
        )
    )
    frame(figure, LESSON_HEIGHT, "Score of each channel: above 0 its gate opens")
    figure.update_xaxes(title="Channel")
    return figure.update_yaxes(title="Score", zeroline=True)


def values_chart(predicted: Array, lam: float, cheap_cost: float, kappa: float) -> go.Figure:
    """Return the rewards to expect of both modules (N, 2) against the blur, those of the truth dotted, and where the choice changes."""
    figure = go.Figure()
    costs = (cheap_cost, DEAR_COST)
    truth = true_accuracy(BLUR)
    rewards = [reward(predicted[:, column], cost, lam, kappa) for column, cost in enumerate(costs)]
    for column, (name, color) in enumerate(zip(MODULES, (CHEAP, DEAR), strict=True)):
        known = reward(truth[:, column], costs[column], lam, kappa)
        line = {"color": color, "width": 1, "dash": "dot"}
        figure.add_scatter(x=BLUR, y=known, mode="lines", line=line, name=f"{name}, in truth", hoverinfo="skip")
        line = {"color": color, "width": 3, "dash": "solid" if column == 0 else "dash"}
        hover = "%{y:.2f}"
        figure.add_scatter(x=BLUR, y=rewards[column], mode="lines", line=line, name=f"{name}, as predicted", hovertemplate=hover)
    for place in changes(rewards[1] - rewards[0]):
        figure.add_vline(x=place, line={"color": SOFT, "width": 2, "dash": "dash"})
    frame(figure, LESSON_HEIGHT, f"Q-values at λ = {lam:.2f}")
    figure.update_layout(hovermode="x unified", showlegend=True)
    figure.update_xaxes(title="Blur of the picture", range=[0, 1])
    return figure.update_yaxes(title="Reward to expect")


def thresholds_chart(predicted: Array, lam: float, cheap_cost: float, kappa: float) -> go.Figure:
    """Return the λ from which the dear module runs, against the blur: learned and in truth, with the present λ as a line."""
    figure = go.Figure()
    truth = true_accuracy(BLUR)
    learned = threshold(predicted[:, 0], predicted[:, 1], cheap_cost, kappa)
    figure.add_scatter(x=BLUR, y=np.ones_like(BLUR), mode="lines", line={"width": 0}, showlegend=False, hoverinfo="skip")
    figure.add_scatter(
        x=BLUR,
        y=learned,
        mode="lines",
        line={"color": DEAR, "width": 3},
        fill="tonexty",
        fillcolor=transparent(DEAR, FILL),
        name="the dear module runs above this line",
        hovertemplate="from λ = %{y:.2f}",
    )
    known = threshold(truth[:, 0], truth[:, 1], cheap_cost, kappa)
    line = {"color": SOFT, "width": 1, "dash": "dot"}
    figure.add_scatter(x=BLUR, y=known, mode="lines", line=line, name="in truth", hoverinfo="skip")
    figure.add_hline(y=lam, line={"color": SOFT, "width": 2, "dash": "dash"})
    for place in changes(lam - learned):
        figure.add_vline(x=place, line={"color": SOFT, "width": 2, "dash": "dash"})
    frame(figure, LESSON_HEIGHT, "Threshold of each picture in λ")
    figure.update_layout(hovermode="x unified", showlegend=True)
    figure.update_xaxes(title="Blur of the picture", range=[0, 1])
    return figure.update_yaxes(title="λ", range=[0, 1])


def changes(differences: Array) -> list[float]:
    """Return the blur at which differences, one for each of BLUR, change their sign."""
    crossings = np.flatnonzero(np.sign(differences[1:]) * np.sign(differences[:-1]) < 0)
    before, after = differences[crossings], differences[crossings + 1]
    return [float(place) for place in BLUR[crossings] + (BLUR[1] - BLUR[0]) * before / (before - after)]
