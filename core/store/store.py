"""The store: the runs of the database together with their weights, and the runs that come trained: imported or with the project."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select

from core.store.catalogue import REFERENCE, checked_name
from core.store.checkpoints import Checkpoints
from core.store.database import StoreError
from core.store.lifecycle import draw
from core.store.models import Base, Checkpoint, MetricPoint, Run, now, plain

Curve = Mapping[str, Sequence[tuple[float, float]]]  # of each name, its (epoch, value)


class Store(Checkpoints):
    """The runs, their curves and their weights. Safe to use from several threads and processes at once.

    Every method that takes a run raises StoreError if there is no such run. Runs and checkpoints are handed out detached: as they were.
    """

    def add_trained(self, name: str, columns: Mapping[str, Any], *, curve: Curve, tensors: bytes) -> Run:
        """A finished run that was trained elsewhere, with its curve and its weights: all of it is added or nothing.

        `columns` are those of `Run` that describe it. Raises StoreError if the name is taken or cannot be one, or a file cannot be written.
        """
        with self.write(durable=True) as session:
            run = Run(name=checked_name(session, name), status="finished", finished=now(), epoch=float(columns["epochs"]), **columns)
            session.add(run)
            session.flush()
            try:
                session.add(self._written(run.id, run.epochs, tensors))
                draw(session, run.id, points_of(curve))
                session.flush()
            except BaseException:
                with suppress(OSError):
                    self.weights.remove(run.id)  # as long as no other process can be given this id
                raise
            session.refresh(run)
        return run

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
        seconds: float = 0.0,
        machine: str | None = None,
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
            "seconds": float(seconds),
            "machine": machine,
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
            for table in (Checkpoint, MetricPoint):
                session.execute(delete(table).where(table.run_id == run.id))
            session.add(Checkpoint(run_id=run.id, **weights))
            draw(session, run.id, points_of(curve))
            session.refresh(run)
        return run


def points_of(curve: Curve) -> Iterator[tuple[str, float, float]]:
    """All points of all curves, (name, epoch, value)."""
    return ((line, epoch, value) for line, points in curve.items() for epoch, value in points)


def same(row: Base | None, columns: Mapping[str, Any]) -> bool:
    """Whether a row holds these values already."""
    return row is not None and all(getattr(row, column) == plain(value) for column, value in columns.items())
