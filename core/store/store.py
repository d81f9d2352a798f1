"""The store: the runs of the database together with their weights, and the runs that ship with the project."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select

from core.store.catalogue import REFERENCE, found
from core.store.database import StoreError
from core.store.lifecycle import Lifecycle, draw, mine
from core.store.models import Base, Checkpoint, Point, Run, now, plain
from core.store.weights import Weights, file_errors

Curve = Mapping[str, Sequence[tuple[float, float]]]  # of each name, its (epoch, value)


class Store(Lifecycle):
    """The runs, their curves and their weights. Safe to use from several threads and processes at once.

    Every method that takes a run raises StoreError if there is no such run. Runs and checkpoints are handed out detached: as they were.
    """

    def __init__(self, url: str | None = None) -> None:
        """Opens, and makes or upgrades where needed. Without `url`: the environment's GATESCOPE_DB, else runs.db at the project's root.

        Raises StoreError if the database cannot be opened or is newer than this code.
        """
        super().__init__(url)
        self.weights = Weights(self.location)

    def save(self, run_id: int, epoch: int, tensors: bytes) -> Checkpoint:
        """Keeps the weights, a safetensors file's bytes, in place of earlier ones. A crash on the way leaves those usable.

        Raises StoreError if the file cannot be written.
        """
        self.run(run_id)
        with file_errors(self.weights.folder):
            file = self.weights.write(run_id, epoch, tensors)
        sha256 = hashlib.sha256(tensors).hexdigest()
        checkpoint = Checkpoint(run_id=run_id, epoch=epoch, file=file, sha256=sha256, size=len(tensors))
        with self.write(durable=True) as session:
            found(session, run_id)
            session.execute(delete(Checkpoint).where(Checkpoint.run_id == run_id))
            session.add(checkpoint)
        with file_errors(self.weights.folder):
            self.weights.keep(run_id, file)
        return checkpoint

    def latest(self, run_id: int) -> tuple[Checkpoint, Path] | None:
        """The newest checkpoint whose file is whole, and where it lies; none if there is no such file."""
        with self.read() as session:
            found(session, run_id)
            checkpoints = list(session.scalars(select(Checkpoint).where(Checkpoint.run_id == run_id).order_by(Checkpoint.id.desc())))
        with file_errors(self.weights.folder):
            whole = (item for item in checkpoints if self.weights.intact(item.file, item.sha256))
            return next(((item, self.weights.path(item.file)) for item in whole), None)

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

    def add_reference(
        self,
        name: str,
        config: dict[str, Any],
        *,
        architecture: str,
        dataset: str,
        method: str,
        lam: float | None,
        seed: int,
        epochs: int,
        image: Sequence[int],
        classes: Sequence[str],
        figures: Mapping[str, Any],
        curve: Curve,
        file: Path | str,
        sha256: str,
    ) -> Run:
        """A finished run that ships with the project. Changes nothing if it is there as described, also where the user deleted it.

        Notes, tags and deletion are the user's and outlast an update. Raises StoreError if the file is missing or the name is
        not one of a reference.
        """
        path = Path(file).absolute()
        if not name.startswith(REFERENCE):
            raise StoreError(f"the name {name!r} of a run that ships with the project must begin with {REFERENCE}")
        if not path.is_file():
            raise StoreError(f"the weights of {name} are missing: {path}")
        columns: dict[str, Any] = {"config": config, "architecture": architecture, "dataset": dataset, "method": method, "lam": lam}
        columns |= {
            "seed": seed,
            "epochs": epochs,
            "epoch": float(epochs),
            "image": list(image),
            "classes": list(classes),
            "figures": dict(figures),
        }
        weights = {"file": str(path), "sha256": sha256, "size": path.stat().st_size, "epoch": epochs}
        return self._put_reference(name, columns, weights, curve)

    def _put_reference(self, name: str, columns: dict[str, Any], weights: dict[str, Any], curve: Curve) -> Run:
        by_name = select(Run).where(Run.name == name, Run.reference)
        with self.read() as session:
            run = session.scalar(by_name)
            if run and same(run, columns) and same(session.scalar(select(Checkpoint).where(Checkpoint.run_id == run.id)), weights):
                return run
        with self.write() as session:
            run = session.scalar(by_name) or Run(name=name, reference=True, status="finished", finished=now())
            for column, value in columns.items():
                setattr(run, column, value)
            session.add(run)
            session.flush()
            for table in (Checkpoint, Point):
                session.execute(delete(table).where(table.run_id == run.id))
            session.add(Checkpoint(run_id=run.id, **weights))
            draw(session, run.id, ((line, epoch, value) for line, points in curve.items() for epoch, value in points))
            session.refresh(run)
        return run


def same(row: Base | None, columns: Mapping[str, Any]) -> bool:
    """Whether a row holds these values already."""
    return row is not None and all(getattr(row, column) == plain(value) for column, value in columns.items())
