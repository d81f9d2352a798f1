"""Runs that arrive trained: imported from a file, or shipped with the project."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select

from core.store.checkpoints import Checkpoints
from core.store.database import Database, StoreError
from core.store.metrics import History, add_history
from core.store.models import Base, Checkpoint, MetricPoint, Run, now, plain
from core.store.record import TrainedRecord
from core.store.runs import REFERENCE, checked_name
from core.store.weights import Weights, shipped_name


class Imports:
    """Adds finished runs that were trained elsewhere."""

    def __init__(self, database: Database, weights: Weights, checkpoints: Checkpoints) -> None:
        self._database = database
        self._weights = weights
        self._checkpoints = checkpoints

    def add(self, name: str, record: TrainedRecord, *, history: History, tensors: bytes) -> Run:
        """Add a finished run with its metrics and its weights, all or nothing.

        Raises StoreError if the name is taken or not allowed, or if the file cannot be written.
        """
        with self._database.write(durable=True) as session:
            own, finished = checked_name(session, name), now()
            run = Run(**record.columns(), name=own, status="finished", finished=finished, epoch=float(record.epochs))
            session.add(run)
            session.flush()
            try:
                session.add(self._checkpoints.write_file(run.id, run.epochs, tensors))
                add_history(session, run.id, history)
                session.flush()
            except BaseException:
                with suppress(OSError):
                    self._weights.remove(run.id)  # while no other process can be given this id
                raise
            session.refresh(run)
        return run

    def put_reference(self, name: str, record: TrainedRecord, *, history: History, file: Path, sha256: str) -> Run:
        """Add a finished run that ships with the project, or bring it up to date; also if the user deleted it.

        Writes nothing if nothing has changed. Notes, tags and deletion are the user's and stay. Raises StoreError if the file is
        missing, or if the name does not begin with "reference/".
        """
        path = file.absolute()
        if not name.startswith(REFERENCE):
            raise StoreError(f"the name {name!r} of a run that ships with the project must begin with {REFERENCE}")
        if not path.is_file():
            raise StoreError(f"the weights of {name} are missing: {path}")
        columns = record.columns() | {"epoch": float(record.epochs)}
        weights = {"file": shipped_name(path), "sha256": sha256, "size": path.stat().st_size, "epoch": record.epochs}
        by_name = select(Run).where(Run.name == name, Run.reference)
        with self._database.read() as session:
            run = session.scalar(by_name)
            if run and same(run, columns) and same(session.scalar(select(Checkpoint).where(Checkpoint.run_id == run.id)), weights):
                return run
        with self._database.write(shipped=True, alone=True) as session:
            run = session.scalar(by_name) or Run(name=name, reference=True, status="finished", finished=now())
            for column, value in columns.items():
                setattr(run, column, value)
            session.add(run)
            session.flush()
            for table in (Checkpoint, MetricPoint):
                session.execute(delete(table).where(table.run_id == run.id))
            session.add(Checkpoint(run_id=run.id, **weights))
            add_history(session, run.id, history)
            session.refresh(run)
        return run


def same(row: Base | None, columns: Mapping[str, Any]) -> bool:
    """Return whether a row holds these values already."""
    return row is not None and all(getattr(row, column) == plain(value) for column, value in columns.items())
