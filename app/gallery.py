"""The gallery of presets on the Train page: what each teaches, how long it takes, and what to expect."""

import streamlit as st

from app.form_state import PRESET, prefill
from app.wording import percent
from core.presets import FIRST_PRESET, PRESETS, Preset, preset

CARDS_PER_ROW = 3  # cards side by side


def begin() -> None:
    """Fill the form with the first preset, unless it was filled before."""
    if "form-architectures" not in st.session_state:
        choose(FIRST_PRESET)


def gallery() -> None:
    """Draw the cards."""
    st.caption("Choose what to learn. Each of these trains well as it is, and every setting can be changed below.")
    chosen = st.session_state.get(PRESET, "")
    with st.container(key="gallery"):
        for row in range(0, len(PRESETS), CARDS_PER_ROW):
            for column, one in zip(st.columns(CARDS_PER_ROW), PRESETS[row : row + CARDS_PER_ROW], strict=False):
                with column:
                    _card(one, chosen == one.name)


def choose(name: str) -> None:
    """Fill the form with a preset."""
    prefill(preset(name).config)
    st.session_state[PRESET] = name


def _card(one: Preset, chosen: bool) -> None:
    st.button(
        one.title,
        key=f"preset-{one.name}",
        type="primary" if chosen else "secondary",
        icon=f":material/{'check' if chosen else one.icon}:",
        on_click=choose,
        args=(one.name,),
        width="stretch",
    )
    st.caption(f"{one.lesson}  \n{expected(one)}")


def expected(one: Preset) -> str:
    """Return what a preset takes and gives, in a few words."""
    if one.minutes is None or one.accuracy is None or one.cost is None:
        return "Time and accuracy depend on your pictures."
    return f"**{percent(one.accuracy)} right at {percent(one.cost)} of the full cost · {minutes(one.minutes)}**"


def minutes(number: float) -> str:
    """Return a number of minutes in words."""
    return "about 1 minute" if number <= 1 else f"about {number:g} minutes"
