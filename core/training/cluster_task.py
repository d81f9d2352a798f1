"""What a process of a Ray cluster does: it trains one run, with images that it shares with the other processes of its machine."""

import random
import time
import traceback
import warnings
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import torch

from core.datasets import Data, Split
from core.errors import UserError
from core.store import Store, StoreError
from core.store.database import LOCK_SECONDS
from core.store.models import SILENCE
from core.training.sweep import POLL
from core.training.worker import work

PARTS_OF_DATA = ("train", "val", "test")


def packed_data(data: Data) -> dict[str, Any]:
    """Return images and classes as arrays, which processes of a machine share without a copy of their own."""
    arrays = {f"{split}_{name}": getattr(getattr(data, split), name).numpy() for split in PARTS_OF_DATA for name in ("images", "labels")}
    return arrays | {"classes": data.classes, "fingerprint": data.fingerprint, "notes": data.notes}


def unpacked_data(packed: Mapping[str, Any]) -> Data:
    """Return the images of `packed_data`. They are shared with other processes and must not be written."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        splits = {split: Split(*(torch.from_numpy(packed[f"{split}_{name}"]) for name in ("images", "labels"))) for split in PARTS_OF_DATA}
    return Data(**splits, classes=packed["classes"], fingerprint=packed["fingerprint"], notes=packed["notes"])


def train_run(url: str, run_id: int, packed: Mapping[str, Any], log: str | None = None, queued: bool = False) -> None:
    """Train a run in this process of a cluster, from its last checkpoint if it has one. Its errors are kept in its row.

    `queued`: whether it had not begun when it was sent; if it was stopped since then, it is not trained.
    """
    store = _opened(url)
    try:
        if not (queued and store.runs.get(run_id).state == "stopped") and _is_free(store, run_id):
            work(store, run_id, data=unpacked_data(packed), log=log)
    except UserError as error:
        with suppress(StoreError):
            store.lifecycle.note(run_id, error)
    except Exception:  # stored as well: another process would meet it again
        traceback.print_exc()
    finally:
        store.close()


def _opened(url: str) -> Store:
    """Open the store, whose server may have no connection left for a while. Raises StoreError after LOCK_SECONDS."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return Store(url)
        except StoreError:
            if time.monotonic() > deadline:
                raise
        time.sleep(random.uniform(0.5, 1.5) * POLL)


def _is_free(store: Store, run_id: int) -> bool:
    """Return whether a run may be claimed. Wait for that where a process trained it that was killed on another machine.

    Such a process is silent; one whose heartbeats go on trains the run to its end.
    """
    run = before = store.runs.get(run_id)
    deadline = time.monotonic() + 2 * SILENCE.total_seconds()
    while run.state == "running" and not run.owned and run.heartbeat == before.heartbeat and time.monotonic() < deadline:
        time.sleep(POLL)
        run = store.runs.get(run_id)
    return run.state not in ("running", "finished") or (run.state == "running" and run.owned)
