"""What can be done with the selected runs together: star, tag, export, delete, and undo."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

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
NOTHING_TO_EXPORT = "Only finished runs with stored weights can be exported, and none of the selected runs is one."
WEIGHTS_KNOWN_SECONDS = 20.0  # between looks for the weights of the selected runs


def bar(selected: Sequence[Run], tags: Sequence[str]) -> None:
    """Draw the buttons for the selected runs. `tags`: those in use."""
    if not selected:
        return
    ready = with_weights(selected)
    with st.container(horizontal=True, vertical_alignment="center", key="runs-bulk"):
        st.markdown(f"**{counted_runs(selected)} selected**", width="content")
        _star(selected)
        _tag(selected, tags)
        _export(ready)
        delete_button(selected, "bulk")
        st.button("Clear selection", key="bulk-clear", icon=":material/close:", on_click=choose, args=((),))
    _not_exported(selected, ready)


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
    _changed(runs, add, remove)


def _changed(runs: Sequence[Run], add: Iterable[str], remove: Iterable[str]) -> bool:
    """Add tags to runs and take others away; return whether all went well."""
    added, removed = list(add), set(remove)
    by_id = {run.id: run for run in runs}

    def change(number: int) -> None:
        tags = [tag for tag in by_id[number].tags if tag not in removed]
        if [*tags, *(tag for tag in added if tag not in tags)] != by_id[number].tags:
            state.store().runs.annotate(number, tags=[*tags, *added])

    return attempted(change, by_id)


def _star(selected: Sequence[Run]) -> None:
    if all(STAR in run.tags for run in selected):
        st.button("Remove star", key="bulk-star", icon=":material/star:", on_click=retag, args=(selected, (), (STAR,)))
    else:
        st.button("Star", key="bulk-star", icon=":material/star_border:", on_click=retag, args=(selected, (STAR,)))


def _tag(selected: Sequence[Run], tags: Sequence[str]) -> None:
    """Draw the form that adds tags to runs, which Enter sends too, and takes others away."""
    with st.popover("Tags", icon=":material/sell:", key="bulk-tag-popover"), st.form("bulk-tag-form", clear_on_submit=True, border=False):
        known = [tag for tag in tags if tag != STAR]
        own = {tag for run in selected for tag in run.tags if tag != STAR}
        if own:
            st.caption(f"On these runs: {plain(', '.join(sorted(own)))}")
        st.text_input("New tag", key="bulk-new-tag")
        if known:
            st.pills("Tags in use", known, selection_mode="multi", format_func=plain, key="bulk-tags")
        with st.container(horizontal=True):
            st.form_submit_button("Add", key="bulk-tag", type="primary", on_click=_retagged, args=(selected, True))
            st.form_submit_button("Take away", key="bulk-untag", on_click=_retagged, args=(selected, False))


def _retagged(selected: Sequence[Run], add: bool) -> None:
    """Add the tags in the form to runs, or take them away, and say so."""
    typed = st.session_state["bulk-new-tag"].strip()
    tags = list(dict.fromkeys([*(st.session_state.get("bulk-tags") or []), *([typed] if typed else [])]))
    if not tags:
        st.toast("Type a tag, or choose one of those in use.", icon=":material/info:")
    elif _changed(selected, tags if add else (), () if add else tags):
        done = "Tagged" if add else "Took tags away from"
        st.toast(f"{done} {counted_runs(selected)}: {', '.join(map(plain, tags))}", icon=":material/sell:")


def _export(ready: Sequence[Run]) -> None:
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
        help="Weights, figures and curves of each run, to import elsewhere." if ready else NOTHING_TO_EXPORT,
    )


def _not_exported(selected: Sequence[Run], ready: Sequence[Run]) -> None:
    """Draw the line that says which of the selected runs the zip leaves out, and why."""
    left_out = [run for run in selected if run not in ready]
    unfinished = [run for run in left_out if not exportable(run)]
    bare = [run for run in left_out if exportable(run)]
    reasons = [f"{named(runs)} ({why})" for runs, why in ((bare, "no stored weights"), (unfinished, "not finished")) if runs]
    if ready and reasons:
        st.caption(f"The zip leaves out {'; '.join(reasons)}.")


def with_weights(runs: Sequence[Run]) -> list[Run]:
    """Return the runs that can be exported: those that are finished and whose weights are stored."""
    finished = [run for run in runs if exportable(run)]
    stored = _stored(state.store().url, [run.id for run in finished])
    return [run for run in finished if run.id in stored]


@st.cache_data(max_entries=16, ttl=WEIGHTS_KNOWN_SECONDS, show_spinner=False)
def _stored(url: str, ids: Sequence[int]) -> set[int]:
    """Return the runs, by number, whose weights are stored and intact."""
    store = state.store()
    found = set()
    for number in ids:
        with suppress(UserError):
            if store.checkpoints.latest(number):
                found.add(number)
    return found
