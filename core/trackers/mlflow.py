"""MLflow. A run is found again by its tag, since the server chooses the ids."""

import re
from collections.abc import Mapping
from typing import Any

from core.store import Run
from core.trackers import TRACKED_PROJECT, Ending, Tracker, identity, settings_of

STATUSES: dict[Ending, str] = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}
NOT_IN_NAMES = re.compile(r"[^/\w.\- :]")  # what MLflow does not take in a metric's name
LONGEST_VALUE = 500  # characters of a setting's value


class MlflowTracker(Tracker):
    """A run of MLflow, in the experiment of the project. MLFLOW_TRACKING_URI chooses the server or the database."""

    package = "mlflow"

    def __init__(self, library: Any, run: Run) -> None:
        """Open the run, or the one that has its tag."""
        self._client = library.MlflowClient()
        experiment = library.set_experiment(TRACKED_PROJECT).experiment_id
        found = self._client.search_runs([experiment], f"tags.{TRACKED_PROJECT} = '{identity(run)}'", max_results=1)
        if found:
            self._id = found[0].info.run_id
            self._client.update_run(self._id, status="RUNNING")
            return
        tags = {TRACKED_PROJECT: identity(run), "sweep": run.sweep or "", "tags": ", ".join(run.tags or [])}
        self._id = self._client.create_run(experiment, run_name=run.name, tags=tags).info.run_id
        for name, value in settings_of(run).items():
            self._client.log_param(self._id, name, str(value)[:LONGEST_VALUE])

    def log(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Add the metrics of an epoch, under names that MLflow takes: "val accuracy at λ=0.5" becomes "val accuracy at λ 0.5"."""
        for name, value in figures.items():
            self._client.log_metric(self._id, NOT_IN_NAMES.sub(" ", name), value, step=epoch)

    def end(self, ending: Ending, epoch: int, figures: Mapping[str, float]) -> None:
        """Add the figures and close the run."""
        self.log(epoch, figures)
        self._client.set_terminated(self._id, status=STATUSES[ending])
