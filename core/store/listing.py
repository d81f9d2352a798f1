"""The list of runs, kept in memory: a look at it reads the rows that have changed since the last one, and no others."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Column, ColumnElement, Row, Text, cast, literal_column, select

from core.store.database import Database
from core.store.models import PlainJSON, Run

LARGE = ("config", "image", "classes", "figures")  # columns that change only together with others
MANY = 500  # ids in one query
MARKING: list[Any] = [column for column in Run.__table__.columns if column.name not in LARGE]


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
        with self._database.read() as session, _no_collection():
            columns: list[Any] = [literal_column("runs.id"), *map(_raw, MARKING)]
            rows: list[Row[Any]] = list(session.execute(select(*columns).select_from(Run.__table__)))
            marks = {row[0]: tuple(row) for row in rows}
            changed = [number for number, mark in marks.items() if number not in self._known or self._known[number][0] != mark]
            for start in range(0, len(changed), MANY):
                for run in session.scalars(select(Run).where(Run.id.in_(changed[start : start + MANY]))):
                    self._known[run.id] = (marks[run.id], run)
        if len(changed) >= MANY:
            gc.collect()
            gc.freeze()  # what is kept for long is not looked through again and again
        self._known = {number: known for number, known in self._known.items() if number in marks}


def _raw(column: Column[Any]) -> ColumnElement[Any]:
    """Return a column as the database has it, JSON as text: it is compared and not read."""
    value: ColumnElement[Any] = literal_column(f"runs.{column.name}")
    return cast(value, Text) if isinstance(column.type, PlainJSON) else value


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep Python from looking for garbage while thousands of rows arrive, none of which is: that would take most of the time."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()
