"""Searches on the λ sweep page: the trials of one, how many there are, and their front."""

from collections.abc import Mapping, Sequence

import streamlit as st

from app.budget import open_in_explore
from app.charts.trials import trials_chart
from app.wording import plain
from core.evaluation.trials import points, pruned
from core.store import Run

SEARCH = "search"  # parameter of the address


def draw_searches(searches: Mapping[str, Sequence[Run]]) -> None:
    """Draw the choice of a search, where there are several, and its trials. Without any, draw nothing."""
    if not searches:
        return
    st.subheader("Search", divider="gray")
    names = list(searches)
    asked = st.query_params.get(SEARCH)
    if len(names) > 1:
        first = names.index(asked) if asked in names else 0
        name = st.selectbox("Search to show", names, index=first, key="search-shown", width=420)
        st.query_params[SEARCH] = name
    else:
        name = names[0]
    runs = searches[name]
    finished, stopped = sum(run.status == "finished" for run in runs), sum(map(pruned, runs))
    early = f", and {stopped} stopped early because others were better" if stopped else ""
    st.markdown(f"**{plain(name)}**: {len(runs)} trials, of which {finished} are finished{early}.")
    if not points(runs):
        st.caption("The chart appears when the first trial is finished.")
        return
    key = f"trials-{name}-{finished}"
    event = st.plotly_chart(trials_chart(runs), key=key, on_select="rerun", selection_mode="points", config={"displayModeBar": False})
    point = next((point["customdata"] for point in event["selection"]["points"] if point.get("customdata")), None)
    if point is not None:
        lam = float(point[1])
        open_in_explore(str(point[0]), lam if lam >= 0 else None)
    st.caption(
        "Each line is a trial along λ, or a point for a trial without it. Of the networks on the front, none is beaten in both accuracy "
        "and cost. Trials are chosen on the validation images; the figure for the test images is shown when you point at one."
    )
