"""`stop`: stop a training that runs in another process."""

import shlex

from core.cli.options import Database, RunName, opened
from core.cli.output import say


def stop(run: RunName, db: Database = None) -> None:
    """Ask the process that trains a run to stop after this step."""
    store = opened(db, run, writes=True)
    training = store.runs.get(run)
    store.lifecycle.request_stop(training.id)
    say(f"Asked run {training.name} to stop. `python -m core resume {shlex.quote(training.name)}` continues it.")
