"""What can be done with the selected runs together: star, tag, export, delete, and undo."""

from collections.abc import Callable, Iterable, Sequence

import streamlit as st

from app import state
from app.runs.address import choose
from app.runs.entries import STAR
from app.runs.transfer import exportable, packed_runs
from app.wording import plain
from core.errors import UserError
from core.store import Run

UNDO = "runs-undo"  # key of the session: the numbers of the runs that were deleted last
NAMED_RUNS = 10  # in a question


def bar(selected: Sequence[Run], tags: Sequence[str]) -> None:
    """Draw the buttons for the selected runs. `tags`: those in use."""
    if not selected:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="runs-bulk"):
        st.markdown(f"**{counted_runs(selected)} selected**", width="content")
        _star(selected)
        _tag(selected, tags)
        _export(selected)
        delete_button(selected, "bulk")
        st.button("Clear selection", key="bulk-clear", icon=":material/close:", on_click=choose, args=((),))


def undo() -> None:
    """Draw what was deleted last, and the button that brings it back."""
    gone = st.session_state.get(UNDO)
    if not gone:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="runs-undo-line"):
        st.markdown(f"{'One run is' if len(gone) == 1 else f'{len(gone)} runs are'} deleted.", width="content")
        if st.button("Undo", key="undo", icon=":material/undo:"):
            if attempted(state.store().runs.restore, gone):
                choose(gone)
            st.session_state.pop(UNDO)
            st.rerun()
        st.button("Hide", key="undo-hide", on_click=lambda: st.session_state.pop(UNDO, None))


def delete_button(runs: Sequence[Run], where: str) -> None:
    """Draw the button that deletes runs, with its question."""
    with st.popover("Delete…", icon=":material/delete:", key=f"delete-popover-{where}"):
        stops = " Those in training stop." if any(run.state == "running" for run in runs) else ""
        st.write(f"{named(runs)} {'is' if len(runs) == 1 else 'are'} removed from the list.{stops} You can undo this.")
        if st.button(f"Delete {counted_runs(runs)}", type="primary", key=f"delete-{where}"):
            ids = [run.id for run in runs]
            attempted(state.store().runs.delete, ids)
            st.session_state[UNDO] = ids
            choose(())
            st.rerun()


def attempted(action: Callable[[int], object], ids: Iterable[int]) -> bool:
    """Do something with each run; return whether all went well, and show what did not after the next rerun too."""
    errors = []
    for number in ids:
        try:
            action(number)
        except UserError as error:
            errors.append(str(error))
    for line in dict.fromkeys(errors):
        st.toast(plain(line), icon=":material/error:")
    return not errors


def counted_runs(runs: Sequence[object]) -> str:
    """Return a number of runs in words."""
    return "1 run" if len(runs) == 1 else f"{len(runs)} runs"


def named(runs: Sequence[Run]) -> str:
    """Return the names of the first runs and how many more there are, as Markdown."""
    names = ", ".join(f"**{plain(run.name)}**" for run in runs[:NAMED_RUNS])
    return names if len(runs) <= NAMED_RUNS else f"{names} and {len(runs) - NAMED_RUNS} more"


def retag(runs: Sequence[Run], add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
    """Add tags to runs and take others away."""
    added, removed = list(add), set(remove)
    by_id = {run.id: run for run in runs}

    def change(number: int) -> None:
        tags = [tag for tag in by_id[number].tags if tag not in removed]
        if [*tags, *(tag for tag in added if tag not in tags)] != by_id[number].tags:
            state.store().runs.annotate(number, tags=[*tags, *added])

    attempted(change, by_id)


def _star(selected: Sequence[Run]) -> None:
    if all(STAR in run.tags for run in selected):
        st.button("Remove star", key="bulk-star", icon=":material/star:", on_click=retag, args=(selected, (), (STAR,)))
    else:
        st.button("Star", key="bulk-star", icon=":material/star_border:", on_click=retag, args=(selected, (STAR,)))


def _tag(selected: Sequence[Run], tags: Sequence[str]) -> None:
    with st.popover("Tags", icon=":material/sell:"):
        known = [tag for tag in tags if tag != STAR]
        own = {tag for run in selected for tag in run.tags if tag != STAR}
        if own:
            st.caption(f"On these runs: {plain(', '.join(sorted(own)))}")
        chosen = st.multiselect("Tags", known, accept_new_options=True, key="bulk-tags", placeholder="Choose a tag or type a new one")
        with st.container(horizontal=True):
            add = st.button("Add", key="bulk-tag", type="primary", disabled=not chosen)
            remove = st.button("Take away", key="bulk-untag", disabled=not chosen)
        if add or remove:
            retag(selected, *((chosen,) if add else ((), chosen)))
            st.rerun()


def _export(selected: Sequence[Run]) -> None:
    ready = [run for run in selected if exportable(run)]
    store = state.store()
    st.download_button(
        "Export as zip",
        data=lambda: packed_runs(store, ready),
        file_name="gatescope-runs.zip",
        mime="application/zip",
        key="bulk-export",
        icon=":material/folder_zip:",
        disabled=not ready,
        on_click="ignore",
        help=f"{len(ready)} of {counted_runs(selected)} can be exported: those that are finished."
        if len(ready) < len(selected)
        else "Weights, figures and curves of each run, to import elsewhere.",
    )
