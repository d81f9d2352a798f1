"""`resume`: continue a training."""

from core.cli.options import AsJson, Database, RunName, opened
from core.cli.train import train_run


def resume(run: RunName, db: Database = None, as_json: AsJson = False) -> None:
    """Continue a run that was stopped or interrupted, or that failed, from its last checkpoint."""
    store = opened(db)
    train_run(store, store.run(run), as_json=as_json)
