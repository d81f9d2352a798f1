"""What a person adds to a run: its name, a star, tags and notes."""

from collections.abc import Sequence

import streamlit as st

from app import state
from app.runs.bulk import retag
from app.runs.entries import STAR
from app.wording import plain
from core.errors import UserError
from core.store import Run


def star(run: Run) -> None:
    """Draw the star, which is a tag."""
    starred = STAR in run.tags
    change = ([run], (), (STAR,)) if starred else ([run], (STAR,))
    label, icon = ("Starred", ":material/star:") if starred else ("Star", ":material/star_border:")
    st.button(label, key=f"star-{run.id}", icon=icon, on_click=retag, args=change)


def rename(run: Run) -> None:
    """Draw the field for another name."""
    if run.reference:
        return
    with st.popover("Rename", icon=":material/edit_note:", key=f"rename-popover-{run.id}"):
        name = st.text_input("Name", run.name, key=f"rename-{run.id}-{run.name}")
        if st.button("Rename", type="primary", key=f"rename-button-{run.id}"):
            try:
                state.store().runs.rename(run.id, name)
            except UserError as error:
                st.error(plain(str(error)), icon=":material/error:")
                return
            st.rerun()


def annotations(run: Run, tags: Sequence[str]) -> None:
    """Draw the tags and the notes. `tags`: those in use. What is written is stored at once."""
    own = [tag for tag in run.tags if tag != STAR]
    tag_key, note_key = f"tags-{run.id}", f"notes-{run.id}"
    st.session_state[tag_key], st.session_state[note_key] = own, run.notes  # another page may have changed them

    def store_tags() -> None:
        stars = [STAR] if STAR in run.tags else []
        _annotate(run, tags=[*stars, *st.session_state[tag_key]])

    def store_notes() -> None:
        _annotate(run, notes=st.session_state[note_key])

    left, right = st.columns([0.4, 0.6], gap="medium")
    left.multiselect(
        "Tags",
        list(dict.fromkeys([*own, *(tag for tag in tags if tag != STAR)])),
        key=tag_key,
        accept_new_options=True,
        on_change=store_tags,
        placeholder="Choose a tag or type a new one",
    )
    right.text_area("Notes", key=note_key, height=68, on_change=store_notes, placeholder="What this run was for, what it showed")


def _annotate(run: Run, *, notes: str | None = None, tags: Sequence[str] | None = None) -> None:
    try:
        state.store().runs.annotate(run.id, notes=notes, tags=tags)
    except UserError as error:
        st.toast(plain(str(error)), icon=":material/error:")
