"""The checkpoints of a run: each one's row, file and metrics belong together and survive a crash together.

A checkpoint of epoch 0 holds weights to begin with. It is removed as the others are, so a finished run keeps its final weights alone.
"""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.store.database import Database
from core.store.metrics import log_values
from core.store.models import Checkpoint
from core.store.runs import find
from core.store.weights import Weights, file_errors

Found = TypeVar("Found")


class Checkpoints:
    """The checkpoints of the runs. `save`, `latest` and `read` raise StoreError if there is no such run."""

    def __init__(self, database: Database, weights: Weights) -> None:
        self._database = database
        self._weights = weights

    def save(
        self, run_id: int, epoch: int, tensors: bytes, *, metrics: Mapping[str, float] | None = None, seconds: float = 0.0
    ) -> Checkpoint:
        """Save the weights with the metrics at their epoch, all or nothing, and return the checkpoint.

        `tensors`: the bytes of a safetensors file. `seconds`: training time since the previous checkpoint. The previous checkpoint stays
        for whoever is reading it; older ones are removed. Raises StoreError if the file cannot be written.
        """
        with self._database.read() as session:
            find(session, run_id)
        checkpoint = self.write_file(run_id, epoch, tensors)
        with self._database.write(durable=True) as session:
            run = find(session, run_id)
            log_values(session, run, epoch, metrics or {})
            run.seconds += seconds
            files = add_checkpoint(session, checkpoint, keep=1)
        self._weights.keep(run_id, files)
        return checkpoint

    def latest(self, run_id: int) -> tuple[Checkpoint, Path | str] | None:
        """Return the newest checkpoint of training whose file is intact, and its path, or its address in an object store; None without one.

        `read` is safer for reading it.
        """
        return self._newest(run_id, self._weights.intact)

    def read(self, run_id: int) -> tuple[Checkpoint, bytes] | None:
        """Return the newest checkpoint of training whose file is intact, and its contents; None without one. Safe during training."""
        return self._newest(run_id, self._weights.read)

    def initial(self, run_id: int) -> bytes | None:
        """Return the weights to begin with, those saved for epoch 0; None without any."""
        found = self._newest(run_id, self._weights.read, initial=True)
        return None if found is None else found[1]

    def write_file(self, run_id: int, epoch: int, tensors: bytes) -> Checkpoint:
        """Write the weights and return a checkpoint whose row is still to be added. Raises StoreError."""
        with file_errors(self._weights.address):
            file = self._weights.write(run_id, epoch, tensors)
        return Checkpoint(run_id=run_id, epoch=epoch, file=file, sha256=hashlib.sha256(tensors).hexdigest(), size=len(tensors))

    def _newest(
        self, run_id: int, look: Callable[[str, str, int], Found | None], *, initial: bool = False
    ) -> tuple[Checkpoint, Found] | None:
        """Return the newest checkpoint for whose file, hash and size `look` finds something. Look again if there are new ones by then."""
        seen: list[tuple[int, str]] = []
        while True:
            with self._database.read() as session:
                find(session, run_id)
                of_kind = Checkpoint.epoch == 0 if initial else Checkpoint.epoch > 0
                query = select(Checkpoint).where(Checkpoint.run_id == run_id, of_kind).order_by(Checkpoint.id.desc())
                checkpoints = list(session.scalars(query))
            present = [(checkpoint.id, checkpoint.sha256) for checkpoint in checkpoints]
            if present == seen:
                return None
            for checkpoint in checkpoints:
                with file_errors(self._weights.address):
                    result = look(checkpoint.file, checkpoint.sha256, checkpoint.size)
                if result is not None:
                    return checkpoint, result
            seen = present


def add_checkpoint(session: Session, checkpoint: Checkpoint, *, keep: int) -> list[str]:
    """Add a checkpoint and remove all earlier ones of its run but the last `keep`. Return the files that are still needed."""
    session.add(checkpoint)
    session.flush()  # before the others are removed: ids are not reused while it is there, so the highest id is the newest
    query = select(Checkpoint).where(Checkpoint.run_id == checkpoint.run_id).order_by(Checkpoint.id.desc())
    newest = list(session.scalars(query))
    for old in newest[1 + keep :]:
        session.delete(old)
    return [kept.file for kept in newest[: 1 + keep]]
