"""Glossary: every term of the screens and documents, from docs/glossary.md."""

import streamlit as st

from app.terms import KEY_TERMS, explained, terms


def page() -> None:
    """Draw the page."""
    st.header("Glossary")
    st.caption("What the words on the screens and in the documents mean.")
    wanted = st.text_input("Find a term", key="term", placeholder="for example: gate", width=420).strip().casefold()
    matching = [name for name, meaning in terms().items() if wanted in name.casefold() or wanted in meaning.casefold()]
    if not matching:
        st.caption("No term and no explanation contains this text.")
    first = [name for name in KEY_TERMS if name in matching]
    rest = [name for name in matching if name not in KEY_TERMS]
    for title, names in (("To begin with", first), ("All other terms", rest)):
        if names:
            st.subheader(title, divider="gray")
            st.markdown(explained(*names))
    st.page_link("screens/explore.py", label="See λ at work in Explore", icon=":material/travel_explore:")


page()
