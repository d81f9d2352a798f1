"""Cards of the best network of each dataset at or under a cost."""

from collections.abc import Sequence

import streamlit as st

from app.runs.best import BestNetwork, best_per_dataset
from app.runs.entries import Entry
from app.runs.search import number
from app.wording import counted, percent, plain
from core.scale import mean_cost_share

CARD_PIXELS = 250
MAX_CARDS = 8
NO_MATCH = "The search matches no run."


def cards(entries: Sequence[Entry]) -> None:
    """Draw the cards of these runs, beside the field with the highest cost. Without runs it says that the search matches none."""
    with (
        st.expander(
            "Best network of each dataset, chosen on validation images; figures of test images",
            expanded=True,
            icon=":material/trophy:",
            key="runs-best",
        ),
        st.container(horizontal=True, vertical_alignment="center"),
    ):
        text = st.text_input(
            "Multiply-adds at most",
            placeholder="no limit; 20M, for example",
            key="runs-most",
            width=CARD_PIXELS,
            help="The network with the highest validation accuracy whose mean cost per image keeps to this limit, and the λ at which it "
            "does. Shown are its figures on test images, which choose nothing.",
            persist_state="session",
        )
        most = number(text) if text else None
        if text and (most is None or most < 0):
            st.error("Write a number of multiply-adds, such as 20M or 500k.", icon=":material/error:")
            return
        best = best_per_dataset(entries, most)
        if not entries:
            st.caption(NO_MATCH)
        elif not best:
            st.caption("No finished network keeps to this limit." if text else "The best networks appear here once runs are finished.")
        for one in best[:MAX_CARDS]:
            _card(one)


def _card(best: BestNetwork) -> None:
    run, row = best.entry.run, best.row
    with st.container(border=True, width=CARD_PIXELS, gap=None, key=f"best-{run.id}"):
        st.markdown(f"{plain(best.dataset)} · **{row['accuracy']:.1%}**")
        at = "" if row["lam"] is None else f"λ = {row['lam']:g} · "
        st.caption(f"{at}{counted(row['macs_mean'])} multiply-adds, {percent(mean_cost_share(row))} of the static network")
        address = {"run": run.name} | ({} if row["lam"] is None else {"lam": f"{row['lam']:g}"})
        st.page_link("screens/explore.py", label=plain(run.name), icon=":material/travel_explore:", query_params=address)
