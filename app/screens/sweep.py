"""λ sweep: accuracy against cost, the routes behind it, and the baselines to beat."""

import math
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import streamlit as st

from app import state
from app.charts.modules import distinguishing_nodes, execution_rates_chart, routes_chart
from app.charts.tradeoff import BASELINES, Series, front_chart, rows_of, series_of
from app.terms import explained
from app.wording import percent, plain
from core.errors import UserError
from core.evaluation.report import alone, same_images, warnings
from core.published import PUBLISHED_POINTS
from core.store import Run
from core.store.models import now
from core.store.queue import STARTING, starting
from core.training.worker import advance, enqueue

REFRESH_SECONDS = 2.0  # seconds between looks at sweeps in training
STATIC, PUBLISHED_NETWORKS = "static networks", "published networks"
REACHED = "The lowest cost, as a share of the static network’s, at which the network is within 0.5 points of its accuracy with all modules."
GAINED = "Mean difference in accuracy at equal cost, over costs from 30% to 70% of the static network’s."
GAINS = ("gain over random gates", "gain over fixed routes", "gain over confidence")


def page() -> None:
    """Draw the page."""
    st.header("λ sweep", help=explained("λ", "multiply-add", "static network", "Pareto front"))
    st.caption("How accurate gated networks are, what they cost, and which of their modules run as λ moves from low cost to high accuracy.")
    runs = state.store().runs.all()
    _training(runs)
    known = {series.name: series for series in series_of(runs)}
    if not known:
        st.info("There is no gated network to show yet. Train one first.")
        st.page_link("screens/train.py", label="Train a network", icon=":material/model_training:")
        return
    shown = [known[name] for name in _chosen(list(known))]
    if not shown:
        st.caption("Choose a sweep or a network above to see its accuracy and cost.")
        return
    _front(shown, runs)
    _routes(shown)


def _chosen(names: list[str]) -> list[str]:
    """Return the sweeps and networks to show: those in the address, or else the newest of the user's, or else a reference run."""
    asked = [name for name in st.query_params.get_all("show") if name in names]
    return st.multiselect(
        "Sweeps and networks", names, default=asked or names[:1], key="shown", placeholder="Choose sweeps and networks to compare"
    )


def _front(shown: Sequence[Series], runs: Sequence[Run]) -> None:
    tested: list[Run] = []  # one run per dataset
    for run in (run for series in shown for run in series.runs):
        tested += [] if any(same_images(run, other) for other in tested) else [run]
    if len(tested) > 1:
        st.warning("These networks were tested on different images, so their accuracies cannot be compared.", icon=":material/warning:")
    stored = [run.figures.get("baselines", {}).get("test", {}) for series in shown for run in series.runs]
    measured = [name for name in BASELINES if any(name in known for known in stored)]
    datasets = {run.dataset for run in tested}
    dataset = next(iter(datasets)) if len(datasets) == 1 else None
    choices = [STATIC, *measured, *([PUBLISHED_NETWORKS] if dataset in PUBLISHED_POINTS else [])]
    baselines = st.pills(
        "Compare with",
        choices,
        format_func=str.capitalize,
        selection_mode="multi",
        default=choices,
        key="baselines",
        help="Static networks have no gates. The others run the network’s own modules, but do not let its controllers decide: gates that "
        "open at random, routes that are the same for every image, and early exits taken when the answer is confident. Published networks "
        "are those of other authors, trained by recipes of their own.",
    )
    architectures = {run.architecture for series in shown for run in series.runs}
    statics = [
        run
        for run in runs
        if not run.gated
        and run.status == "finished"
        and run.figures
        and run.architecture in architectures
        and any(same_images(run, other) for other in tested)
    ]
    chart = front_chart(
        shown,
        statics if STATIC in baselines else [],
        [name for name in measured if name in baselines],
        published_on=dataset if PUBLISHED_NETWORKS in baselines else None,
    )
    key = f"front-{'-'.join(str(run.id) for series in shown for run in series.runs)}-{'-'.join(baselines)}"
    event = st.plotly_chart(chart, key=key, on_select="rerun", selection_mode="points", config={"displayModeBar": False})
    _clicked(event["selection"]["points"])
    st.caption(
        "Each point is a network at one λ, measured on the test images. The line is the Pareto front. A point between two settings is "
        "reached by choosing one of the two at random for each image."
    )
    notes = [f"{plain(run.name)}: {plain(sentence)}" for series in shown for run in series.runs for sentence in warnings(run)]
    if notes:
        with st.expander(f"Notes on these networks ({len(notes)})", icon=":material/warning:", expanded=len(notes) == 1):
            st.markdown("\n".join(f"- {note}" for note in notes))


