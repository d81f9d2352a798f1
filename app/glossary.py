"""The terms on the screens, explained for a person who has read neither paper; every page offers them at the top."""

import streamlit as st

TERMS = {
    "Gate": "A number that decides for one image whether a module runs. At zero the module is skipped and costs nothing.",
    "Controller": "A small part of the network that looks at an image and sets gates. It is drawn as a diamond.",
    "Route": "The modules that run for one image. Easy images often take a shorter route than hard ones.",
    "λ (lambda)": "How much accuracy counts against computation. At 0 the network is as cheap as it can be, at 1 as accurate as it can be.",
    "Multiply-adds": "One multiplication and one addition: the unit in which computation is counted here, controllers included.",
    "Static network": "A network of the same kind without gates, which computes everything for every image. Costs are shares of its cost.",
    "Budget": "The share of the static network’s computation that an image may cost on average.",
    "Calibration": "After training, λ is adjusted on validation images, so that cost rises evenly along the slider.",
    "Pareto front": "The settings that no other setting beats in both accuracy and cost.",
    "Unsure": "An answer whose class has a probability below 50%, or less than twice that of the next class.",
    "Early exit": "An output before the end of a network. An image that gets its answer there skips the rest.",
}


def glossary() -> None:
    """Offer the terms at the top of the page."""
    with st.container(key="glossary-place"), st.popover("Terms", icon=":material/menu_book:", key="glossary"):
        for term, meaning in TERMS.items():
            st.markdown(f"**{term}** · {meaning}")
