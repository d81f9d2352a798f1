"""A run in training: how far it is, its curves, and what can be done about it."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime

import pandas as pd
import streamlit as st

from app import state
from app.charts.curves import curve_chart, grouped
from app.form_state import prefill_again
from app.wording import duration, percent, plain
from core.errors import UserError
from core.evaluation.report import warnings
from core.store import Run
from core.store.models import now
from core.store.queue import STARTING
from core.training.worker import advance, enqueue

DONE = ("finished", "stopped", "failed", "interrupted", "damaged")
TRAIN_VIEW, WATCHED = "train-view", "watched"  # keys of the session
NEW, WATCH = "new", "watch"  # what the Train page shows
SHOW_NEXT = "train-next-view"  # key of the session: the view that the Train page shows from its next run on
POLL_SECONDS = 1.5  # seconds between looks at a run in training


def follow(run_id: int, finished: Callable[[Run], None] | None = None) -> None:
    """Draw a run, again and again as long as it waits or trains. `finished` is called if it finishes while it is watched."""
    moving = state.store().runs.get(run_id).state not in DONE
    st.fragment(_drawn, run_every=POLL_SECONDS if moving else None)(run_id, moving, finished, None)


def status(run: Run) -> None:
    """Draw how far a run is, again and again as long as it waits or trains; draw the whole page again after each of its epochs."""
    moving = run.state not in DONE
    st.fragment(_drawn, run_every=POLL_SECONDS if moving else None)(run.id, moving, None, int(run.epoch))


def curves(run: Run) -> None:
    """Draw the curves of a run, those of shares first."""
    groups = grouped(state.store().metrics.history(run.id))
    if not groups:
        st.caption(no_curves([run]))
    for title, lines in groups.items():
        chart = curve_chart(title, lines, run.epochs, shares="loss" not in title)
        st.plotly_chart(chart, key=f"curve-{run.id}-{title}", config={"displayModeBar": False})


def no_curves(runs: Sequence[Run]) -> str:
    """Return the sentence that stands in the place of the curves of runs that have none: that there are none, and why."""
    moving = sum(run.state in ("queued", "running") for run in runs)
    early = sum(run.state in ("stopped", "failed", "interrupted") and run.epoch < 1 for run in runs)
    reasons = (
        (moving, "has not finished its first epoch", "have not finished their first epoch"),
        (early, "ended before the first epoch was over", "ended before the first epoch was over"),
        (len(runs) - moving - early, "was stored with its results alone", "were stored with their results alone"),
    )
    told = [(count, one if count == 1 else several) for count, one, several in reasons if count]
    if len(runs) == 1:
        return f"This run has no curves: it {told[0][1]}."
    return f"None of these runs has curves: {', '.join(f'{count} {words}' for count, words in told)}."


def warn(run: Run) -> None:
    """Warn a reader of a run's figures, and show the routes that are the reason."""
    for sentence in warnings(run):
        st.warning(plain(sentence), icon=":material/warning:")
    if collapsed := run.figures.get("collapsed"):
        routes = pd.DataFrame([route for control in collapsed for route in control["routes"]]).drop_duplicates(["lam", "share"])
        with st.expander("The routes behind this warning"):
            columns = {
                "λ": routes["lam"],
                "Share of validation images": routes["share"].map(percent),
                "Nodes that ran": routes["nodes"].map(", ".join),
            }
            st.dataframe(pd.DataFrame(columns), hide_index=True, key=f"collapsed-{run.id}")


