"""What happens to a run: a process claims it, shows that it is alive, records its curve and ends it."""

import math
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from core.store.catalogue import Catalogue, found
from core.store.database import StoreError, one_line
from core.store.models import MetricPoint, Run, Status, now

SEVERAL = "several machines"  # what a run was trained on that changed its machine


class Lifecycle(Catalogue):
    """The runs of a database while they train. Every method that takes a run raises StoreError if there is no such run."""

    def claim(self, run_id: int, machine: str | None = None) -> Run:
        """Makes this process the one that trains the run, from its beginning or onwards from where it stood.

        `machine` says in words what it is trained on. A wish to stop that came before the first claim is kept, since the process may only
        just be starting; older ones are forgotten.
        Raises StoreError if another live process trains it, or if it is finished, deleted or ships with the project.
        """
        with self.write() as session:
            run = found(session, run_id)
            if run.reference or run.deleted or run.status == "finished":
                why = "ships with the project" if run.reference else "was deleted" if run.deleted else "is finished"
                raise StoreError(f"run {run.name} {why} and cannot be trained: start a new one")
            if run.status == "running" and not run.interrupted and not mine(run):
                raise StoreError(f"run {run.name} is being trained already, by process {run.pid} on {run.host}")
            run.stop_requested = run.stop_requested and run.status == "queued"
            run.status, run.pid, run.host, run.error = "running", os.getpid(), socket.gethostname(), None
            run.started, run.finished, run.heartbeat = now(), None, now()
            run.machine = machine if not run.seconds or run.machine == machine else SEVERAL
        return run

    def beat(self, run_id: int) -> bool:
        """Says that this process is alive, and returns whether it is to stop: it was asked to, or the run is no longer its."""
        with self.write() as session:
            run = session.scalar(select(Run).where(Run.id == run_id).with_for_update())
            if run is None or run.status != "running" or not mine(run):
                return True
            run.heartbeat = now()
            return run.stop_requested

    def request_stop(self, run_id: int) -> None:
        """Asks the run's process to stop; it learns of it at its next `beat`. Raises StoreError if the run neither waits nor trains."""
        with self.write() as session:
            run = found(session, run_id)
            if run.status not in ("queued", "running"):
                raise StoreError(f"run {run.name} is {run.status}: there is nothing to stop")
            run.stop_requested = True

    def describe_data(self, run_id: int, image: Sequence[int], classes: Sequence[str]) -> None:
        """Keeps what the data turned out to be: the images' [C, H, W] and the names of the classes."""
        with self.write() as session:
            run = found(session, run_id)
            run.image, run.classes = list(image), list(classes)

    def stop(self, run_id: int) -> None:
        """Ends a run before its time; it can be claimed again. Nothing here ends what another process trains or has finished."""
        with self.write() as session:
            end(session, run_id, "stopped")

    def fail(self, run_id: int, error: object) -> None:
        """Ends a run that went wrong, with one line of what did; it can be claimed again."""
        with self.write() as session:
            end(session, run_id, "failed", error=one_line(error))

    def record(self, run_id: int, epoch: float, figures: Mapping[str, float]) -> None:
        """Adds one point to each named curve, or replaces the one at the same epoch; the run then stands at this epoch."""
        with self.write() as session:
            mark(session, found(session, run_id), epoch, figures)

    def curve(self, run_id: int) -> dict[str, list[tuple[float, float]]]:
        """Each curve's (epoch, value), in the order of the epochs."""
        lines: dict[str, list[tuple[float, float]]] = {}
        with self.read() as session:
            found(session, run_id)
            for point in session.scalars(
                select(MetricPoint).where(MetricPoint.run_id == run_id).order_by(MetricPoint.name, MetricPoint.epoch)
            ):
                lines.setdefault(point.name, []).append((point.epoch, math.nan if point.value is None else point.value))
        return lines


def end(session: Session, run_id: int, status: Status, **columns: Any) -> Run | None:
    """Ends a run, and returns it if it was this process's to end."""
    run = found(session, run_id)
    if run.state in ("running", "finished") and not mine(run):
        return None  # this process was taken for dead, say while the computer slept, and another went on with the run
    if run.status == "finished" and status != "finished":
        return None  # what came after its end does not undo it
    run.status, run.finished, run.stop_requested = status, now(), False
    for column, value in columns.items():
        setattr(run, column, value)
    return run


def mark(session: Session, run: Run, epoch: float, figures: Mapping[str, float]) -> None:
    """Puts a run at an epoch and adds the curves' points there, in place of earlier ones."""
    run.epoch = float(epoch)
    at_epoch = (MetricPoint.run_id == run.id, MetricPoint.epoch == float(epoch), MetricPoint.name.in_(figures))
    session.execute(delete(MetricPoint).where(*at_epoch))
    draw(session, run.id, ((name, epoch, value) for name, value in figures.items()))


def mine(run: Run) -> bool:
    """Whether this process is the one that trains the run."""
    return run.pid == os.getpid() and run.host == socket.gethostname()


def draw(session: Session, run_id: int, points: Iterable[tuple[str, float, float]]) -> None:
    """Adds points, (name, epoch, value), to the curves of a run."""
    rows = [{"run_id": run_id, "name": name, "epoch": float(epoch), "value": number(value)} for name, epoch, value in points]
    if rows:
        session.execute(insert(MetricPoint), rows)


def number(value: float) -> float | None:
    """The value for its column: nothing for NaN."""
    return None if math.isnan(value) else float(value)
