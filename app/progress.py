"""A run as it trains: how far it is, its curves, and what can be done about it."""

from contextlib import suppress
from datetime import timedelta

import pandas as pd
import streamlit as st

from app import state
from app.charts.theme import curve_chart, grouped
from app.wording import percent, plain
from core.evaluation.report import warnings
from core.store import Run, StoreError
from core.store.models import now
from core.training.worker import start

DONE = ("finished", "stopped", "failed", "interrupted")
EVERY = 1.5  # seconds between looks at a run that trains
PATIENCE = timedelta(seconds=60)  # within which a process should have claimed its run


def follow(run_id: int) -> None:
    """Draws a run, again and again as long as it trains."""
    moving = _moving(state.store().runs.get(run_id))
    st.fragment(_drawn, run_every=EVERY if moving else None)(run_id, moving)


def curves(run: Run) -> None:
    """The curves of a run, those of shares first."""
    groups = grouped(state.store().metrics.history(run.id))
    if not groups:
        st.caption("The first points come after the first epoch.")
    for title, lines in groups.items():
        chart = curve_chart(title, lines, run.epochs, shares="loss" not in title)
        st.plotly_chart(chart, key=f"curve-{run.id}-{title}", config={"displayModeBar": False})


def warn(run: Run) -> None:
    """What a reader of a run's figures should know, with the shares of routes that show it."""
    for sentence in warnings(run):
        st.warning(f"{plain(run.name)}: {plain(sentence)}", icon=":material/warning:")
    if told := run.figures.get("collapsed"):
        routes = pd.DataFrame([route for control in told for route in control["routes"]]).drop_duplicates(["lam", "share"])
        with st.expander("Routes that show it"):
            shown = {
                "λ": routes["lam"],
                "share of validation images": routes["share"].map(percent),
                "what ran": routes["nodes"].map(", ".join),
            }
            st.dataframe(pd.DataFrame(shown), hide_index=True, key=f"collapsed-{run.id}")


def _drawn(run_id: int, moving: bool) -> None:
    store = state.store()
    try:
        run = store.runs.get(run_id)
    except StoreError as error:
        st.error(str(error))
        return
    stands = "starting" if run.state in DONE and _moving(run) else run.state
    st.progress(min(run.epoch / max(run.epochs, 1), 1.0), f"**{stands}** · epoch {run.epoch:.1f} of {run.epochs}")
    if run.error:
        st.error(run.error, icon=":material/error:")
    _buttons(run)
    warn(run)
    curves(run)
    if moving and not _moving(run):
        st.rerun()


def _moving(run: Run) -> bool:
    """Whether something is about to change: it trains, or a process was started that has not claimed it yet."""
    awaited = st.session_state.get(f"started-{run.id}")
    starting = awaited is not None and awaited[0] == run.started and now() - awaited[1] < PATIENCE
    return run.state not in DONE or starting


def _stop(run_id: int) -> None:
    with suppress(StoreError):  # it ended just before the click
        state.store().lifecycle.request_stop(run_id)


def _buttons(run: Run) -> None:
    """What can be done about the run in its state."""
    lost = run.state == "queued" and now() - run.created > PATIENCE  # its process never came to claim it
    if run.state in ("queued", "running") and not lost:
        label = "Stopping…" if run.stop_requested else "Stop"
        st.button(label, key=f"stop-{run.id}", icon=":material/stop:", disabled=run.stop_requested, on_click=_stop, args=(run.id,))
    elif run.state == "finished":
        st.page_link("screens/explore.py", label="Open in Explore", icon=":material/travel_explore:", query_params={"run": run.name})
    elif (lost or not _moving(run)) and st.button("Start again" if lost else "Resume", key=f"resume-{run.id}", icon=":material/resume:"):
        st.session_state[f"started-{run.id}"] = (run.started, now())
        start(run.id, state.store().url)
        st.rerun()
