"""The list of runs, kept in memory: a look at it reads the rows that have changed since the last one, and no others."""

import threading
from typing import Any

from sqlalchemy import Row, literal_column, select

from core.store.database import Database
from core.store.models import Run

LARGE = ("config", "image", "classes", "figures")  # columns that change only together with others
MANY = 500  # ids in one query


class RunListing:
    """The runs of a database for all threads of this process. The runs are shared: they must not be changed.

    Figures are written together with a run's state. Where only the figures of a run that ships with the project change, they are read
    once the process starts again.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[int, tuple[tuple[Any, ...], Run]] = {}  # by id, the small columns as they were, and the run
        self._lock = threading.Lock()

    def all(self, *, deleted: bool = False) -> list[Run]:
        """Return all runs as they are now, newest first. `deleted`: return the deleted ones instead. Raises StoreError."""
        with self._lock:
            self._look()
            runs = [run for _, run in self._known.values() if (run.deleted is not None) == deleted]
        return sorted(runs, key=lambda run: -run.id)

    def _look(self) -> None:
        small: list[Any] = [literal_column(f"runs.{column.name}") for column in Run.__table__.columns if column.name not in LARGE]
        with self._database.read() as session:
            rows: list[Row[Any]] = list(session.execute(select(literal_column("runs.id"), *small).select_from(Run.__table__)))
            marks = {row[0]: tuple(row) for row in rows}
            changed = [number for number, mark in marks.items() if number not in self._known or self._known[number][0] != mark]
            for start in range(0, len(changed), MANY):
                for run in session.scalars(select(Run).where(Run.id.in_(changed[start : start + MANY]))):
                    self._known[run.id] = (marks[run.id], run)
        self._known = {number: known for number, known in self._known.items() if number in marks}
