"""Train: a form made from the configuration, and the runs in training. A run continues when this page is closed."""

import streamlit as st

from app import state
from app.forms import Plan, plan, refuse
from app.progress import DONE, follow
from app.wording import plain
from core.errors import UserError
from core.training.sweep import enlist, planned, static_paths
from core.training.worker import enqueue


def page() -> None:
    """Draw the page."""
    st.header("Train a network")
    form, live = st.columns([0.52, 0.48], gap="large")
    with form:
        wanted = plan()
        name = st.text_input(
            "Name",
            placeholder="optional; generated if empty",
            key="form-name",
            persist_state="session",
            help="A generated name consists of the architecture, the dataset and a number.",
        )
        clicked = st.button("Start training", type="primary", disabled=wanted is None, key="start", icon=":material/play_arrow:")
        if clicked and wanted is not None:
            (_start_sweep if wanted.lams else _start)(wanted, name)
    with live:
        _watch()


def _start_sweep(wanted: Plan, name: str) -> None:
    store = state.store()
    title = name.strip() or f"{wanted.config.architecture.name}-{wanted.config.dataset.name}-sweep"
    try:
        plans = planned(wanted.config, wanted.lams, wanted.seeds)
        if wanted.statics:
            plans += static_paths(wanted.config, wanted.seeds)
        runs = enlist(store, plans, title)
        enqueue(store, [run.id for run in runs if run.state not in ("running", "finished")])
    except (UserError, OSError) as error:
        refuse(error)
        return
    st.session_state["watched"] = runs[0].id
    st.toast(f"{plain(title)} is in the queue: {len(runs)} networks.")
    st.page_link("screens/sweep.py", label="Watch the sweep", icon=":material/show_chart:")


def _start(wanted: Plan, name: str) -> None:
    store = state.store()
    try:
        run = store.runs.create(wanted.config.record(), name=name.strip() or None)
        enqueue(store, [run.id])
        waits = store.runs.get(run.id).waiting
    except (UserError, OSError) as error:
        refuse(error)
        return
    st.session_state["watched"] = run.id
    st.toast(f"{plain(run.name)} {'waits for its turn' if waits else 'has started'}.")


def _watch() -> None:
    """Draw the run that is watched, and the choice of others."""
    runs = [run for run in state.store().runs.all() if not run.reference]
    if not runs:
        st.info("You have not trained a network yet. Start with the form: training on the handwritten digits takes less than a minute.")
        return
    ids = [run.id for run in runs]
    if st.session_state.get("watched") not in ids:
        st.session_state["watched"] = next((run.id for run in runs if run.state not in DONE), ids[0])
    names = {run.id: run.name for run in runs}
    follow(st.selectbox("Run to watch", ids, format_func=names.__getitem__, key="watched"))


page()
