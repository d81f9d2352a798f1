"""Sweeps in training: how far they are, how long they will take, and what can be done about them."""

from collections.abc import Sequence
from contextlib import suppress

import streamlit as st

from app import state
from app.wording import duration, plain
from core.errors import UserError
from core.evaluation.trials import pruned
from core.store import Run
from core.store.models import now
from core.store.queue import STARTING, starting
from core.training.worker import advance, enqueue

REFRESH_SECONDS = 2.0  # seconds between looks at sweeps in training


def unfinished_sweeps(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Return the runs of every sweep that has a run to train, the newest sweep first. Trials that were stopped early are left out."""
    kept = [run for run in runs if run.sweep and not pruned(run)]
    names = dict.fromkeys(run.sweep for run in kept if run.sweep and run.status != "finished")
    return {name: [run for run in kept if run.sweep == name] for name in names}


def watch(sweeps: dict[str, list[Run]]) -> None:
    """Draw how far sweeps are, again and again as long as one of them trains. The page is drawn anew with each network that finishes."""
    if sweeps:
        moving = any(map(_moving, sweeps.values()))
        finished = sum(run.status == "finished" for runs in sweeps.values() for run in runs)
        st.fragment(_drawn, run_every=REFRESH_SECONDS if moving else None)(list(sweeps), moving, finished)


def _drawn(names: Sequence[str], moved: bool, finished: int) -> None:
    if moved:
        with suppress(UserError):  # the next look may succeed
            advance(state.store())
    runs = [run for run in state.store().runs.of_sweeps(names) if not pruned(run)]
    for name in names:
        _draw(name, [run for run in runs if run.sweep == name])
    moving = any(_moving([run for run in runs if run.sweep == name]) for name in names)
    if moved != moving or sum(run.status == "finished" for run in runs) != finished:
        st.rerun()


def _draw(name: str, runs: Sequence[Run]) -> None:
    done = sum(run.epoch for run in runs) / max(sum(run.epochs for run in runs), 1)
    finished = sum(run.status == "finished" for run in runs)
    bar, button = st.columns([0.84, 0.16], vertical_alignment="center")
    left = time_left(runs) if _moving(runs) else None
    ends = "" if left is None else f" · about {duration(left)} left"
    bar.progress(min(done, 1.0), f"**{plain(name)}** · {finished} of {len(runs)} networks trained{ends}")
    training = [f"{plain(run.name)} (epoch {run.epoch:.1f} of {run.epochs})" for run in runs if run.state == "running"]
    if training:
        bar.caption(f"In training: {', '.join(training)}. Its points appear in the chart when it is finished.")
    for run in runs:
        if run.error:
            bar.error(f"{plain(run.name)}: {plain(run.error)}", icon=":material/error:")
    if _moving(runs):
        button.button("Stop", key=f"stop-sweep-{name}", icon=":material/stop:", on_click=_stop, args=(runs,))
    elif finished < len(runs):
        button.button("Resume", key=f"resume-sweep-{name}", icon=":material/resume:", on_click=_resume, args=(name,))


def time_left(runs: Sequence[Run]) -> float | None:
    """Return the seconds that the rest of a sweep will take at the pace of its epochs so far; None before the first epoch is over."""
    paces = [run.seconds / run.epoch for run in runs if run.seconds and run.epoch >= 1]
    if not paces:
        return None
    epochs = sum(max(run.epochs - run.epoch, 0.0) for run in runs if run.state in ("queued", "running"))
    return epochs * sum(paces) / len(paces) / max(sum(run.state == "running" for run in runs), 1)


def _moving(runs: Sequence[Run]) -> bool:
    """Return whether a sweep goes on: one of its runs trains or waits in the queue, or has just been added or ended by a command."""
    if any(run.state == "running" or run.pending or starting(run) for run in runs):
        return True
    latest = max((sign for run in runs for sign in (run.created, run.started, run.finished) if sign), default=None)
    return latest is not None and any(run.status == "queued" for run in runs) and now() - latest < STARTING


def _resume(name: str) -> None:
    """Let the unfinished runs of a sweep wait for their turn, in the order in which they were added."""
    store = state.store()
    unfinished = [run.id for run in store.runs.of_sweeps([name]) if run.state not in ("running", "finished") and not pruned(run)]
    with suppress(UserError):  # one of them was started just before the click
        enqueue(store, sorted(unfinished))


def _stop(runs: Sequence[Run]) -> None:
    """Stop the runs of a sweep that train or wait."""
    store = state.store()
    for run in runs:
        with suppress(UserError):  # the run ended just before the click
            if run.state == "queued" and not starting(run):
                store.lifecycle.stop(run.id)
            elif run.state in ("queued", "running"):
                store.lifecycle.request_stop(run.id)
