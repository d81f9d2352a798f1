"""The curves of runs, with the controls of how they are drawn."""

from collections.abc import Mapping, Sequence

import streamlit as st

from app import state
from app.charts.curves import ACCURACY, Curve, CurveView, best_of, compared_curves_chart, curve_chart, grouped
from app.charts.openness import openness_charts
from app.progress import no_curves
from core.store import Run

EPOCHS, MINUTES = "Epochs", "Time"
PLAIN_CHART = {"displayModeBar": False}


def curves(run: Run) -> None:
    """Draw the curves of a run, those of shares first."""
    history = state.store().metrics.history(run.id)
    groups = grouped(history)
    if not groups:
        st.caption(no_curves([run]))
        return
    view = _view([run])[0]
    for title, lines in groups.items():
        chart = curve_chart(title, lines, run.epochs, shares="loss" not in title, view=view)
        st.plotly_chart(chart, key=f"curve-{run.id}-{title}", config=PLAIN_CHART)
    openness(run, history)


def openness(run: Run, history: Curve) -> None:
    """Draw how open the gates of a run were after each epoch, if it has any."""
    charts = openness_charts(history)
    for title, chart in charts.items():
        st.plotly_chart(chart, key=f"openness-{run.id}-{title}", config=PLAIN_CHART)
    if charts:
        at = "" if run.lam is not None else ", at λ = 0.5"
        st.caption(f"On validation images after each epoch{at}. The darker a cell, the more modules are in its range.")


def compared_curves(runs: Sequence[Run]) -> None:
    """Draw one metric of several runs; the metric can be chosen."""
    histories: Mapping[int, Curve] = {run.id: state.store().metrics.history(run.id) for run in runs}
    if not any(histories.values()):
        st.caption(no_curves(runs))
        return
    others = sorted({name for curve in histories.values() for name in curve if not name.startswith(ACCURACY)})
    metric = st.selectbox(
        "Curve",
        [ACCURACY, *others],
        format_func=lambda name: "Validation accuracy" if name == ACCURACY else name[:1].upper() + name[1:],
        key="compared-metric",
        help="Of a network that serves every λ, the validation accuracy at its best λ is shown.",
    )
    views = _view(runs)
    if not any(best_of(curve) if metric == ACCURACY else curve.get(metric) for curve in histories.values()):
        st.caption("None of these runs has points of this curve: choose another one above.")
        return
    chart = compared_curves_chart({run.name: histories[run.id] for run in runs}, metric, views)
    st.plotly_chart(chart, key="compared-curves", config=PLAIN_CHART)


def _view(runs: Sequence[Run]) -> list[CurveView]:
    """Draw the controls of the curves; return how those of each run are drawn."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        smoothing = st.slider(
            "Smoothing", 0.0, 0.95, 0.0, 0.05, key="curves-smoothing", width=160, persist_state="session", help="Weight of earlier epochs."
        )
        timed = all(run.seconds and run.epoch for run in runs)
        along = (
            st.segmented_control("Along", [EPOCHS, MINUTES], default=EPOCHS, required=True, key="curves-along", persist_state="session")
            if timed
            else EPOCHS
        )
        axes = st.pills("Logarithmic", ["x", "y"], selection_mode="multi", key="curves-log", persist_state="session") or []
    minutes = along == MINUTES
    if minutes:
        st.caption("Epochs are taken to last equally long.")
    return [CurveView(smoothing, "x" in axes, "y" in axes, run.seconds / 60 / run.epoch if minutes else None) for run in runs]
