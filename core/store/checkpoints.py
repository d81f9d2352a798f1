"""Runs and their weights: each checkpoint's row, file, points of the curve and figures belong together and outlive a crash together."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.store.catalogue import found
from core.store.database import StoreError
from core.store.lifecycle import Lifecycle, end, mark, mine
from core.store.models import Checkpoint
from core.store.weights import Weights, file_errors

Found = TypeVar("Found")


class Checkpoints(Lifecycle):
    """The runs of a database with their weights. Every method that takes a run raises StoreError if there is no such run."""

    def __init__(self, url: str | None = None) -> None:
        """Opens, and makes or upgrades where needed. Without `url`: the environment's GATESCOPE_DB, else runs.db at the project's root.

        Raises StoreError if the database cannot be opened or is newer than this code.
        """
        super().__init__(url)
        self.weights = Weights(self.location)

    def save(
        self, run_id: int, epoch: int, tensors: bytes, *, figures: Mapping[str, float] | None = None, seconds: float = 0.0
    ) -> Checkpoint:
        """Keeps the weights, a safetensors file's bytes, with the curves' points at their epoch and the seconds it took since the last.

        All of it is kept or nothing. The checkpoint before stays, for whoever is reading it; older ones go. Raises StoreError if the
        file cannot be written.
        """
        self.run(run_id)
        checkpoint = self._written(run_id, epoch, tensors)
        with self.write(durable=True) as session:
            run = found(session, run_id)
            mark(session, run, epoch, figures or {})
            run.seconds += seconds
            files = put(session, checkpoint, spared=1)
        self.weights.keep(run_id, files)
        return checkpoint

    def finish(self, run_id: int, figures: Mapping[str, Any], *, weights: bytes | None = None, epoch: int | None = None) -> None:
        """Ends a run that is trained, with its final figures and, in place of all checkpoints, its final weights: both or neither.

        Does nothing if another process trains the run or has finished it. Raises StoreError if the file cannot be written.
        """
        last = self.run(run_id).epochs if epoch is None else epoch
        checkpoint = None if weights is None else self._written(run_id, last, weights)
        with self.write(durable=True) as session:
            run = end(session, run_id, "finished", figures=dict(figures))
            if run is None or checkpoint is None:
                return
            run.epoch = float(last)
            files = put(session, checkpoint, spared=0)
        self.weights.keep(run_id, files)

    def latest(self, run_id: int) -> tuple[Checkpoint, Path] | None:
        """The newest checkpoint whose file is whole, and where it lies; none if there is none. To read it, `read_weights` is safer."""
        return self._newest(run_id, self.weights.intact)

    def read_weights(self, run_id: int) -> tuple[Checkpoint, bytes] | None:
        """The newest checkpoint whose file is whole, and its contents; none if there is none. Also while the run is being trained."""
        return self._newest(run_id, self.weights.read)

    def purge(self, run_id: int) -> None:
        """Removes a run for good, with its curve and its files. Raises StoreError if it is being trained or ships with the project."""
        with self.write() as session:
            run = found(session, run_id)
            if run.reference:
                raise StoreError(f"run {run.name} ships with the project and would come back: delete it instead")
            if run.state == "running" and not mine(run):
                raise StoreError(f"run {run.name} is being trained: stop it first")
            session.delete(run)
        with file_errors(self.weights.folder):
            self.weights.remove(run_id)

    def _newest(self, run_id: int, look: Callable[[str, str], Found | None]) -> tuple[Checkpoint, Found] | None:
        """The newest checkpoint for whose file and hash `look` finds something. Looks again where there are others by then."""
        seen: list[tuple[int, str]] = []
        while True:
            with self.read() as session:
                found(session, run_id)
                query = select(Checkpoint).where(Checkpoint.run_id == run_id).order_by(Checkpoint.id.desc())
                checkpoints = list(session.scalars(query))
            there = [(checkpoint.id, checkpoint.sha256) for checkpoint in checkpoints]
            if there == seen:
                return None
            for checkpoint in checkpoints:
                with file_errors(self.weights.folder):
                    result = look(checkpoint.file, checkpoint.sha256)
                if result is not None:
                    return checkpoint, result
            seen = there

    def _written(self, run_id: int, epoch: int, tensors: bytes) -> Checkpoint:
        """A checkpoint whose file is on the disk and whose row is still to be added."""
        with file_errors(self.weights.folder):
            file = self.weights.write(run_id, epoch, tensors)
        return Checkpoint(run_id=run_id, epoch=epoch, file=file, sha256=hashlib.sha256(tensors).hexdigest(), size=len(tensors))


def put(session: Session, checkpoint: Checkpoint, *, spared: int) -> list[str]:
    """Adds a checkpoint and removes those of its run before it but the last `spared`. Returns the files that are still needed."""
    session.add(checkpoint)
    session.flush()  # before the others go: their numbers are not given again, so the highest is the newest
    query = select(Checkpoint).where(Checkpoint.run_id == checkpoint.run_id).order_by(Checkpoint.id.desc())
    newest = list(session.scalars(query))
    for old in newest[1 + spared :]:
        session.delete(old)
    return [kept.file for kept in newest[: 1 + spared]]
