"""Copy a whole store to another database: its runs with their ids, their metrics, checkpoints and weights, all or nothing."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from core.store.database import StoreError
from core.store.models import Base, Checkpoint, MetricPoint, Run
from core.store.store import Store
from core.store.weights import file_errors

RUNS_AT_ONCE = 200  # runs that are copied in one go


@dataclass
class Copied:
    """What was copied, and what could not be."""

    runs: int = 0
    points: int = 0
    files: int = 0
    bytes: int = 0  # of files
    damaged: int = 0  # rows that cannot be read, which are left out
    lost: int = 0  # files that are missing or damaged, whose rows are copied


def copy_store(source: Store, target: Store, report: Callable[[float], None] = lambda share: None) -> Copied:
    """Copy all runs of a store to one without runs of its own and return what was copied. `report` gets the share that is done.

    Runs that ship with the project are copied with their notes and tags, in place of those in the target. Raises StoreError if the two are
    one, if a run is being trained, if the target has runs or if it cannot be written; then the target is left as it was.
    """
    if source.database.location == target.database.location or source.weights.address == target.weights.address:
        raise StoreError(
            f"{source.weights.address} would hold the weights of both: name another database. From server to server, copy to an SQLite "
            "file first, and from there with another GATESCOPE_WEIGHTS"
        )
    done = Copied()
    written: list[str] = []  # files of weights
    try:
        with source.database.read() as reading, target.database.write(durable=True, alone=True) as writing:
            ids = list(reading.scalars(select(Run.id).order_by(Run.id)))
            _check(reading, writing, target)
            for table in (Checkpoint, MetricPoint, Run):
                writing.execute(delete(table))
            for start in range(0, len(ids), RUNS_AT_ONCE):
                _copy_block(reading, writing, source, target, ids[start : start + RUNS_AT_ONCE], done, written)
                report(min(1.0, (start + RUNS_AT_ONCE) / len(ids)))
            _count_on(writing, max(ids, default=0))
    except BaseException:
        for file in written:
            with suppress(OSError):
                target.weights.discard(file)
        raise
    return done


def _check(reading: Session, writing: Session, target: Store) -> None:
    """Raise StoreError if the target has runs of its own, or if a run of the source is being trained."""
    if writing.scalar(select(func.count()).select_from(Run).where(Run.reference.is_(False))):
        raise StoreError(f"database {target.database.name} has runs already: name one without runs")
    trained = [run.name for run in reading.scalars(select(Run).where(Run.status == "running")) if run.state == "running"]
    if trained:
        raise StoreError(f"run {trained[0]} is being trained: stop it first, or wait for its end")


def _copy_block(
    reading: Session, writing: Session, source: Store, target: Store, ids: Sequence[int], done: Copied, written: list[str]
) -> None:
    """Copy some runs with all that belongs to them."""
    runs = list(reading.scalars(select(Run).where(Run.id.in_(ids)).order_by(Run.id)))
    sound = [run for run in runs if not run.damage]
    done.damaged += len(runs) - len(sound)
    kept = [run.id for run in sound]
    done.runs += _add(writing, Run, sound)
    points = reading.scalars(select(MetricPoint).where(MetricPoint.run_id.in_(kept)))
    done.points += _add(writing, MetricPoint, [point for point in points if isinstance(point.epoch, float)])
    checkpoints = list(reading.scalars(select(Checkpoint).where(Checkpoint.run_id.in_(kept)).order_by(Checkpoint.id)))
    for checkpoint in checkpoints:
        with file_errors(source.weights.address):
            tensors = source.weights.read(checkpoint.file, checkpoint.sha256, checkpoint.size)
        if tensors is None:
            done.lost += 1
        elif checkpoint.file.startswith(f"{checkpoint.run_id}/"):  # others ship with the project
            with file_errors(target.weights.address):
                target.weights.put(checkpoint.file, tensors)
            written.append(checkpoint.file)
            done.files, done.bytes = done.files + 1, done.bytes + len(tensors)
    _add(writing, Checkpoint, checkpoints, without=("id",))  # whose order is kept and whose ids nobody knows
    reading.expunge_all()


def _add(writing: Session, table: type[Base], rows: Sequence[Base], without: Sequence[str] = ()) -> int:
    """Add rows to a table and return how many they are."""
    columns = [column.name for column in table.__table__.columns if column.name not in without]
    values = [{name: getattr(row, name) for name in columns} for row in rows]
    if values:
        writing.execute(insert(table), values)
    return len(values)


def _count_on(writing: Session, highest: int) -> None:
    """Let the ids of new runs follow the highest that was copied. SQLite does so unasked."""
    if highest and writing.get_bind().dialect.name == "postgresql":
        writing.execute(select(func.setval(func.pg_get_serial_sequence("runs", "id"), highest)))
