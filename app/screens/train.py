"""Train: a form made from the configuration, and the runs that are under way. A run goes on when this page is closed."""

import streamlit as st

from app import state
from app.forms import configuration
from app.progress import DONE, follow
from core.config import RunConfig
from core.store import StoreError
from core.training.worker import start


def page() -> None:
    """The whole page."""
    st.header("Train a network")
    form, live = st.columns([0.52, 0.48], gap="large")
    with form:
        config = configuration()
        name = st.text_input("Name", placeholder="given by itself", key="form-name", help="Empty: architecture, dataset and a number.")
        wanted = st.button("Start training", type="primary", disabled=config is None, key="start", icon=":material/play_arrow:")
        if wanted and config is not None:
            _start(config, name)
    with live:
        _watch()


def _start(config: RunConfig, name: str) -> None:
    store = state.store()
    try:
        run = store.add(name=name.strip() or None, **config.columns())
        start(run.id, store.url)
    except (StoreError, OSError) as error:
        st.error(str(error), icon=":material/error:")
        return
    st.session_state["watched"] = run.id
    st.toast(f"{run.name} has started.")


def _watch() -> None:
    """The runs that can be watched, and the one that is."""
    runs = [run for run in state.store().runs() if not run.reference]
    if not runs:
        st.info("Nothing has been trained here yet. Start with the form; the handwritten digits take less than a minute.")
        return
    ids = [run.id for run in runs]
    if st.session_state.get("watched") not in ids:
        st.session_state["watched"] = next((run.id for run in runs if run.state not in DONE), ids[0])
    titles = {run.id: run.name for run in runs}
    follow(st.selectbox("Watch", ids, format_func=titles.__getitem__, key="watched"))


page()
