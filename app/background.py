"""Surveys of test images in the background, one per network and set of images, while a page looks at them."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import streamlit as st

from app import state
from core.store import Run

if TYPE_CHECKING:
    from core.explain.model import ImageTensor, Model
    from core.explain.survey import Survey

BUDGET_SECONDS = 60.0  # seconds of computation for one survey
WATCHED_SECONDS = 8.0  # seconds after which a survey rests that no page has looked at
NICENESS = 10  # of the thread, against the pages' own

_turn = threading.Lock()  # one chunk of images is executed at a time


class BackgroundSurvey:
    """A survey that grows while it is looked at."""

    def __init__(self, surveys: "Iterator[Survey]", first: "Survey") -> None:
        self._surveys = surveys
        self._known = first
        self._lock = threading.Lock()
        self._looked = 0.0
        self._thread: threading.Thread | None = None
        self._failed = False

    def look(self) -> "Survey":
        """Return what is known, and go on in the background where there is more to find out."""
        with self._lock:
            self._looked = time.monotonic()
            if not self._known.complete and not self._failed and (self._thread is None or not self._thread.is_alive()):
                self._thread = threading.Thread(target=self._work, daemon=True)
                self._thread.start()
            return self._known

    @property
    def growing(self) -> bool:
        """Whether more will be known later."""
        return not self._known.complete and not self._failed

    def wait(self, seconds: float) -> None:
        """Wait at most so long for the thread to end."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _work(self) -> None:
        if sys.platform == "linux":
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)  # of this thread alone
        try:
            while not self._known.complete and time.monotonic() - self._looked < WATCHED_SECONDS:
                with _turn:
                    self._known = next(self._surveys)
        except BaseException:
            self._failed = True  # the pages show what is known so far
            raise


def background_survey(run: Run, sha256: str, images: "ImageTensor", labels: list[str | None]) -> BackgroundSurvey:
    """Return the survey of a network on images (N, C, H, W) of these classes; it begins when it is first looked at."""
    found: BackgroundSurvey = _survey(state.store().url, run.id, sha256, run.dataset, len(images), state.model(run, sha256), images, labels)
    return found


@st.cache_resource(max_entries=2 * state.MODELS, show_spinner=False)
def _survey(
    url: str, run_id: int, sha256: str, dataset: str, count: int, _model: "Model", _images: "ImageTensor", _labels: list[str | None]
) -> BackgroundSurvey:
    from core.explain.survey import Survey, survey

    return BackgroundSurvey(survey(_model, _images, _labels, BUDGET_SECONDS), Survey((), len(_images)))
