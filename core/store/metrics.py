"""The curves of a run: one point per metric and epoch."""

import math
from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from core.store.database import Database
from core.store.models import MetricPoint, Run
from core.store.runs import find

History = Mapping[str, Sequence[tuple[float, float]]]  # of each metric, its (epoch, value)


class Metrics:
    """The metrics of the runs. Every method raises StoreError if there is no such run."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def log(self, run_id: int, epoch: float, values: Mapping[str, float]) -> None:
        """Add one point to each named metric, in place of one at the same epoch, and advance the run to this epoch."""
        with self._database.write() as session:
            log_values(session, find(session, run_id), epoch, values)

    def history(self, run_id: int) -> dict[str, list[tuple[float, float]]]:
        """Return each metric's (epoch, value), ordered by epoch."""
        lines: dict[str, list[tuple[float, float]]] = {}
        with self._database.read() as session:
            find(session, run_id)
            columns = MetricPoint.name, MetricPoint.epoch, MetricPoint.value
            for name, epoch, value in session.execute(select(*columns).where(MetricPoint.run_id == run_id).order_by(*columns[:2])):
                if not isinstance(epoch, float) or not isinstance(value, float | None):
                    continue  # a damaged row
                lines.setdefault(name, []).append((epoch, math.nan if value is None else value))
        return lines

    def names(self, run_ids: Sequence[int]) -> list[str]:
        """Return the names of the metrics of these runs, in the order of the alphabet. A run that is not there has none."""
        with self._database.read() as session:
            found = session.scalars(select(MetricPoint.name).where(MetricPoint.run_id.in_(run_ids)).distinct())
            return sorted(name for name in found if isinstance(name, str))

    def latest(self, name: str) -> dict[int, float]:
        """Return the last value of one metric of each run that has it, by the run's id. NaN is left out."""
        last = select(MetricPoint.value).where(MetricPoint.run_id == Run.id, MetricPoint.name == name)
        value = last.order_by(MetricPoint.epoch.desc()).limit(1).scalar_subquery()
        with self._database.read() as session:
            rows = session.execute(select(Run.id, value))
            return {number: found for number, found in rows if isinstance(found, float)}


def log_values(session: Session, run: Run, epoch: float, values: Mapping[str, float]) -> None:
    """Advance a run to an epoch and put the metrics' points there in place of earlier ones."""
    run.epoch = float(epoch)
    at_epoch = (MetricPoint.run_id == run.id, MetricPoint.epoch == float(epoch), MetricPoint.name.in_(values))
    session.execute(delete(MetricPoint).where(*at_epoch))
    add_history(session, run.id, {name: [(epoch, value)] for name, value in values.items()})


def add_history(session: Session, run_id: int, history: History) -> None:
    """Add the points of a history to a run that has none of them."""
    rows = [
        {"run_id": run_id, "name": name, "epoch": float(epoch), "value": None if math.isnan(value) else float(value)}
        for name, epoch, value in _points(history)
    ]
    if rows:
        session.execute(insert(MetricPoint), rows)


def _points(history: History) -> Iterator[tuple[str, float, float]]:
    return ((name, epoch, value) for name, points in history.items() for epoch, value in points)
