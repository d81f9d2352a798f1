"""`resume`: continue a training."""

from core.cli.options import AsJson, Database, RunName, opened
from core.cli.train import train_run


def resume(run: RunName, db: Database = None, as_json: AsJson = False) -> None:
    """Continue a run from its last checkpoint.

    The run was stopped or interrupted, or it failed.
    """
    store = opened(db, run)
    train_run(store, store.runs.get(run), as_json=as_json)
