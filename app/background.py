"""Surveys of test images in the background, one per network and set of images, while a page looks at them."""

import logging
import threading
import time
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import streamlit as st

from app import state
from app.computing import QUEUE, SURVEY, Computation
from core.store import Run

if TYPE_CHECKING:
    from core.explain.model import ImageTensor, Model
    from core.explain.survey import Survey

BUDGET_SECONDS = 60.0  # seconds of computation for one survey
WATCHED_SECONDS = 8.0  # seconds after which a survey rests that no page has looked at


class BackgroundSurvey:
    """A survey that grows while it is looked at."""

    def __init__(self, surveys: "Iterator[Survey]", first: "Survey") -> None:
        self._surveys = surveys
        self._known = first
        self._lock = threading.Lock()
        self._looked = 0.0
        self._computation: Computation[None] | None = None

    def look(self) -> "Survey":
        """Return what is known, and go on in the background where there is more to find out."""
        with self._lock:
            self._looked = time.monotonic()
            if self.growing and (self._computation is None or self._computation.ended.is_set()):
                self._computation = QUEUE.add(Computation(self._steps, SURVEY))
            return self._known

    @property
    def growing(self) -> bool:
        """Whether more will be known later. After an error the pages keep what is known."""
        return not self._known.complete and (self._computation is None or self._computation.error is None)

    def wait(self, seconds: float) -> None:
        """Wait at most so long for the computation to end."""
        if self._computation is not None:
            self._computation.ended.wait(seconds)

    def _steps(self) -> Generator[None, None, None]:
        try:
            while not self._known.complete and time.monotonic() - self._looked < WATCHED_SECONDS:
                self._known = next(self._surveys)
                yield
        except Exception:
            logging.getLogger(__name__).exception("A survey of test images has ended early")
            raise


def background_survey(run: Run, sha256: str, images: "ImageTensor", labels: list[str | None]) -> BackgroundSurvey:
    """Return the survey of a network on images (N, C, H, W) of these classes; it begins when it is first looked at."""
    found: BackgroundSurvey = _survey(state.store().url, run.id, sha256, run.dataset, len(images), state.model(run, sha256), images, labels)
    return found


@st.cache_resource(max_entries=2 * state.SAMPLE_SETS, show_spinner=False)
def _survey(
    url: str, run_id: int, sha256: str, dataset: str, count: int, _model: "Model", _images: "ImageTensor", _labels: list[str | None]
) -> BackgroundSurvey:
    from core.explain.survey import Survey, survey

    return BackgroundSurvey(survey(_model, _images, _labels, BUDGET_SECONDS), Survey((), len(_images)))
