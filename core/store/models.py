"""The tables: runs, metric points and checkpoints. Rows are returned detached: changing one changes nothing in the database."""

import math
import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import JSON, DateTime, Dialect, Double, ForeignKey, Index, MetaData, String, Text, TypeDecorator, event, false, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.orm.attributes import set_committed_value

from core.store.damage import DAMAGED, Unreadable, repairs

Status = Literal["queued", "running", "finished", "stopped", "failed"]
WAITING = "waiting for its turn"  # the activity of a run in the queue of trainings
Reader = Callable[[Any], Any]
SILENCE = timedelta(seconds=30)  # a process whose last heartbeat is older is taken for dead


def now() -> datetime:
    """Return the time in UTC, with its time zone."""
    return datetime.now(UTC)


class Readable(TypeDecorator[Any]):
    """A value that is read as Unreadable where it is damaged, so that one row does not keep the others from being read."""

    __abstract__ = True
    impl: Any = Text

    def result_processor(self, dialect: Dialect, coltype: object) -> Reader:
        """Return the function that reads a value as the database has it."""
        read = super().result_processor(dialect, coltype)

        def tolerant(value: Any) -> Any:
            try:
                return value if read is None else read(value)
            except (ValueError, TypeError, AttributeError, RecursionError):
                return Unreadable()

        return tolerant


class Instant(Readable):
    """A point in time, stored and returned in UTC, also where the database forgets the zone. Raises ValueError without a time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class PlainJSON(Readable):
    """JSON. Numbers that JSON cannot hold (NaN, infinity) become null, and tuples become lists."""

    impl = JSON(none_as_null=True)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return plain(value)


def plain(value: Any) -> Any:
    """Return the value as a JSON column returns it."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class Base(DeclarativeBase):
    # A migration can drop a named constraint on every database.
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Run(Base):
    """One training of one network."""

    __tablename__ = "runs"
    __table_args__ = (
        Index("ix_runs_name", "name", unique=True, sqlite_where=text("deleted IS NULL"), postgresql_where=text("deleted IS NULL")),
        {"sqlite_autoincrement": True},  # a purged run's id is not reused: links and weights folders hold it
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    status: Mapped[Status] = mapped_column(String(20), default="queued")
    reference: Mapped[bool] = mapped_column(default=False)
    architecture: Mapped[str] = mapped_column(String(100))
    dataset: Mapped[str] = mapped_column(String(100))
    method: Mapped[str] = mapped_column(String(100))
    lam: Mapped[float | None] = mapped_column(Double)
    seed: Mapped[int]
    config: Mapped[dict[str, Any]] = mapped_column(PlainJSON)
    image: Mapped[list[int] | None] = mapped_column(PlainJSON)  # [C, H, W], once the data have been read
    classes: Mapped[list[str] | None] = mapped_column(PlainJSON)
    epoch: Mapped[float] = mapped_column(Double, default=0.0)  # trained so far
    epochs: Mapped[int]
    created: Mapped[datetime] = mapped_column(Instant, default=now)
    started: Mapped[datetime | None] = mapped_column(Instant)  # when its last process claimed it
    finished: Mapped[datetime | None] = mapped_column(Instant)  # when that process ended, for whatever reason
    heartbeat: Mapped[datetime | None] = mapped_column(Instant)
    pid: Mapped[int | None]
    host: Mapped[str | None] = mapped_column(String(255))
    stop_requested: Mapped[bool] = mapped_column(default=False)
    error: Mapped[str | None] = mapped_column(Text)
    figures: Mapped[dict[str, Any]] = mapped_column(PlainJSON, default=dict)
    notes: Mapped[str] = mapped_column(Text, default="")
    tags: Mapped[list[str]] = mapped_column(PlainJSON, default=list)
    deleted: Mapped[datetime | None] = mapped_column(Instant)
    sweep: Mapped[str | None] = mapped_column(String(200))
    seconds: Mapped[float] = mapped_column(Double, default=0.0, server_default=text("0"))  # of training up to its last checkpoint
    machine: Mapped[str | None] = mapped_column(String(255))  # where it was trained
    variant: Mapped[str | None] = mapped_column(String(200))  # of its sweep
    gated: Mapped[bool] = mapped_column(server_default=false())  # whether its network decides for each image what to run
    activity: Mapped[str | None] = mapped_column(String(200))  # what its process did at the last heartbeat, while it does not train
    fingerprint: Mapped[str | None] = mapped_column(String(64))  # of the images that it was trained on

    @property
    def owned(self) -> bool:
        """Return whether this process is the one that trains the run."""
        return self.pid == os.getpid() and self.host == socket.gethostname()

    @property
    def waiting(self) -> bool:
        """Return whether the run is in the queue of trainings, and no process has been started for it."""
        return self.status == "queued" and self.activity == WAITING

    @property
    def pending(self) -> bool:
        """Return whether no process has been started for the run yet: it waits for its turn here, or for room on a cluster."""
        return self.status == "queued" and self.activity is not None

    @property
    def imported(self) -> bool:
        """Return whether the run was trained elsewhere, so that its configuration is a foreign file's."""
        return not self.reference and self.status == "finished" and self.host is None

    @property
    def interrupted(self) -> bool:
        """Return whether the run is marked as running but its process is gone, or has been silent for 30 s."""
        if self.status != "running":
            return False
        silent = self.heartbeat is None or now() - self.heartbeat > SILENCE
        return silent or (self.host == socket.gethostname() and self.pid is not None and not alive(self.pid))

    @property
    def damage(self) -> str | None:
        """Return what is wrong with the row, or None."""
        return self.error if self.status == DAMAGED else None

    @property
    def state(self) -> Status | Literal["interrupted", "damaged"]:
        """Return the status, "interrupted", or "damaged" for a row that cannot be read."""
        return "interrupted" if self.interrupted else self.status

    @property
    def series(self) -> str:
        """Return the name under which it is drawn and reported: its sweep, or the variant of the sweep; else its own name."""
        return "/".join(filter(None, (self.sweep, self.variant))) if self.sweep else self.name

    def __repr__(self) -> str:
        return f"Run(id={self.id}, name={self.name!r}, status={self.status!r})"


@event.listens_for(Run, "load")
@event.listens_for(Run, "refresh")
def _show_damage(run: Run, *_: object) -> None:
    """Show a damaged row as a run of the status "damaged" without figures. Changes nothing in the database."""
    values, fault = repairs(run)
    for column, value in (values | {"error": f"damaged in the database ({fault})"} if fault else {}).items():
        set_committed_value(run, column, value)


class MetricPoint(Base):
    """One point of one metric."""

    __tablename__ = "points"

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    epoch: Mapped[float] = mapped_column(Double, primary_key=True)
    value: Mapped[float | None] = mapped_column(Double)  # NULL represents NaN, which not every database supports


class Checkpoint(Base):
    """The weights of a run after an epoch; the tensors are in a file."""

    __tablename__ = "checkpoints"

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), index=True)
    epoch: Mapped[int]
    file: Mapped[str] = mapped_column(Text)  # relative to the weights' place; for runs that ship with the project, relative to the project
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int]  # bytes
    created: Mapped[datetime] = mapped_column(Instant, default=now)


def alive(pid: int) -> bool:
    """Return whether the process exists. Windows has no safe way to ask: there, the heartbeat alone decides."""
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # no process has a number that the system cannot hold
        return False
    except PermissionError:
        pass
    return True
