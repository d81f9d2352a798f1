"""`resume`: continue a training."""

from core.cli.options import AsJson, Database, Log, MovedData, RunName, opened
from core.cli.settings import moved_dataset
from core.cli.train import train_run
from core.config import run_config
from core.trackers import check_tracker


def resume(run: RunName, sets: MovedData = None, log: Log = None, db: Database = None, as_json: AsJson = False) -> None:
    """Continue a run from its last checkpoint.

    The run was stopped or interrupted, or it failed.
    """
    check_tracker(log)
    store = opened(db, run, writes=True)
    stored = store.runs.get(run)
    dataset = moved_dataset(run_config(**stored.config), sets) if sets else None
    train_run(store, stored, as_json=as_json, dataset=dataset, log=log)
