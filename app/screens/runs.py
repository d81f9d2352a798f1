"""Runs: the list of all runs; one selected run with its page, or several compared."""

import streamlit as st

from app import state
from app.cascade_form import MADE, watch
from app.runs import address
from app.runs.bulk import bar, undo
from app.runs.comparison import compare
from app.runs.deleted import deleted
from app.runs.detail import details
from app.runs.importing import importer
from app.runs.listed import all_entries, browse


def page() -> None:
    """Draw the page."""
    st.header("Runs")
    entries = all_entries()
    undo()
    if not entries:
        st.info("There are no runs yet. Train a network, or import a run.")
        st.page_link("screens/train.py", label="Train a network", icon=":material/model_training:")
        importer()
    else:
        browse(entries)
        selected = address.chosen([entry.run for entry in entries])
        tags = sorted({tag for entry in entries for tag in entry.run.tags})
        if [run.id for run in selected] != [st.session_state.get(MADE)]:  # its own page shows it too
            watch()
        if len(selected) > 1:
            bar(selected, tags)
            compare(selected)
        elif selected:
            details(selected[0], tags)
    deleted(state.store().listing.all(deleted=True))


page()
