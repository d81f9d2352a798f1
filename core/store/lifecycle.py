"""What happens to a run while it trains: a process claims it, shows that it is alive, and ends it."""

import os
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.store.checkpoints import Checkpoints, add_checkpoint
from core.store.database import Database, StoreError, one_line
from core.store.models import Run, Status, now
from core.store.runs import MissingRunError, find
from core.store.weights import Weights

SEVERAL_MACHINES = "several machines"  # the machine of a run that was trained on more than one


class Lifecycle:
    """The training of the runs. Every method raises StoreError if there is no such run."""

    def __init__(self, database: Database, weights: Weights, checkpoints: Checkpoints) -> None:
        self._database = database
        self._weights = weights
        self._checkpoints = checkpoints

    def claim(self, run_id: int, machine: str | None = None) -> Run:
        """Make this process the one that trains the run, from its beginning or from its last checkpoint, and return the run.

        `machine` describes where it trains. A request to stop that came before the first claim is kept, since the process may only just
        be starting; older requests are dropped.
        Raises StoreError if another live process trains the run, or if it is finished, deleted or ships with the project.
        """
        with self._database.write() as session:
            run = find(session, run_id)
            if run.damage:
                raise StoreError(f"run {run.name} cannot be trained: it is {run.damage}")
            if run.reference or run.deleted or run.status == "finished":
                why = "ships with the project" if run.reference else "was deleted" if run.deleted else "is finished"
                raise StoreError(f"run {run.name} {why} and cannot be trained: start a new one")
            if run.status == "running" and not run.interrupted and not run.owned:
                raise StoreError(f"run {run.name} is already being trained, by process {run.pid} on {run.host}")
            run.stop_requested = run.stop_requested and run.status == "queued"
            run.status, run.pid, run.host, run.error = "running", os.getpid(), socket.gethostname(), None
            run.started, run.finished, run.heartbeat, run.activity = now(), None, now(), None
            run.machine = machine if not run.seconds or run.machine == machine else SEVERAL_MACHINES
        return run

    def heartbeat(self, run_id: int, activity: str | None = None) -> bool:
        """Record that this process is alive, and return whether it must stop: on request, or because the run is no longer its own.

        `activity`: what it does now, if it does not train. Raises MissingRunError if there is no such run.
        """
        with self._database.write() as session:
            run = session.scalar(select(Run).where(Run.id == run_id).with_for_update())
            if run is None:
                raise MissingRunError(
                    f"run {run_id} is not in the database {self._database.name}: it was deleted for good, or the database was replaced"
                )
            if run.status != "running" or not run.owned:
                return True
            run.heartbeat, run.activity = now(), activity and activity[:200]
            return run.stop_requested

    def hand_over(self, run_ids: Sequence[int], activity: str) -> None:
        """Say of runs that have not begun what they wait for, outside of the queue of this computer."""
        with self._database.write() as session:
            for run_id in run_ids:
                run = find(session, run_id)
                run.status, run.activity, run.heartbeat, run.stop_requested, run.error = "queued", activity, now(), False, None

    def request_stop(self, run_id: int) -> None:
        """Ask the run's process to stop at its next heartbeat; a run that waits, for its turn or elsewhere, stops at once.

        Raises StoreError if the run is neither queued nor running.
        """
        with self._database.write() as session:
            run = find(session, run_id)
            if run.status not in ("queued", "running"):
                raise StoreError(f"run {run.name} is {run.status}: there is nothing to stop")
            if run.pending:
                end(session, run_id, "stopped")
            else:
                run.stop_requested = True

    def describe_data(
        self,
        run_id: int,
        image: Sequence[int],
        classes: Sequence[str],
        fingerprint: str | None = None,
        dataset: Mapping[str, Any] | None = None,
    ) -> None:
        """Store the images' [C, H, W], the names of the classes and the fingerprint, and the dataset's options if they have changed."""
        with self._database.write() as session:
            run = find(session, run_id)
            run.image, run.classes, run.fingerprint = list(image), list(classes), fingerprint or run.fingerprint
            if dataset is not None:
                run.config = run.config | {"dataset": dict(dataset)}

    def stop(self, run_id: int) -> None:
        """End a run early; it can be claimed again. Does nothing if another process trains the run or has finished it."""
        with self._database.write() as session:
            end(session, run_id, "stopped")

    def fail(self, run_id: int, error: object) -> None:
        """End a run with an error, stored as one line; it can be claimed again. Does nothing where `stop` does nothing."""
        with self._database.write() as session:
            end(session, run_id, "failed", error=one_line(error))

    def put_back(self, before: Run) -> None:
        """Return a run that this process has claimed to the state in which it was. Does nothing if another process trains it."""
        with self._database.write() as session:
            run = find(session, before.id)
            if run.owned and run.status == "running":
                for column in ("status", "error", "started", "finished", "heartbeat", "pid", "host", "machine", "stop_requested"):
                    setattr(run, column, getattr(before, column))
                run.activity = None

    def note(self, run_id: int, error: object) -> None:
        """Store why a run cannot be trained, for whoever looks at it, and fail it if it was never claimed."""
        with self._database.write() as session:
            run = find(session, run_id)
            if run.status == "queued":
                end(session, run_id, "failed", error=one_line(error))
            elif run.status != "finished" and run.state != "running":
                run.error = one_line(error)

    def finish(self, run_id: int, figures: Mapping[str, Any], *, weights: bytes | None = None, epoch: int | None = None) -> None:
        """End a trained run with its final figures and, in place of all checkpoints, its final weights: both or neither.

        Does nothing if another process trains the run or has finished it. Raises StoreError if the file cannot be written.
        """
        with self._database.read() as session:
            epochs = find(session, run_id).epochs
        last = epochs if epoch is None else epoch
        checkpoint = None if weights is None else self._checkpoints.write_file(run_id, last, weights)
        with self._database.write(durable=True) as session:
            run = end(session, run_id, "finished", figures=dict(figures))
            if run is None or checkpoint is None:
                return
            run.epoch = float(last)
            files = add_checkpoint(session, checkpoint, keep=0)
        self._weights.keep(run_id, files)


def end(session: Session, run_id: int, status: Status, **columns: Any) -> Run | None:
    """End a run and return it, or None if this process may not end it."""
    run = find(session, run_id)
    if run.state in ("running", "finished") and not run.owned:
        return None  # this process was taken for dead, for example while the computer slept, and another one took over
    if run.status == "finished" and status != "finished":
        return None  # a finished run stays finished
    run.status, run.finished, run.stop_requested, run.activity = status, now(), False, None
    for column, value in columns.items():
        setattr(run, column, value)
    return run
