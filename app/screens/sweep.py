"""λ sweep: accuracy against cost, the routes behind it, and what a network has to beat."""

import math
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import streamlit as st

from app import state
from app.charts.fronts import BASELINES, Series, front_chart, modules_chart, routes_chart, rows_of, series_of, telling_nodes
from app.progress import PATIENCE
from app.wording import percent, plain
from core.evaluation.report import alone, same_images, warnings
from core.store import Run, StoreError
from core.store.models import now
from core.training.worker import start_sweep

EVERY = 2.0  # seconds between looks at sweeps that train
REACHED = "the share of the static network’s cost at which it is within 0.5 points of its own full path"
GAINED = "mean over costs of 30% to 70% of the static network’s"
TOLD = ("gain over random gates", "gain over fixed routes", "gain over confidence")


def page() -> None:
    """The whole page."""
    st.header("λ sweep")
    runs = state.store().runs.all()
    _under_way(runs)
    known = {series.name: series for series in series_of(runs)}
    if not known:
        st.info("Nothing to show yet: a gated network has to be trained first.")
        st.page_link("screens/train.py", label="Train a network", icon=":material/model_training:")
        return
    shown = [known[name] for name in _chosen(list(known))]
    if not shown:
        st.caption("Choose a sweep or a network above.")
        return
    _front(shown, runs)
    _routes(shown)


def _chosen(names: list[str]) -> list[str]:
    """The sweeps and networks to show: those of the address, else the newest of the user's, else the first that ships."""
    asked = [name for name in st.query_params.get_all("show") if name in names]
    return st.multiselect("Sweeps and networks", names, default=asked or names[:1], key="shown", placeholder="Choose what to compare")


def _front(shown: Sequence[Series], runs: Sequence[Run]) -> None:
    tested: list[Run] = []  # one of each dataset
    for run in (run for series in shown for run in series.runs):
        tested += [] if any(same_images(run, other) for other in tested) else [run]
    if len(tested) > 1:
        st.warning("These networks were tested on different images: their accuracies cannot be compared.", icon=":material/warning:")
    there = [name for name in BASELINES if any(name in run.figures.get("baselines", {}).get("test", {}) for s in shown for run in s.runs)]
    beside = st.pills("Beside them", ["static networks", *there], selection_mode="multi", default=["static networks", *there], key="beside")
    architectures = {run.architecture for series in shown for run in series.runs}
    statics = [
        run
        for run in runs
        if not run.gated
        and run.status == "finished"
        and run.architecture in architectures
        and any(same_images(run, other) for other in tested)
    ]
    chart = front_chart(shown, statics if "static networks" in beside else [], [name for name in there if name in beside])
    key = f"front-{'-'.join(str(run.id) for series in shown for run in series.runs)}-{'-'.join(beside)}"
    event = st.plotly_chart(chart, key=key, on_select="rerun", selection_mode="points", config={"displayModeBar": False})
    _clicked(event["selection"]["points"])
    st.caption(
        "Each point is a network at one λ, on the test images. A line is the front: a mix of two settings reaches every point of it."
    )
    notes = [f"{plain(run.name)}: {plain(sentence)}" for series in shown for run in series.runs for sentence in warnings(run)]
    if notes:
        with st.expander(f"What to know of these networks ({len(notes)})", icon=":material/warning:", expanded=len(notes) == 1):
            st.markdown("\n".join(f"- {note}" for note in notes))


def _clicked(points: Sequence[dict[str, Any]]) -> None:
    """The way from a point of the chart to the network at its λ."""
    told = next((point["customdata"] for point in points if point.get("customdata")), None)
    if told is None:
        st.caption("Click a point to open its network in Explore at this λ.")
        return
    name, lam = str(told[0]), float(told[1])
    at = f" at λ = {lam:g}" if lam >= 0 else ""
    address = {"run": name} | ({"lam": f"{lam:g}"} if lam >= 0 else {})
    st.page_link("screens/explore.py", label=f"Open {plain(name)}{at} in Explore", icon=":material/travel_explore:", query_params=address)