def _drawn(run_id: int, moving: bool, finished: Callable[[Run], None] | None, epoch: int | None) -> None:
    """Draw a run. `epoch`: the last one that the page beside shows; none where this draws the curves too."""
    try:
        if moving:
            advance(state.store())
        run = state.store().runs.get(run_id)
    except UserError as error:
        st.error(plain(error), icon=":material/error:")
        return
    doing = f" · {plain(turn(run) if run.waiting else run.activity)}" if run.activity else ""
    left = seconds_left(run)
    if run.state == "running" and run.epoch >= run.epochs and not doing:
        doing = " · finishing: measuring the network"
    rest = "" if left is None else f" · about {duration(left)} left"
    text = f"**{run.state.capitalize()}** · epoch {run.epoch:.1f} of {run.epochs}{doing}{rest}"
    st.progress(min(run.epoch / max(run.epochs, 1), 1.0), text)
    if run.error:
        st.error(plain(run.error), icon=":material/error:")
    _buttons(run)
    if epoch is not None and run.state in DONE and not run.damage:
        edit_again(run)
    if epoch is None:
        warn(run)
        curves(run)
    ended = moving and run.state in DONE
    if ended and finished and run.state == "finished":
        finished(run)
    if ended or (epoch is not None and int(run.epoch) != epoch):
        st.rerun()


def seconds_left(run: Run) -> float | None:
    """Return about how many seconds the epochs of a run in training still take; none where that is not known."""
    if run.state != "running" or run.started is None or not 0 < run.epoch < run.epochs:
        return None
    whole = int(run.epoch)
    pace = run.seconds / whole if whole and run.seconds else (now() - run.started).total_seconds() / run.epoch
    return pace * (run.epochs - run.epoch)


def turn(run: Run) -> str:
    """Say how many trainings come before a run that waits."""
    before = sum(_place(other) < _place(run) for other in state.store().queue.waiting())
    return f"waiting for its turn, with {before or 'no'} other{'s' * (before != 1)} before it in the queue"


def _place(run: Run) -> tuple[datetime, int]:
    """Return the place of a run in the queue."""
    return run.heartbeat or run.created, run.id  # as the queue orders them


def _stop(run_id: int) -> None:
    with suppress(UserError):  # the run ended just before the click
        state.store().lifecycle.request_stop(run_id)


def _first(run_id: int) -> None:
    with suppress(UserError):  # the run was purged just before the click
        state.store().queue.put_first(run_id)


def _buttons(run: Run) -> None:
    """Draw the buttons that fit the run's state."""
    lost = run.state == "queued" and not run.pending and now() - (run.heartbeat or run.created) > STARTING  # no process has claimed it
    if run.state in ("queued", "running") and not lost:
        label = "Cancel" if run.pending else "Stopping…" if run.stop_requested else "Stop"
        with st.container(horizontal=True):
            st.button(label, key=f"stop-{run.id}", icon=":material/stop:", disabled=run.stop_requested, on_click=_stop, args=(run.id,))
            if run.waiting and [one.id for one in state.store().queue.waiting()[:1]] != [run.id]:
                st.button("Train next", key=f"first-{run.id}", icon=":material/vertical_align_top:", on_click=_first, args=(run.id,))
    elif run.state == "finished" or run.damage:
        _explore(run)
    else:
        if run.epoch >= 1:  # the weights after its last epoch are kept, also where the training then diverged
            _explore(run)
        _resume(run, lost)


def edit_again(run: Run) -> None:
    """Draw the button that fills the Train form with a run's configuration, and shows it in place of the run."""
    if not st.button("Edit and start again", key=f"edit-{run.id}", icon=":material/edit:"):
        return
    try:
        prefill_again(run)
    except UserError as error:
        st.toast(plain(f"The form cannot be filled: {error}"), icon=":material/error:")
        return
    st.session_state[SHOW_NEXT] = NEW
    st.rerun()  # the whole page: this is drawn in a fragment


def _explore(run: Run) -> None:
    """Draw the link that opens a run in Explore."""
    if not run.damage:
        st.page_link("screens/explore.py", label="Open in Explore", icon=":material/travel_explore:", query_params={"run": run.name})


def _resume(run: Run, lost: bool) -> None:
    """Draw the button that goes on with a training."""
    if st.button("Start again" if lost else "Resume", key=f"resume-{run.id}", icon=":material/resume:"):
        enqueue(state.store(), [run.id])
        st.rerun()
