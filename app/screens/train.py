"""Train: choose a preset or every option, see what it would train, start it, and watch it. A run continues when this page is closed."""

import streamlit as st

from app import state
from app.components.arrival import arrival
from app.forms import Plan, plan, refuse
from app.gallery import begin, gallery
from app.own_dataset import own_dataset
from app.preview import preview
from app.progress import DONE, NEW, SHOW_NEXT, TRAIN_VIEW, WATCH, WATCHED
from app.run_on import run_on
from app.watching import watch
from app.wording import plain
from core.errors import UserError
from core.store import Run, Store
from core.training.cluster import Cluster, check_cluster, start_on_cluster
from core.training.sweep import enlist, planned, static_paths
from core.training.worker import enqueue

ARRIVALS = "train-arrivals"  # key of the session: how often a filled form was opened from another place


def page() -> None:
    """Draw the page."""
    runs = [run for run in state.store().listing.all() if not run.reference]
    moving = [run for run in runs if run.state not in DONE]
    usual = WATCH if moving or WATCHED in st.session_state else NEW
    sent = st.session_state.pop(SHOW_NEXT, None)
    st.session_state[TRAIN_VIEW] = sent or st.session_state.get(TRAIN_VIEW) or usual
    if sent == NEW:
        st.session_state[ARRIVALS] = st.session_state.get(ARRIVALS, 0) + 1
    heading, choice = st.columns([0.6, 0.4], vertical_alignment="center")
    heading.header("Train a network")
    labels = {NEW: "New training", WATCH: f"Watch ({len(moving)} in training)" if moving else "Watch"}
    view = choice.segmented_control(
        "View",
        [NEW, WATCH],
        format_func=labels.__getitem__,
        key=TRAIN_VIEW,
        required=True,
        label_visibility="collapsed",
        persist_state="session",
    )
    if view == WATCH:
        _watch({run.id: run.name for run in runs}, moving[0].id if moving else None)
        return
    begin()
    gallery()
    form, before = st.columns([0.52, 0.48], gap="large")
    with form:
        arrival(st.session_state.get(ARRIVALS, 0), key="form-arrival")
        st.subheader("Settings", anchor=False)
        wanted = plan()
    with before:
        st.subheader("Before you start", anchor=False)
        if st.session_state["form-datasets"] == "folder":
            own_dataset()
        _before(wanted)


def _before(wanted: Plan | None) -> None:
    """Draw what would be trained, and the button that starts it."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="start-row"):
        name = st.text_input(
            "Name",
            placeholder="optional; generated if empty",
            key="form-name",
            persist_state="session",
            help="A generated name consists of the architecture, the dataset and a number.",
        )
        place = st.empty()
    refusal = "" if wanted is None else preview(wanted)
    ready = wanted is not None and not refusal
    clicked = place.button("Start training", type="primary", disabled=not ready, key="start", icon=":material/play_arrow:")
    cluster = run_on()
    if clicked and wanted is not None:
        (_start_sweep if wanted.lams else _start)(wanted, name, cluster)


def _start_sweep(wanted: Plan, name: str, cluster: Cluster | None) -> None:
    store = state.store()
    title = name.strip() or f"{wanted.config.architecture.name}-{wanted.config.dataset.name}-sweep"
    try:
        if cluster is not None:
            check_cluster(store, cluster)
        plans = planned(wanted.config, wanted.lams, wanted.seeds)
        if wanted.statics:
            plans += static_paths(wanted.config, wanted.seeds)
        runs = enlist(store, plans, title)
        _train(store, [run for run in runs if run.state not in ("running", "finished")], cluster)
    except (UserError, OSError) as error:
        refuse(error)
        return
    place = "in the queue" if cluster is None else "on its way to the cluster"
    _show(runs[0].id, f"{plain(title)} is {place}: {len(runs)} networks.")


def _start(wanted: Plan, name: str, cluster: Cluster | None) -> None:
    store = state.store()
    try:
        if cluster is not None:
            check_cluster(store, cluster)
        run = store.runs.create(wanted.config.record(), name=name.strip() or None)
        _train(store, [run], cluster)
        waits = store.runs.get(run.id).waiting
    except (UserError, OSError) as error:
        refuse(error)
        return
    st.session_state[WATCHED] = run.id
    begun = "is on its way to the cluster" if cluster is not None else "waits for its turn" if waits else "has started"
    _show(run.id, f"{plain(run.name)} {begun}.")


def _train(store: Store, runs: list[Run], cluster: Cluster | None) -> None:
    """Let runs wait for their turn here, or send them to a cluster. Raises StoreError."""
    if cluster is None:
        enqueue(store, [run.id for run in runs])
    elif runs:
        start_on_cluster(store, runs, cluster)


def _show(run_id: int, told: str) -> None:
    """Watch a run from now on."""
    st.session_state[WATCHED], st.session_state[SHOW_NEXT] = run_id, WATCH
    st.toast(told)
    st.rerun()


def _watch(names: dict[int, str], first: int | None) -> None:
    """Draw the run that is watched, and the choice of others."""
    if not names:
        st.info("You have not trained a network yet. Choose “New training”: the first preset takes about a minute.")
        return
    if st.session_state.get(WATCHED) not in names:
        st.session_state[WATCHED] = first or next(iter(names))
    watch(st.selectbox("Run to watch", list(names), format_func=names.__getitem__, key=WATCHED, persist_state="session"))


page()
