"""From one page to another without a click on a link, as when a training ends.

Parts of a page that are drawn again and again ask for that from the browser. If `st.switch_page` were called on such a page, a request that
the browser had just sent would arrive after the change, as a request of the former page: the browser would clear the new one and crash at
its next change. So an empty page comes between. Once the browser shows it, nothing of the former page can still be on its way.
"""

from collections.abc import Mapping
from typing import NoReturn

import streamlit as st

from app.components.departure import departed

DRAWN = "page-drawn"  # key of the session: the address of the page that was drawn last
NEXT = "departure"  # key of the session: the page that is left, the one to go to, and the parameters of its address
DEPARTURES = "departures"  # key of the session: how often a page was left


def leave(for_page: str, query: Mapping[str, str] | None = None) -> NoReturn:
    """Go to a page, a file of `screens`, with these parameters in its address."""
    st.session_state[NEXT] = st.session_state[DRAWN], f"screens/{for_page}.py", dict(query or {})
    st.session_state[DEPARTURES] = st.session_state.get(DEPARTURES, 0) + 1
    st.rerun()


def leaving(page: str) -> bool:
    """Draw the empty page if this one is being left, and go on from it once the browser shows it; return whether that is so."""
    st.session_state[DRAWN] = page
    left, next_page, query = st.session_state.get(NEXT, (None, "", {}))
    if left != page:
        st.session_state.pop(NEXT, None)  # the person went elsewhere
        return False
    st.caption("Opening the next page…")
    if departed(st.session_state[DEPARTURES]):
        del st.session_state[NEXT]
        st.switch_page(next_page, query_params=query)
    return True
