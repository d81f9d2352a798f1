"""The list of runs: create, find, rename, annotate, delete. What happens to a run while it trains is in `lifecycle`."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.store.database import Database, StoreError
from core.store.models import Run, now
from core.store.record import RunRecord
from core.store.weights import Weights, file_errors

MAX_ID = 2**31  # no run has this id, nor a higher one
LONGEST_NAME = 200  # characters of a name
REFERENCE = "reference/"  # the names of the runs that ship with the project begin with it


class MissingRunError(StoreError):
    """Raised when there is no run of an id or a name."""


class NewRun(NamedTuple):
    """A run to create. Without a name, it gets one such as "cascade-faces-3"."""

    record: RunRecord
    name: str | None = None
    sweep: str | None = None
    variant: str | None = None
    tags: Sequence[str] = ()


class Runs:
    """The runs of a database. Every method that takes a run's id raises StoreError if there is no such run."""

    def __init__(self, database: Database, weights: Weights) -> None:
        self._database = database
        self._weights = weights

    def create(
        self,
        record: RunRecord,
        *,
        name: str | None = None,
        sweep: str | None = None,
        variant: str | None = None,
        tags: Sequence[str] = (),
    ) -> Run:
        """Add a run and queue it. Raises StoreError if the name is taken or not allowed."""
        return self.create_all([NewRun(record, name, sweep, variant, tags)])[0]

    def create_all(self, new: Sequence[NewRun]) -> list[Run]:
        """Add several runs and queue them, all or none. Raises StoreError if one of the names is taken or not allowed."""
        created = []
        with self._database.write(alone=True) as session:
            for record, name, sweep, variant, tags in new:
                own = default_name(session, f"{record.architecture}-{record.dataset}") if name is None else checked_name(session, name)
                created.append(Run(**record.columns(), name=own, sweep=sweep, variant=variant, tags=list(tags)))
                session.add(created[-1])
                session.flush()
                session.refresh(created[-1])
        return created

    def all(self, *, deleted: bool = False) -> list[Run]:
        """Return all runs, newest first. `deleted`: return the deleted ones instead."""
        listed = Run.deleted.is_not(None) if deleted else Run.deleted.is_(None)
        with self._database.read() as session:
            return list(session.scalars(select(Run).where(listed).order_by(Run.id.desc())))

    def get(self, id_or_name: int | str) -> Run:
        """Return one run by its id, which also finds deleted runs, or by its name. Raises StoreError, which suggests the closest name."""
        with self._database.read() as session:
            if isinstance(id_or_name, int) or (id_or_name.isdecimal() and len(id_or_name) <= LONGEST_NAME):
                return find(session, int(id_or_name))
            if len(id_or_name) > LONGEST_NAME or not encodable(id_or_name):
                raise missing(repr(id_or_name[:LONGEST_NAME]), [])
            run = find_by_name(session, id_or_name)
            if run is None:
                names = session.scalars(select(Run.name).where(Run.deleted.is_(None)))
                raise missing(repr(id_or_name), get_close_matches(id_or_name, list(names), 1))
            return run

    def of_sweeps(self, names: Sequence[str]) -> list[Run]:
        """Return the runs of these sweeps, newest first."""
        with self._database.read() as session:
            listed = select(Run).where(Run.deleted.is_(None), Run.sweep.in_(names))
            return list(session.scalars(listed.order_by(Run.id.desc())))

    def siblings(self, run: Run, among: Sequence[Run] | None = None) -> list[Run]:
        """Return the finished runs of the same sweep that differ from this run in the seed alone, itself included, by seed.

        `among`: all runs, where they are known.
        """
        known = self.all() if among is None else among
        alike = [other for other in known if other.sweep == run.sweep and run.sweep and _without_seed(other) == _without_seed(run)]
        return sorted((other for other in alike if other.status == "finished"), key=lambda other: other.seed)

    def rename(self, run_id: int, name: str) -> Run:
        """Give a run another name. Raises StoreError if the name is taken or not allowed, or if the run ships with the project."""
        with self._database.write(alone=True) as session:
            run = find(session, run_id)
            if run.reference:
                raise StoreError(f"run {run.name} ships with the project and keeps its name")
            if name.strip() != run.name:
                run.name = checked_name(session, name)
        return run

    def annotate(self, run_id: int, *, notes: str | None = None, tags: Sequence[str] | None = None) -> Run:
        """Replace the notes, the tags or both. Empty and repeated tags are dropped. Raises StoreError for text that is no Unicode."""
        if not all(map(encodable, [notes or "", *(tags or ())])):
            raise StoreError("notes and tags hold characters that are no text: type them again")
        with self._database.write() as session:
            run = find(session, run_id)
            if notes is not None:
                run.notes = notes
            if tags is not None:
                run.tags = list(dict.fromkeys(tag.strip() for tag in tags if tag.strip()))
        return run

    def delete(self, run_id: int) -> Run:
        """Remove a run from the list and ask its process to stop. `restore` brings the run back."""
        with self._database.write() as session:
            run = find(session, run_id)
            run.deleted, run.stop_requested = run.deleted or now(), True
        return run

    def restore(self, run_id: int) -> Run:
        """Put a deleted run back on the list. Raises StoreError if another run has taken its name."""
        with self._database.write(alone=True) as session:
            run = find(session, run_id)
            if run.deleted is not None:
                if find_by_name(session, run.name):
                    raise StoreError(f"the name {run.name!r} was given to another run: rename one of the two first")
                run.deleted, run.stop_requested = None, False
        return run

    def purge(self, run_id: int) -> None:
        """Remove a run for good, with its metrics and its files. Raises StoreError if it is training or ships with the project."""
        with self._database.write() as session:
            run = find(session, run_id)
            if run.reference:
                raise StoreError(f"run {run.name} ships with the project and would come back: delete it instead")
            if run.state == "running" and not run.owned:
                raise StoreError(f"run {run.name} is being trained: stop it first")
            session.delete(run)
        with file_errors(self._weights.address):
            self._weights.remove(run_id)


