"""The confusion matrices of several networks side by side, from what their atlases know of the test images."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from app import state
from app.atlas import background_atlas
from app.charts.atlas import confusion_chart
from app.compared import MAX_COMPARED
from app.runs.curves import PLAIN_CHART
from app.samples import samples_of
from app.wording import plain
from core.errors import UserError
from core.scale import TENTHS
from core.store import Run

if TYPE_CHECKING:
    from app.background import Background
    from core.explain.atlas.atlas import Atlas

MATRICES_SHOWN = "runs-confusion"  # key of the session: the runs whose matrices are shown
MOST_MATRICES, MATRICES_PER_ROW = MAX_COMPARED + 1, 2
LOOK_SECONDS = 2.0  # between looks at atlases that grow


def confusion(runs: Sequence[Run]) -> None:
    """Draw the button that has the matrices of runs computed and, once it is clicked, the matrices."""
    st.caption("Confusion matrices: which classes each network takes for which")
    shown = [run for run in runs if run.epoch >= 1][:MOST_MATRICES]
    ids = [run.id for run in shown]
    if not shown:
        st.info("None of these runs has been trained for an epoch.", icon=":material/info:")
        return
    if st.session_state.get(MATRICES_SHOWN) != ids:
        st.button(
            "Show confusion matrices" if len(shown) == len(runs) else f"Show the confusion matrices of {len(shown)} of the runs",
            key="show-confusion",
            icon=":material/background_dot_large:",
            help=f"Runs the test images through each network, in the background. At most {MOST_MATRICES} networks are shown.",
            on_click=lambda: st.session_state.update({MATRICES_SHOWN: ids}),
        )
        return
    lam = st.select_slider("λ of networks that serve every λ", TENTHS, 0.5, key="confusion-lam", width=320)
    found: list[tuple[Run, Background[Atlas]]] = []
    for run in shown:
        try:
            sha256, model = state.network(run)
            samples = samples_of(run, model)
            if samples.replaced:
                raise UserError(samples.replaced)
            found.append((run, background_atlas(run, sha256, model, samples)))
        except (UserError, OSError) as error:
            st.warning(f"{plain(run.name)}: {plain(str(error))}", icon=":material/cloud_off:")
    growing = any(job.look() and job.growing for _, job in found)
    st.fragment(_matrices, run_every=LOOK_SECONDS if growing else None)(found, lam, growing)


def _matrices(found: "Sequence[tuple[Run, Background[Atlas]]]", lam: float, polling: bool) -> None:
    """Draw the matrices as far as they are known."""
    for start in range(0, len(found), MATRICES_PER_ROW):
        for column, (run, job) in zip(st.columns(MATRICES_PER_ROW, gap="large"), found[start : start + MATRICES_PER_ROW], strict=False):
            atlas = job.look()
            with column:
                done = f"{len(atlas)} test images" if len(atlas) == atlas.total else f"the first {len(atlas)} of {atlas.total} test images"
                at = round(lam * (len(atlas.lams) - 1))
                accuracy = f", {atlas.right[:, at][atlas.known].mean():.1%} right" if len(atlas) else ""
                st.markdown(f"**{plain(run.name)}**")
                st.caption(done + accuracy)
                if len(atlas):
                    st.plotly_chart(confusion_chart(atlas, at), key=f"confusion-{run.id}", config=PLAIN_CHART)
    if polling and not any(job.growing for _, job in found):
        st.rerun()  # the page is drawn once more, without looks at the atlases