def _routes(shown: Sequence[Series]) -> None:
    """What happens inside one network, or one family of them, as λ moves."""
    families = {
        (series.name if len(series.seeds) == 1 else f"{series.name} · seed {seed}"): runs
        for series in shown
        for seed, runs in series.seeds.items()
    }
    st.subheader("Inside", divider="gray")
    name = (
        st.selectbox("Network", list(families), key=f"inside-{'-'.join(families)}", width=420)
        if len(families) > 1
        else next(iter(families))
    )
    runs, rows = families[name], rows_of(families[name])
    if len(runs) == 1 and len(rows) > 1:
        _figures(runs)
    if not telling_nodes(rows):
        st.caption("All test images take the same route, whatever λ.")
        return
    left, right = st.columns(2, gap="large")
    left.plotly_chart(routes_chart(rows), key=f"routes-{name}", config={"displayModeBar": False})
    right.plotly_chart(modules_chart(rows), key=f"modules-{name}", config={"displayModeBar": False})


def _figures(runs: Sequence[Run]) -> None:
    """What one network gains, in a row of figures."""
    told = alone(runs, "test")
    reached = told.get("cost within 0.5 points of its full path", math.nan)
    gains = {start: value for start in TOLD for name, value in told.items() if name.startswith(start)}
    figures = [(start.capitalize(), f"{100 * value:+.1f} points", GAINED) for start, value in gains.items() if math.isfinite(value)]
    if math.isfinite(reached):
        figures.insert(0, ("Within 0.5 points at", f"{percent(reached)} of the cost", REACHED))
    if not figures:
        return
    for column, (title, value, told_more) in zip(st.columns(len(figures)), figures, strict=True):
        column.metric(title, value, help=told_more)


def _under_way(runs: Sequence[Run]) -> None:
    """How far the sweeps are that are not finished."""
    names = sorted({run.sweep for run in runs if run.sweep and run.status != "finished"})
    if names:
        moving = any(_moving(name, _of(runs, name)) for name in names)
        st.fragment(_standing, run_every=EVERY if moving else None)(names, moving)


def _standing(names: Sequence[str], moved: bool) -> None:
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
        if _moving(name, of_sweep):
            button.button("Stop", key=f"stop-sweep-{name}", icon=":material/stop:", on_click=_stop, args=(name, of_sweep))
        elif finished < len(of_sweep):
            button.button("Go on", key=f"go-on-{name}", icon=":material/play_arrow:", on_click=_go_on, args=(name,))
    moving = any(_moving(name, _of(runs, name)) for name in names)
    if moved != moving or all(run.status == "finished" for name in names for run in _of(runs, name)):
        st.rerun()


def _of(runs: Sequence[Run], sweep: str) -> list[Run]:
    return [run for run in runs if run.sweep == sweep]


def _moving(name: str, runs: Sequence[Run]) -> bool:
    """Whether a process is at work on a sweep: one of its runs trains, or one ended just now and the next is still to be claimed."""
    if any(run.state == "running" for run in runs):
        return True
    signs = [sign for run in runs for sign in (run.created, run.started, run.finished) if sign]
    asked = st.session_state.get(f"went-on-{name}")
    latest = max([*signs, *([asked] if asked else [])])
    waiting = any(run.status == "queued" for run in runs) or asked == latest
    return waiting and now() - latest < PATIENCE


def _go_on(name: str) -> None:
    st.session_state[f"went-on-{name}"] = now()
    start_sweep(name, state.store().url)


def _stop(name: str, runs: Sequence[Run]) -> None:
    """Ends what trains of a sweep, and what waits for its turn."""
    store = state.store()
    st.session_state.pop(f"went-on-{name}", None)
    for run in runs:
        with suppress(StoreError):  # it ended just before the click
            if run.state == "queued":
                store.lifecycle.stop(run.id)
            elif run.state == "running":
                store.lifecycle.request_stop(run.id)


page()
