"""The help at the top of every page: the terms that the screens need, and on Explore the tour."""

import streamlit as st

from app.components.tour import tour
from app.terms import KEY_TERMS, explained


def help_bar(explores: bool) -> None:
    """Offer the terms, and with a network in sight the tour."""
    with st.container(key="glossary-place", horizontal=True, gap="small"):
        with st.popover("Terms", icon=":material/menu_book:", key="glossary"):
            st.markdown(explained(*KEY_TERMS))
            st.page_link("screens/glossary.py", label="All terms", icon=":material/menu_book:")
        if explores:
            tour(key="tour")
