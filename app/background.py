"""Computations over test images in the background, whose growing results pages look at: surveys, one per network and set of images."""

import logging
import threading
import time
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import streamlit as st

from app import state
from app.computing import QUEUE, SURVEY, Computation
from core.store import Run

if TYPE_CHECKING:
    from core.explain.model import ImageTensor, Model
    from core.explain.survey import Survey

BUDGET_SECONDS = 60.0  # seconds of computation for one survey
WATCHED_SECONDS = 8.0  # seconds after which a survey rests that no page has looked at


class Growing(Protocol):
    """A result that is complete or will grow."""

    @property
    def complete(self) -> bool: ...


Result = TypeVar("Result", bound=Growing)


class Background(Generic[Result]):
    """A result that grows: as long as a page has looked at it within `watched` seconds. `first` is known at once."""

    def __init__(self, results: Iterator[Result], first: Result, watched: float = WATCHED_SECONDS) -> None:
        self._results = results
        self._known = first
        self._watched = watched
        self._lock = threading.Lock()
        self._looked = 0.0
        self._computation: Computation[None] | None = None

    def look(self) -> Result:
        """Return what is known, and go on in the background where there is more to find out."""
        with self._lock:
            self._looked = time.monotonic()
            if self.growing and (self._computation is None or self._computation.ended.is_set()):
                self._computation = QUEUE.add(Computation(self._steps, SURVEY))
            return self._known

    @property
    def growing(self) -> bool:
        """Whether more will be known later. After an error the pages keep what is known."""
        return not self._known.complete and self.error is None

    @property
    def error(self) -> BaseException | None:
        """What ended the computation early, if anything did."""
        return None if self._computation is None else self._computation.error

    def wait(self, seconds: float) -> None:
        """Wait at most so long for the computation to end."""
        if self._computation is not None:
            self._computation.ended.wait(seconds)

    def _steps(self) -> Generator[None, None, None]:
        try:
            while not self._known.complete and time.monotonic() - self._looked < self._watched:
                self._known = next(self._results)
                yield
        except Exception:
            logging.getLogger(__name__).exception("A computation over test images has ended early")
            raise


def background_survey(run: Run, sha256: str, images: "ImageTensor", labels: list[str | None]) -> "Background[Survey]":
    """Return the survey of a network on images (N, C, H, W) of these classes; it begins when it is first looked at."""
    found: Background[Survey] = _survey(
        state.store().url, run.id, sha256, run.dataset, len(images), state.model(run, sha256), images, labels
    )
    return found


@st.cache_resource(max_entries=2 * state.SAMPLE_SETS, show_spinner=False)
def _survey(
    url: str, run_id: int, sha256: str, dataset: str, count: int, _model: "Model", _images: "ImageTensor", _labels: list[str | None]
) -> "Background[Survey]":
    from core.explain.survey import Survey, survey

    return Background(survey(_model, _images, _labels, BUDGET_SECONDS), Survey((), len(_images)))
