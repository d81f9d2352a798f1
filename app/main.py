"""The app that every visit runs. `python -m app` serves it, and so does `streamlit run app/main.py` from any folder."""

import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parents[1])
if ROOT not in sys.path:  # `streamlit run` adds only this file's own folder
    sys.path.insert(0, ROOT)

import streamlit as st  # noqa: E402
from streamlit.elements import exception  # noqa: E402

from app import address, state  # noqa: E402
from app.departure import leaving  # noqa: E402
from app.glossary import help_bar  # noqa: E402
from app.login import admit  # noqa: E402
from app.wording import plain  # noqa: E402
from core.errors import UserError  # noqa: E402
from core.training.worker import advance  # noqa: E402

APP = Path(__file__).resolve().parent
PAGES = APP / "screens"  # Streamlit would serve a folder called "pages" without this file
FOLLOWING = (APP / "components" / "following.js").read_text(encoding="utf-8")
UNEXPECTED = "Something went wrong that the studio did not expect. Reload the page to try again. The log of the server has the details."


def main() -> None:
    """Draw the navigation and the chosen page."""
    st.set_option("client.showErrorDetails", "none")
    exception._GENERIC_UNCAUGHT_EXCEPTION_TEXT = UNEXPECTED  # type: ignore[misc]
    st.set_page_config(page_title="Gatescope", page_icon=str(APP / "icon.svg"), layout="wide")
    st.logo(str(APP / "icon.svg"), size="large")
    st.html(APP / "style.css")
    st.container(key="following").html(f"<script>{FOLLOWING}</script>", unsafe_allow_javascript=True)
    admit()
    pages = [
        st.Page(PAGES / "explore.py", title="Explore", icon=":material/travel_explore:", default=True),
        st.Page(PAGES / "train.py", title="Train", icon=":material/model_training:", url_path="train"),
        st.Page(PAGES / "sweep.py", title="λ sweep", icon=":material/show_chart:", url_path="sweep"),
        st.Page(PAGES / "runs.py", title="Runs", icon=":material/list:", url_path="runs"),
        st.Page(PAGES / "atlas.py", title="Atlas", icon=":material/map:", url_path="atlas"),
        st.Page(PAGES / "how_it_works.py", title="How it works", icon=":material/school:", url_path="how"),
        st.Page(PAGES / "glossary.py", title="Glossary", icon=":material/menu_book:", url_path="glossary"),
    ]
    page = st.navigation(pages, position="top")
    help_bar(page.url_path == "")
    if page.url_path:
        address.left()
    if leaving(page.url_path):
        return
    try:
        if state.store().database.read_only:
            st.info("The database of the runs is read-only: networks can be explored, but nothing can be saved.", icon=":material/lock:")
        else:
            advance(state.store())
    except UserError as error:
        st.error(plain(error), icon=":material/database_off:")
        st.stop()
    page.run()


main()
