"""Train: a form made from the configuration, and the runs that are under way. A run goes on when this page is closed."""

import streamlit as st

from app import state
from app.forms import Plan, plan
from app.progress import DONE, follow
from app.wording import plain
from core.datasets import DataError
from core.errors import UserError
from core.store import StoreError
from core.training.sweep import enlist, planned, static_paths
from core.training.worker import start, start_sweep


def page() -> None:
    """The whole page."""
    st.header("Train a network")
    form, live = st.columns([0.52, 0.48], gap="large")
    with form:
        wished = plan()
        name = st.text_input("Name", placeholder="given by itself", key="form-name", help="Empty: architecture, dataset and a number.")
        wanted = st.button("Start training", type="primary", disabled=wished is None, key="start", icon=":material/play_arrow:")
        if wanted and wished is not None:
            (_start_sweep if wished.lams else _start)(wished, name)
    with live:
        _watch()


def _start_sweep(wished: Plan, name: str) -> None:
    store = state.store()
    title = name.strip() or f"{wished.config.architecture.name}-{wished.config.dataset.name}-sweep"
    try:
        plans = planned(wished.config, wished.lams, wished.seeds)
        if wished.statics:
            plans += static_paths(wished.config, wished.seeds)
        runs = enlist(store, plans, title)
        start_sweep(title, store.url)
    except (StoreError, UserError, DataError, OSError) as error:
        st.error(str(error), icon=":material/error:")
        return
    st.session_state["watched"] = runs[0].id
    st.toast(f"{plain(title)} has started: {len(runs)} networks, one after the other.")
    st.page_link("screens/sweep.py", label="Watch the sweep", icon=":material/show_chart:")


def _start(wished: Plan, name: str) -> None:
    store = state.store()
    try:
        run = store.runs.create(wished.config.record(), name=name.strip() or None)
        start(run.id, store.url)
    except (StoreError, OSError) as error:
        st.error(str(error), icon=":material/error:")
        return
    st.session_state["watched"] = run.id
    st.toast(f"{run.name} has started.")


def _watch() -> None:
    """The runs that can be watched, and the one that is."""
    runs = [run for run in state.store().runs.all() if not run.reference]
    if not runs:
        st.info("Nothing has been trained here yet. Start with the form; the handwritten digits take less than a minute.")
        return
    ids = [run.id for run in runs]
    if st.session_state.get("watched") not in ids:
        st.session_state["watched"] = next((run.id for run in runs if run.state not in DONE), ids[0])
    titles = {run.id: run.name for run in runs}
    follow(st.selectbox("Watch", ids, format_func=titles.__getitem__, key="watched"))


page()
