"""Weights & Biases. Metrics are drawn against the epoch, so that a resumed run continues its curves."""

from collections.abc import Mapping
from typing import Any

from core.store import Run
from core.trackers import TRACKED_PROJECT, Ending, Tracker, identity, settings_of


class WandbTracker(Tracker):
    """A run of Weights & Biases, grouped by its sweep. WANDB_* variables choose the account, the server, or offline files."""

    package = "wandb"

    def __init__(self, library: Any, run: Run) -> None:
        """Open the run. It is resumed by its id."""
        self._run = library.init(
            project=TRACKED_PROJECT,
            id=identity(run),
            name=run.name,
            group=run.sweep,
            tags=run.tags or None,
            config=settings_of(run),
            resume="allow",
        )
        self._run.define_metric("epoch")
        self._run.define_metric("*", step_metric="epoch")

    def log(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Add the metrics of an epoch."""
        self._run.log({**figures, "epoch": epoch})

    def end(self, ending: Ending, epoch: int, figures: Mapping[str, float]) -> None:
        """Put the figures into the summary and close the run; a failed one is marked as such."""
        self._run.summary.update({**figures, "ending": ending})
        self._run.finish(exit_code=int(ending == "failed"))
