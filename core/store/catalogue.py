"""The list of runs: adding, finding, naming, deleting. What happens to one run while it trains is in `lifecycle`."""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.store.database import Database, StoreError
from core.store.models import Run, now

REFERENCE = "reference/"  # how the names of the runs begin that ship with the project


class Catalogue(Database):
    """The runs of a database. Every method that takes a run raises StoreError if there is no such run."""

    def add(
        self,
        config: dict[str, Any],
        *,
        name: str | None,
        architecture: str,
        dataset: str,
        method: str,
        lam: float | None,
        seed: int,
        epochs: int,
        sweep: str | None = None,
        variant: str | None = None,
    ) -> Run:
        """A new run, queued. Without a name it gets one like "cascade-faces-3". Raises StoreError if the name is taken or cannot be one."""
        columns: dict[str, Any] = {"config": config, "architecture": architecture, "dataset": dataset, "method": method, "lam": lam}
        columns |= {"name": name, "seed": seed, "epochs": epochs, "sweep": sweep, "variant": variant}
        return self.add_all([columns])[0]

    def add_all(self, runs: Sequence[Mapping[str, Any]]) -> list[Run]:
        """New runs from the columns of each, as `add`: all of them or, where one has a name that it cannot have, none."""
        added = []
        with self.write() as session:
            for columns in runs:
                name = columns["name"]
                name = default_name(session, "{architecture}-{dataset}".format(**columns)) if name is None else checked_name(session, name)
                added.append(Run(**{**columns, "name": name}))
                session.add(added[-1])
                session.flush()
                session.refresh(added[-1])
        return added

    def runs(self, *, deleted: bool = False) -> list[Run]:
        """All runs, newest first; with `deleted`, those that were deleted instead."""
        there = Run.deleted.is_not(None) if deleted else Run.deleted.is_(None)
        with self.read() as session:
            return list(session.scalars(select(Run).where(there).order_by(Run.id.desc())))

    def run(self, id_or_name: int | str) -> Run:
        """One run by its id (also a deleted one) or its name. Raises StoreError, which suggests the name that is most like it."""
        with self.read() as session:
            if isinstance(id_or_name, int) or id_or_name.isdecimal():
                return found(session, int(id_or_name))
            run = named(session, id_or_name)
            if run is None:
                names = session.scalars(select(Run.name).where(Run.deleted.is_(None)))
                raise missing(repr(id_or_name), get_close_matches(id_or_name, list(names), 1))
            return run

    def siblings(self, run: Run) -> list[Run]:
        """The finished runs of its sweep that differ from a run in the seed alone, itself included, by seed."""
        alike = [other for other in self.runs() if other.sweep == run.sweep and run.sweep and _but_for_seed(other) == _but_for_seed(run)]
        return sorted((other for other in alike if other.status == "finished"), key=lambda other: other.seed)

    def rename(self, run_id: int, name: str) -> Run:
        """Raises StoreError if the name is taken or cannot be one, or if the run ships with the project."""
        with self.write() as session:
            run = found(session, run_id)
            if run.reference:
                raise StoreError(f"run {run.name} ships with the project and keeps its name")
            if name.strip() != run.name:
                run.name = checked_name(session, name)
        return run

    def annotate(self, run_id: int, *, notes: str | None = None, tags: Sequence[str] | None = None) -> Run:
        """Replaces the notes, the tags or both. Empty and doubled tags are dropped."""
        with self.write() as session:
            run = found(session, run_id)
            if notes is not None:
                run.notes = notes
            if tags is not None:
                run.tags = list(dict.fromkeys(tag.strip() for tag in tags if tag.strip()))
        return run

    def delete(self, run_id: int) -> Run:
        """Takes a run off the list, and asks its process to stop. `restore` brings it back."""
        with self.write() as session:
            run = found(session, run_id)
            run.deleted, run.stop_requested = run.deleted or now(), True
        return run

    def restore(self, run_id: int) -> Run:
        """Puts a deleted run back on the list. Raises StoreError if its name was given to another since."""
        with self.write() as session:
            run = found(session, run_id)
            if run.deleted is not None:
                if named(session, run.name):
                    raise StoreError(f"the name {run.name!r} was given to another run: rename one of the two first")
                run.deleted, run.stop_requested = None, False
        return run


def _but_for_seed(run: Run) -> dict[str, Any]:
    """A run's configuration without what differs between the seeds of a sweep."""
    return run.config | {"training": {name: value for name, value in run.config["training"].items() if name != "seed"}}


def found(session: Session, run_id: int) -> Run:
    """The run with this id; a session that writes keeps others from it (on SQLite it does so from its beginning). Raises StoreError."""
    query = select(Run).where(Run.id == run_id)
    run = session.scalar(query.with_for_update() if session.info["writing"] else query) if abs(run_id) < 2**31 else None
    if run is None:
        raise missing(str(run_id), [])
    return run


def missing(what: str, alike: list[str]) -> StoreError:
    """The error for a run that is not there."""
    return StoreError(f"no run {what}: `python -m core runs` lists them" + "".join(f" (did you mean {name!r}?)" for name in alike))


def named(session: Session, name: str) -> Run | None:
    """The run with this name that is not deleted, if there is one."""
    return session.scalar(select(Run).where(Run.name == name, Run.deleted.is_(None)))


def checked_name(session: Session, name: str) -> str:
    """The name without spaces around it, if a run of the user's can have it. Raises StoreError."""
    name = name.strip()
    if not name or len(name) > 200 or not name.isprintable():
        raise StoreError("a run's name is 1 to 200 letters, digits and signs on one line")
    if name.isdecimal() or name.startswith(REFERENCE):
        raise StoreError(f"{name!r} cannot be a run's name: bare numbers are ids, and {REFERENCE}… are the runs that ship with the project")
    if named(session, name):
        raise StoreError(f"the name {name!r} is taken: choose another")
    return name


def default_name(session: Session, stem: str) -> str:
    """The stem with the number after the highest that was ever used with it, deleted runs included."""
    alike = session.scalars(select(Run.name).where(Run.name.startswith(f"{stem}-", autoescape=True)))
    numbers = [int(match[1]) for name in alike if (match := re.fullmatch(rf"{re.escape(stem)}-([0-9]{{1,9}})", name))]
    return f"{stem}-{max(numbers, default=0) + 1}"
