"""The cheapest λ that is still right, over the test images of a network."""

from typing import TYPE_CHECKING

import streamlit as st

from app.background import background_survey
from app.charts.cheapest import accuracy_chart, cheapest_right_chart
from app.samples import POLL_SECONDS, samples_of
from app.wording import percent, plain
from core.errors import UserError
from core.store import Run

if TYPE_CHECKING:
    from app.background import Background
    from app.samples import Samples
    from core.explain.model import Model
    from core.explain.survey import Survey

PLOT = {"displayModeBar": False}
TITLE = "Cheapest right λ over the test images"


def cheapest_over_images(run: Run, sha256: str, model: "Model") -> None:
    """Offer a chart of the cheapest λ at which each test image is right, which fills while the images are run."""
    if not model.graph.tradeoff.every_lam:
        return
    try:
        samples = samples_of(run, model)
    except UserError as error:
        reason = str(error)
    else:
        if not samples.replaced:
            job = background_survey(run, sha256, samples.images, samples.labels)
            with st.popover(TITLE, icon=":material/bar_chart:", width="content"):
                st.fragment(_chart, run_every=POLL_SECONDS if job.growing else None)(samples, job)
            return
        reason = samples.replaced
    if rows := run.figures.get("test"):
        with st.popover(TITLE, icon=":material/bar_chart:", width="content"):
            st.markdown(f"The test images are not on this computer: {plain(reason)}")
            st.markdown("From the stored figures: the share of the test images that are answered rightly at each λ.")
            st.plotly_chart(accuracy_chart(rows), key="stored-accuracy", config=PLOT)


def _chart(samples: "Samples", job: "Background[Survey]") -> None:
    """Draw what is known so far."""
    survey = job.look()
    if job.growing:
        st.progress(len(survey.images) / max(survey.total, 1), f"{len(survey.images)} of {survey.total} test images")
    if not survey.images:
        return
    counts, never = survey.cheapest_right_counts()
    total = sum(counts) + never
    if not total:
        return
    least = percent(counts[0] / total)
    of = "all" if len(survey.images) == survey.total else "the first"
    st.markdown(
        f"Of {of} {total} test images, {least} are right at λ = {survey.lams[0]:g} already, {percent(never / total)} at no λ. "
        "For the others, a higher λ buys the right answer."
    )
    st.plotly_chart(cheapest_right_chart(survey.lams, counts, never), key="cheapest-right", config=PLOT)
    st.caption("λ in steps of 0.1. Of several λ at which an image is right, the one at which it costs least counts.")
