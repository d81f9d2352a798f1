"""Deleted runs, which can be restored or removed for good."""

from collections.abc import Sequence

import streamlit as st

from app import state
from app.runs.bulk import UNDO, attempted, counted_runs, named
from core.store import Run


def deleted(runs: Sequence[Run]) -> None:
    """Draw the deleted runs, if there are any."""
    if not runs:
        return
    names = {run.id: run.name for run in runs}
    with st.expander(f"Deleted ({len(runs)})", icon=":material/delete:", key="runs-deleted"):
        chosen = st.multiselect(
            "Deleted runs",
            list(names),
            format_func=lambda number: names.get(number, ""),
            key="deleted-chosen",
            placeholder="All deleted runs",
        )
        picked = [run for run in runs if run.id in chosen] or list(runs)
        with st.container(horizontal=True):
            if st.button(f"Restore {counted_runs(picked)}", key="restore", icon=":material/restore_from_trash:"):
                _done(picked, purge=False)
            with st.popover("Delete for good…", icon=":material/delete_forever:", key="purge-popover"):
                own = [run for run in picked if not run.reference]
                if own:
                    st.write(f"{named(own)}: weights, curves and figures are removed. This cannot be undone.")
                if len(own) < len(picked):
                    st.caption("Runs that ship with the project stay here: they would come back.")
                if st.button(f"Delete {counted_runs(own)} for good", type="primary", key="purge", disabled=not own):
                    _done(own, purge=True)


def _done(runs: Sequence[Run], *, purge: bool) -> None:
    store = state.store()
    attempted(store.runs.purge if purge else store.runs.restore, [run.id for run in runs])
    st.session_state.pop(UNDO, None)
    st.session_state.pop("deleted-chosen", None)
    st.rerun()