def _without_seed(run: Run) -> dict[str, Any]:
    return run.config | {"training": {name: value for name, value in run.config.get("training", {}).items() if name != "seed"}}


def find(session: Session, run_id: int) -> Run:
    """Return the run with this id, or raise StoreError. A session that writes locks the run; on SQLite it has locked the database."""
    query = select(Run).where(Run.id == run_id)
    run = session.scalar(query.with_for_update() if session.info["writing"] else query) if abs(run_id) < MAX_ID else None
    if run is None:
        raise missing(str(run_id), [])
    return run


def missing(what: str, alike: list[str]) -> MissingRunError:
    """Return the error for a run that does not exist, with the names that resemble what was given."""
    return MissingRunError(f"no run {what}: `python -m core runs` lists them" + "".join(f" (did you mean {name!r}?)" for name in alike))


def no_weights(run: Run) -> StoreError:
    """Return the error for a run whose weights cannot be read: they were lost, or its training has none yet."""
    if run.damage:
        return StoreError(f"run {run.name} is {run.damage}")
    if run.status == "finished":
        return StoreError(f"the weights of run {run.name} are lost: their file is missing or damaged. Import or train the run again")
    if run.epoch >= 1:
        return StoreError(f"run {run.name} has no weights: the file of its last checkpoint is missing or damaged. Resume its training")
    return StoreError(f"run {run.name} has no weights yet: they are there once its first epoch is complete")


def find_by_name(session: Session, name: str) -> Run | None:
    """Return the run with this name, unless there is none or it is deleted."""
    return session.scalar(select(Run).where(Run.name == name, Run.deleted.is_(None)))


def checked_name(session: Session, name: str) -> str:
    """Return the name without surrounding spaces. Raises StoreError if it is taken or not allowed."""
    name = name.strip()
    check_path(name, "a run's name")
    if name.isdecimal() or name.startswith(REFERENCE):
        raise StoreError(
            f"{name!r} cannot be a run's name: plain numbers are ids, and names that begin with {REFERENCE} "
            "belong to the runs that ship with the project"
        )
    if find_by_name(session, name):
        raise StoreError(f"the name {name!r} is taken: choose another")
    return name


def check_path(name: str, what: str) -> None:
    """Raise StoreError for a name that looks like an option or a way out of a folder, or that cannot be shown on one line.

    Characters that are not seen, or that turn the direction of the text, are not printable.
    """
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise StoreError(f"{what} must be one line of 1 to {LONGEST_NAME} printable characters")
    if name.startswith(("-", "~")) or any(part.strip() in ("", ".", "..") for part in re.split(r"[/\\]", name)):
        raise StoreError(f"{name!r} cannot be {what}: it must not begin with - or ~, and between slashes it must have more than dots")


def encodable(text: str) -> bool:
    """Return whether a text can be stored: half a character, as in a name that is not UTF-8, cannot, nor can a NUL on every database."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def default_name(session: Session, stem: str) -> str:
    """Return the stem with the number after the highest one in use, deleted runs included."""
    alike = session.scalars(select(Run.name).where(Run.name.startswith(f"{stem}-", autoescape=True)))
    numbers = [int(match[1]) for name in alike if (match := re.fullmatch(rf"{re.escape(stem)}-([0-9]{{1,9}})", name))]
    return f"{stem}-{max(numbers, default=0) + 1}"
