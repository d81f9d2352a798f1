"""Make a cascade of selected runs: the form, and the cascade in training. It continues when the page is closed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from app import state
from app.comparison import figures_at
from app.departure import leave
from app.fields import fields
from app.forms import draw, refuse
from app.member_files import member_files, uploaded_member
from app.progress import follow
from app.wording import counted, percent, plain
from core.config import run_config
from core.datasets import Dataset
from core.errors import UserError
from core.registry import component, title
from core.store import Run
from core.training.worker import enqueue

if TYPE_CHECKING:
    from core.training.cascade import Composition
    from core.training.members import Given

FORM = "cascade-of"  # key of the session: the ids of the runs whose form is open
MADE = "cascade-made"  # key of the session: the id of the cascade in training
MEMBERS = 4  # selections of runs whose weights are kept in memory


def offer(runs: Sequence[Run]) -> None:
    """Draw the button that makes a cascade of runs; once it is clicked, the form."""
    ids = [run.id for run in runs]
    if st.session_state.get(FORM) == ids:
        with st.container(border=True, key="cascade-form"):
            _form(runs)
        return
    st.button(
        "Make a cascade",
        key="make-cascade",
        icon=":material/account_tree:",
        help="Join networks into one that spends little on easy images: every image starts with the cheapest network, and only those "
        "that need it go on to the next. Networks in files can be added.",
        on_click=lambda: st.session_state.update({FORM: ids}),
    )


def watch() -> None:
    """Draw the cascade that was started here. When it is trained it opens in Explore, if the person is still on this page."""
    made = st.session_state.get(MADE)
    if made is None:
        return
    try:
        run = state.store().runs.get(made)
    except UserError:  # it was deleted for good
        st.session_state.pop(MADE)
        return
    if run.deleted:
        st.session_state.pop(MADE)
        return
    with st.container(border=True, key="cascade-watched"):
        heading, close = st.columns([0.85, 0.15], vertical_alignment="center")
        heading.markdown(f"**{plain(run.name)}**")
        close.button("Hide", key="cascade-hide", help="The training continues.", on_click=lambda: st.session_state.pop(MADE, None))
        if run.state in ("queued", "running"):
            st.caption(
                "First every member answers every image once, then the controllers are trained in seconds. You can close this page: the "
                "training continues. If you stay, the cascade opens in Explore when it is ready."
            )
        follow(run.id, _explore)


def _explore(run: Run) -> None:
    st.session_state.pop(MADE, None)
    leave("explore", {"run": run.name})


def _form(runs: Sequence[Run]) -> None:
    st.markdown("**Make a cascade**")
    st.caption(
        "Every image starts with the cheapest network. After each answer a controller decides whether that answer stands or the next "
        "network runs. The networks keep their weights; only the controllers are trained."
    )
    uploads = member_files()
    try:
        state.refuse_foreign_files(runs[0])
        dataset = run_config(**runs[0].config).dataset
        members = [
            *_members([run.id for run in runs], [state.weights(run) for run in runs], dataset, runs),
            *(uploaded_member(upload, dataset) for upload in uploads),
        ]
        composed = _composed(members, dataset) if len(members) > 1 else None
    except UserError as error:
        refuse(error)
        _cancel()
        return
    if composed is None:
        st.caption("Add a file with another network, or select more runs above.")
        _cancel()
        return
    titled = [(run.name, figures_at(run, 1.0)) for run in runs] + [(upload.name, None) for upload in uploads]
    ordered = sorted(zip(members, titled, strict=True), key=lambda pair: pair[0].macs)
    rows = [row for _, (_, row) in ordered]
    values = {
        "Member, from cheap to expensive": [name for _, (name, _) in ordered],
        "Multiply-adds": [counted(member.macs) for member, _ in ordered],
        "Test accuracy": [percent(row["accuracy"]) if row else "–" for row in rows],
    }
    st.dataframe(pd.DataFrame(values), hide_index=True, key="cascade-members")
    left, right = st.columns(2)
    with left:
        name = st.text_input("Name", placeholder="optional; generated if empty", key="cascade-name")
    with right:
        combine = draw(next(field for field in fields(component("architectures", "model_cascade")) if field.name == "combine"), "cascade")
    st.caption(plain(composed.sentence))
    try:
        state.samples(runs[0], state.SAMPLES)
    except (UserError, OSError) as error:
        st.warning(
            f"The images of {plain(title('datasets', dataset.name))} are not on this computer. The training downloads them first if "
            f"they are published. {plain(error)}",
            icon=":material/cloud_off:",
        )
    with st.container(horizontal=True):
        if st.button("Start training", type="primary", key="cascade-start", icon=":material/play_arrow:"):
            _start(members, dataset, combine, name)
        _cancel()


def _cancel() -> None:
    st.button("Cancel", key="cascade-cancel", on_click=lambda: st.session_state.pop(FORM, None))


def _start(members: "Sequence[Given]", dataset: Dataset, combine: str, name: str) -> None:
    from core.training.cascade import create_run

    store = state.store()
    try:
        run = create_run(store, _composed(members, dataset, combine), name.strip() or None)
        enqueue(store, [run.id])
    except (UserError, OSError) as error:
        refuse(error)
        return
    st.session_state.pop(FORM, None)
    st.session_state[MADE] = run.id
    st.rerun()


@st.cache_resource(max_entries=MEMBERS, show_spinner="Reading the networks…")
def _members(ids: list[int], sha256: list[str | None], _dataset: Dataset, _runs: Sequence[Run]) -> "list[Given]":
    """Return the runs as members of a cascade. Raises UserError where one cannot be a member."""
    from core.training.members import member_of_run

    classes = _dataset.outline()[1]
    return [member_of_run(state.store(), run, classes) for run in _runs]


def _composed(members: "Sequence[Given]", dataset: Dataset, combine: str | None = None) -> "Composition":
    """Return the cascade of these members. Raises UserError where they make none."""
    from core.training.cascade import compose

    return compose(members, dataset, architecture={} if combine is None else {"combine": combine})
