"""The queue of trainings that wait for their turn: which they are, in which order, and how many may train at once."""

import os
import socket
from datetime import timedelta

from sqlalchemy import Select, func, select

from core.store.database import Database, StoreError
from core.store.models import WAITING, Run, now
from core.store.runs import find

TRAININGS = "GATESCOPE_TRAININGS"  # environment variable: how many trainings of the queue run at once
BEFORE_ALL = timedelta(microseconds=1)  # by which a run comes before another
STARTING = timedelta(seconds=60)  # within which a process that was started should have claimed its run


def places() -> int:
    """Return how many trainings run at once: GATESCOPE_TRAININGS, else half of the processor's cores. Raises StoreError."""
    text = os.environ.get(TRAININGS, "")
    if not text:
        return max(1, (os.cpu_count() or 1) // 2)
    if not (text.isascii() and text.isdecimal() and 1 <= len(text) <= 4 and int(text)):
        raise StoreError(f"{TRAININGS} must be a whole number from 1 to 9999; not {text!r}")
    return int(text)


class TrainingQueue:
    """The runs that wait. They are rows of the database, so that the queue outlives the server and all of its sessions share it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, run_id: int) -> None:
        """Let a run wait for its turn behind the others. Raises StoreError if it cannot be trained, or trains already."""
        with self._database.write() as session:
            run = find(session, run_id)
            if run.reference or run.deleted or run.state in ("running", "finished"):
                raise StoreError(
                    f"run {run.name} cannot wait for training: it trains already, is finished, was deleted or is a shipped run"
                )
            if not run.waiting:
                run.status, run.activity, run.heartbeat = "queued", WAITING, now()
                run.stop_requested, run.error = False, None

    def waiting(self) -> list[Run]:
        """Return the runs that wait, the next one first."""
        with self._database.read() as session:
            return list(session.scalars(_waiting()))

    def put_first(self, run_id: int) -> None:
        """Let a run that waits be the next one. Does nothing if it does not wait any more. Raises StoreError if there is no such run."""
        with self._database.write(alone=True) as session:
            run = find(session, run_id)
            first = session.scalars(_waiting().limit(1)).first()
            if run.waiting and first is not None and first.id != run_id:
                run.heartbeat = (first.heartbeat or first.created) - BEFORE_ALL

    def take(self, places: int) -> list[int]:
        """Take the next runs out of the queue, as many as places are free, and return their ids: the caller starts their processes.

        A place of this computer is taken by a run that trains on it, and for a minute by one whose process was started and has not
        claimed it yet.
        """
        if not self.waiting():
            return []
        with self._database.write(alone=True) as session:
            active = session.scalars(select(Run).where(Run.status.in_(("queued", "running")))).all()
            here = socket.gethostname()
            free = places - sum((run.state == "running" and run.host == here) or starting(run) for run in active)
            taken = list(session.scalars(_waiting().limit(max(free, 0)).with_for_update()))
            for run in taken:
                run.activity, run.heartbeat = None, now()
        return [run.id for run in taken]


def starting(run: Run) -> bool:
    """Return whether a process was started for a run within the last minute and has not claimed it yet."""
    return run.status == "queued" and not run.pending and run.heartbeat is not None and now() - run.heartbeat < STARTING


def _waiting() -> Select[Run]:
    queued = Run.status == "queued", Run.activity == WAITING, Run.deleted.is_(None)
    return select(Run).where(*queued).order_by(func.coalesce(Run.heartbeat, Run.created), Run.id)
