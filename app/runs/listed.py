"""The list of runs: search, groups, columns, the best of each dataset, and the table whose ticks select runs. It follows the runs live."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from app import state
from app.runs.address import choose, chosen_ids
from app.runs.bulk import counted_runs
from app.runs.cards import NO_MATCH, cards
from app.runs.entries import FIELDS, Entries, Entry, Settings
from app.runs.importing import importer
from app.runs.search import HELP, SearchError, read
from app.runs.table import DEFAULT_COLUMNS, GROUPINGS, METRIC, column_title, group_table, grouped_by, table
from app.wording import plain
from core.scale import TENTHS

LIVE_SECONDS, IDLE_SECONDS = 2.0, 10.0  # between looks at the list: while a run is about to change, and otherwise
CHANGED = "runs-selection-changed"  # key of the session: the rest of the page must follow the selection
ROW_PIXELS, MAX_HEIGHT = 35, 430  # of the table
METRIC_RUNS = 50  # newest runs whose metrics can be columns
PERCENT, FIGURE = "%.1f%%", "%.4g"  # formats of numbers
SHARE_COLUMNS = ["accuracy", "accuracy ±", "cost", "cost ±"]  # columns that are shown in percent


def all_entries() -> list[Entry]:
    """Return all runs as they are now. Raises StoreError."""
    store = state.store()
    return _entries(store.url).of(store.listing.all())


@st.cache_resource(show_spinner=False)
def _entries(url: str) -> Entries:
    return Entries()


def browse(entries: Sequence[Entry]) -> None:
    """Draw the list, again and again."""
    moving = any(entry.run.state in ("queued", "running") for entry in entries)
    st.fragment(_browsed, run_every=LIVE_SECONDS if moving else IDLE_SECONDS)()


def _browsed() -> None:
    if st.session_state.pop(CHANGED, False):
        st.rerun()
    entries = all_entries()
    settings = _entries(state.store().url).settings(entries)
    with st.container(horizontal=True, vertical_alignment="bottom", key="runs-controls"):
        text = st.text_input(
            "Search", placeholder="cascade accuracy>90% -state:failed", key="runs-search", help=HELP, persist_state="session"
        )
        by = st.selectbox(
            "Group by",
            ["", *GROUPINGS],
            format_func=lambda name: GROUPINGS.get(name, "nothing"),
            key="runs-group",
            width=190,
            persist_state="session",
        )
        lam_help = "A network that serves every λ is shown at this λ, any other network at its own."
        lam = st.select_slider("Figures at λ", TENTHS, 0.5, key="figures-lam", help=lam_help, width=230, persist_state="session")
        columns = _columns(entries, settings)
        importer()
    try:
        found = read(text, settings.all).found(entries, lam)
    except SearchError as error:
        found = entries
        st.error(plain(str(error)), icon=":material/search_off:")
    cards(found)
    groups = grouped_by(found, by) if by else []
    count = f"{len(found):,} of {len(entries):,} runs" if len(found) < len(entries) else counted_runs(entries)
    if by:
        count += f" in {len(groups):,} {'group' if len(groups) == 1 else 'groups'}"
    st.caption(f"{count}. Tick {'groups' if by else 'runs'} to see them below; click a heading to sort." if found else NO_MATCH)
    if not by:
        latest = {
            name: state.store().metrics.latest(name)
            for name in (column.removeprefix(METRIC) for column in columns if column.startswith(METRIC))
        }
        headings = {name: _configured(name, column_title(name, settings.labels)) for name in columns}
        _selectable("table", table(found, columns, lam, latest), [[entry] for entry in found], headings)
    else:
        _selectable(f"groups-{by}", group_table(groups, lam), [group.entries for group in groups], GROUP_COLUMNS)


def _columns(entries: Sequence[Entry], settings: Settings) -> list[str]:
    """Draw the choice of columns; return the chosen ones. Fields come first, then settings that differ, then metrics."""
    with st.popover("Columns", icon=":material/view_column:"):
        metrics = [f"{METRIC}{name}" for name in state.store().metrics.names([entry.run.id for entry in entries[:METRIC_RUNS]])]
        known = [*FIELDS, *settings.differing, *metrics]
        titles = {name: column_title(name, settings.labels) for name in known}
        kept = [name for name in st.session_state.get("runs-columns", DEFAULT_COLUMNS) if name in titles]
        if "runs-columns" in st.session_state and kept != st.session_state["runs-columns"]:
            st.session_state["runs-columns"] = kept  # the last run with a setting or a metric is gone
        return st.multiselect(
            "Columns of the table",
            known,
            list(DEFAULT_COLUMNS) if "runs-columns" not in st.session_state else None,
            format_func=titles.__getitem__,
            key="runs-columns",
            help="Figures, settings in which runs differ, and the last value of each metric.",
            persist_state="session",
        )


def _selectable(what: str, rows: pd.DataFrame, members: Sequence[Sequence[Entry]], headings: dict[str, Any]) -> None:
    """Draw a table whose ticks stand in the address. Selected runs without a tick stay selected, and a line below says how many they are.

    A row is ticked if all its runs are selected.
    """
    ids = [[entry.run.id for entry in row] for row in members]
    key = table_key(what, ids)
    chosen = chosen_ids()
    wanted = _ticked(ids, chosen)
    ticks: Any = {"selection": {"rows": wanted, "columns": [], "cells": []}}
    if key in st.session_state and sorted(st.session_state[key]["selection"]["rows"]) != wanted:
        st.session_state[key] = ticks
    shares = {name: 100 * pd.to_numeric(rows[name]) for name in SHARE_COLUMNS if name in rows}
    st.dataframe(
        rows.assign(**shares),
        hide_index=True,
        on_select=_follow(key, ids),
        selection_mode="multi-row",
        selection_default=ticks,
        column_config=headings,
        height=min(ROW_PIXELS * (len(rows) + 1) + 3, MAX_HEIGHT),
        placeholder="",
        key=key,
    )
    _unticked(ids, chosen, wanted)


def _ticked(ids: Sequence[Sequence[int]], chosen: Sequence[int]) -> list[int]:
    """Return the numbers of the rows whose runs are all selected."""
    return [number for number, row in enumerate(ids) if row and set(chosen).issuperset(row)]


def _unticked(ids: Sequence[Sequence[int]], chosen: Sequence[int], ticked: Sequence[int]) -> None:
    """Draw the line about selected runs that no tick of the table shows, with the button that leaves them out."""
    if not chosen:
        return
    known = {entry.run.id for entry in all_entries()}
    selected = [number for number in chosen if number in known]
    with_tick = {number for row in ticked for number in ids[row]}
    without = [number for number in selected if number not in with_tick]
    if not without:
        return
    one = len(without) == 1
    if {number for row in ids for number in row}.isdisjoint(without):
        why = "is not in the table" if one else "are not in the table"
    else:
        why = "has no tick: its group is selected in part" if one else "have no tick: not in the table, or in a group selected in part"

    def leave_out() -> None:
        choose(number for number in selected if number in with_tick)
        st.session_state[CHANGED] = True

    with st.container(horizontal=True, vertical_alignment="center", key="runs-unticked"):
        st.markdown(f":material/visibility_off: {len(without)} of {len(selected)} selected runs {why}.", width="content")
        st.button("Leave it out" if one else "Leave them out", key="leave-out", on_click=leave_out)


def table_key(what: str, ids: Sequence[Sequence[int]]) -> str:
    """Return the key of a table with these runs in its rows. Ticks are kept by row number, so another list needs another key."""
    return f"runs-{what}-{hashlib.sha256(repr(ids).encode()).hexdigest()[:16]}"


def _follow(key: str, ids: Sequence[Sequence[int]]) -> Callable[[], None]:
    """Return what brings the ticks of a table into the address."""

    def follow() -> None:
        ticked = {number for row in st.session_state[key]["selection"]["rows"] if row < len(ids) for number in ids[row]}
        before = chosen_ids()
        with_tick = {number for row in _ticked(ids, before) for number in ids[row]}
        kept = [number for number in before if number not in with_tick or number in ticked]
        choose([*kept, *(number for row in ids for number in row if number in ticked and number not in before)])
        st.session_state[CHANGED] = True

    return follow


def _configured(name: str, title: str) -> Any:
    """Return how a column is shown."""
    column = st.column_config
    match name:
        case "starred":
            return column.TextColumn(title, width=40)
        case "accuracy":
            return column.NumberColumn(title, format=PERCENT, help="On test images, at the λ above or at the network’s own.")
        case "cost":
            share = "Mean multiply-adds per test image, as a share of the static network’s. The bar is full at 100% and above."
            return column.ProgressColumn(title, format=PERCENT, min_value=0, max_value=100, help=share)
        case "macs":
            return column.NumberColumn(title, format="compact", help="Mean multiply-adds per test image.")
        case "f1":
            return column.NumberColumn(title, format="%.3f")
        case "tags":
            return column.ListColumn(title)
        case "seconds":
            return column.NumberColumn(title, format="%.1f min")
        case "created":
            return column.DatetimeColumn(title, format="D MMM YYYY, HH:mm")
        case "lam":
            return column.TextColumn(title, help="The λ that the network was trained for; none for a static network")
        case _:
            return column.NumberColumn(title, format=FIGURE) if name.startswith(METRIC) else column.Column(title)


DEVIATION_HELP = (
    "Standard deviation over the finished runs of the group: how far a run typically lies from the mean. "
    "Empty for a group with one finished run."
)
GROUP_COLUMNS: dict[str, Any] = {
    "group": st.column_config.TextColumn("Group"),
    "runs": st.column_config.NumberColumn("Runs"),
    "accuracy": st.column_config.NumberColumn("Test accuracy", format=PERCENT, help="Mean over the finished runs of the group."),
    "accuracy ±": st.column_config.NumberColumn("± of the accuracy", format=PERCENT, help=DEVIATION_HELP),
    "cost": st.column_config.NumberColumn("Cost", format=PERCENT, help="Mean share of the static network’s multiply-adds."),
    "cost ±": st.column_config.NumberColumn("± of the cost", format=PERCENT, help=DEVIATION_HELP),
    "macs": st.column_config.NumberColumn("Multiply-adds", format="compact", help="Mean over the finished runs of the group."),
    "macs ±": st.column_config.NumberColumn("± of the multiply-adds", format="compact", help=DEVIATION_HELP),
    "best": st.column_config.TextColumn("Most accurate"),
}
