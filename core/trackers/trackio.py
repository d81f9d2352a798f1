"""Trackio, which keeps its figures in files of this computer or in a Space of the Hugging Face Hub."""

from collections.abc import Mapping
from typing import Any

from core.store import Run
from core.trackers import TRACKED_PROJECT, Ending, Tracker, identity, settings_of


class TrackioTracker(Tracker):
    """A run of Trackio, grouped by its sweep. TRACKIO_* variables choose the folder or the Space."""

    package = "trackio"

    def __init__(self, library: Any, run: Run) -> None:
        """Open the run. Trackio resumes a run by its name, so the name ends with the run's identity."""
        name = f"{run.name} {identity(run)}"
        self._run = library.init(project=TRACKED_PROJECT, name=name, group=run.sweep, config=settings_of(run), resume="allow")
        self._library = library

    def log(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Add the metrics of an epoch."""
        self._library.log(dict(figures), step=epoch)

    def end(self, ending: Ending, epoch: int, figures: Mapping[str, float]) -> None:
        """Add the figures and close the run."""
        if figures:
            self.log(epoch, figures)
        self._library.finish()
