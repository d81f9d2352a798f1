"""The selected runs in the address: `?runs=3,1,2` opens the Runs page with these."""

from collections.abc import Iterable, Sequence

import streamlit as st

from app.address import whole
from core.store import Run

CHOSEN = "runs"  # parameter of the address
NUMBERS = 1 << 31  # numbers of runs are smaller


def chosen_ids() -> list[int]:
    """Return the numbers in the address, each once, in its order."""
    numbers = (whole(text, NUMBERS) for text in st.query_params.get(CHOSEN, "").split(","))
    return list(dict.fromkeys(number for number in numbers if number is not None))


def choose(ids: Iterable[int]) -> None:
    """Write the selected runs into the address."""
    text = ",".join(map(str, ids))
    st.query_params.from_dict({CHOSEN: text} if text else {})


def chosen(runs: Sequence[Run]) -> list[Run]:
    """Return the selected runs, in the order of the list."""
    asked = set(chosen_ids())
    return [run for run in runs if run.id in asked]