def _clicked(points: Sequence[dict[str, Any]]) -> None:
    """Link a clicked point of the chart to its network at its λ."""
    point = next((point["customdata"] for point in points if point.get("customdata")), None)
    if point is None:
        st.caption("Click a point to open its network in Explore at its λ.")
        return
    name, lam = str(point[0]), float(point[1])
    at = f" at λ = {lam:g}" if lam >= 0 else ""
    address = {"run": name} | ({"lam": f"{lam:g}"} if lam >= 0 else {})
    st.page_link("screens/explore.py", label=f"Open {plain(name)}{at} in Explore", icon=":material/travel_explore:", query_params=address)


def _routes(shown: Sequence[Series]) -> None:
    """Show what runs inside one network, or one family of networks, as λ changes."""
    families = {
        (series.name if len(series.seeds) == 1 else f"{series.name} · seed {seed}"): runs
        for series in shown
        for seed, runs in series.seeds.items()
    }
    st.subheader("What runs at each λ", divider="gray", help=explained("route", "gate", "controller"))
    name = (
        st.selectbox("Network", list(families), key=f"family-{'-'.join(families)}", width=420)
        if len(families) > 1
        else next(iter(families))
    )
    runs, rows = families[name], rows_of(families[name])
    if len(runs) == 1 and len(rows) > 1:
        _figures(runs)
    if not distinguishing_nodes(rows):
        st.caption("All test images take the same route at every λ.")
        return
    left, right = st.columns(2, gap="large")
    left.plotly_chart(routes_chart(rows), key=f"routes-{name}", config={"displayModeBar": False})
    right.plotly_chart(execution_rates_chart(rows), key=f"modules-{name}", config={"displayModeBar": False})


def _figures(runs: Sequence[Run]) -> None:
    """Show what one network gains, in a row of figures."""
    known = alone(runs, "test")
    reached = known.get("cost within 0.5 points of its full path", math.nan)
    gains = {start: value for start in GAINS for name, value in known.items() if name.startswith(start)}
    figures = [(start.capitalize(), f"{100 * value:+.1f} points", GAINED) for start, value in gains.items() if math.isfinite(value)]
    if math.isfinite(reached):
        figures.insert(0, ("Cost of nearly full accuracy", percent(reached), REACHED))
    if not figures:
        return
    for column, (title, value, explanation) in zip(st.columns(len(figures)), figures, strict=True):
        column.metric(title, value, help=explanation)


def _training(runs: Sequence[Run]) -> None:
    """Show how far unfinished sweeps are."""
    names = sorted({run.sweep for run in runs if run.sweep and run.status != "finished"})
    if names:
        moving = any(_moving(_of(runs, name)) for name in names)
        st.fragment(_draw_training, run_every=REFRESH_SECONDS if moving else None)(names, moving)


def _draw_training(names: Sequence[str], moved: bool) -> None:
    if moved:
        with suppress(UserError):  # the next look may succeed
            advance(state.store())
    runs = state.store().runs.all()
    for name in names:
        of_sweep = _of(runs, name)
        done = sum(run.epoch for run in of_sweep) / max(sum(run.epochs for run in of_sweep), 1)
        finished = sum(run.status == "finished" for run in of_sweep)
        bar, button = st.columns([0.8, 0.2], vertical_alignment="center")
        bar.progress(min(done, 1.0), f"**{plain(name)}** · {finished} of {len(of_sweep)} networks trained")
        for run in of_sweep:
            if run.error:
                bar.error(f"{plain(run.name)}: {plain(run.error)}", icon=":material/error:")
        if _moving(of_sweep):
            button.button("Stop", key=f"stop-sweep-{name}", icon=":material/stop:", on_click=_stop, args=(of_sweep,))
        elif finished < len(of_sweep):
            button.button("Resume", key=f"resume-sweep-{name}", icon=":material/resume:", on_click=_resume, args=(name,))
    moving = any(_moving(_of(runs, name)) for name in names)
    if moved != moving or all(run.status == "finished" for name in names for run in _of(runs, name)):
        st.rerun()


def _of(runs: Sequence[Run], sweep: str) -> list[Run]:
    return [run for run in runs if run.sweep == sweep]


def _moving(runs: Sequence[Run]) -> bool:
    """Return whether a sweep goes on: one of its runs trains or waits in the queue, or has just been added or ended by a command."""
    if any(run.state == "running" or run.waiting or starting(run) for run in runs):
        return True
    latest = max(sign for run in runs for sign in (run.created, run.started, run.finished) if sign)
    return any(run.status == "queued" for run in runs) and now() - latest < STARTING


def _resume(name: str) -> None:
    """Let the unfinished runs of a sweep wait for their turn, in the order in which they were added."""
    store = state.store()
    unfinished = [run.id for run in _of(store.runs.all(), name) if run.state not in ("running", "finished")]
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


page()
