"""The files with the weights: beside the database, in a folder or in an object store. A file is whole or absent, never overwritten."""

import hashlib
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from sqlalchemy import URL

from core.store.bucket import WeightsBucket
from core.store.database import PROJECT_ROOT, StoreError, sqlite_file
from core.store.folder import WeightsFolder

PLACE = "GATESCOPE_WEIGHTS"  # environment variable: where the weights of a database are that is not a file
WEIGHTS_SUFFIX = ".safetensors"
IN_PROJECT = "project:"  # begins the name of a file that ships with the project, wherever a computer has the project


class Weights:
    """The weights of the runs of a database. File names are relative to a run's number. Every method may raise OSError.

    `folder` is on this computer. It holds what belongs to runs and is not their weights, and the weights unless an object store has them.
    """

    def __init__(self, location: URL) -> None:
        """Find the weights of a database. Raises StoreError if they are in an object store that cannot be reached from here."""
        self.folder = folder_of(location)
        self._here = WeightsFolder(self.folder)
        place = os.environ.get(PLACE, "")
        elsewhere = "://" in place and sqlite_file(location) is None
        self._files: WeightsFolder | WeightsBucket = WeightsBucket(place) if elsewhere else self._here
        self._hashes: dict[str, tuple[tuple[object, ...], str]] = {}  # of files, with what changes together with their contents

    @property
    def address(self) -> str:
        """Return where the weights are: a folder or the address of an object store, as GATESCOPE_WEIGHTS has it."""
        return self._files.address

    def write(self, run_id: int, epoch: int, tensors: bytes) -> str:
        """Write the bytes and return the file's name. A crash leaves at most a stray file, which `keep` removes."""
        name = f"{run_id}/epoch-{epoch:04d}{WEIGHTS_SUFFIX}"
        if self._files.exists(name):  # if this process dies before the new row is written, this file is still needed
            name = f"{run_id}/epoch-{epoch:04d}-{hashlib.sha256(tensors).hexdigest()[:12]}{WEIGHTS_SUFFIX}"
        self._files.write(name, tensors)
        return name

    def put(self, file: str, tensors: bytes) -> None:
        """Write a file under the name that it has in another store. One with the same contents is what a copy that was killed has left."""
        if self._find(file) != (self._files, file):
            raise OSError(f"{file} is not a name for weights: that run cannot be copied")
        if not self._files.exists(file):
            self._files.write(file, tensors)
        elif self._files.hash(file) != hashlib.sha256(tensors).hexdigest():
            raise OSError(f"{file} is there already, with other contents: delete it, or name another database")

    def discard(self, file: str) -> None:
        """Remove a file that `put` has written."""
        self._files.delete(file)

    def keep(self, run_id: int, files: Collection[str]) -> None:
        """Remove all files of the run's checkpoints but these. One that is in use on Windows is removed the next time."""
        with suppress(OSError):
            for other in self._files.checkpoints(run_id):
                if other not in files:
                    with suppress(OSError):
                        self._files.delete(other)

    def remove(self, run_id: int) -> None:
        """Remove the files of a run, if it has any."""
        self._files.delete_all(run_id)
        self._here.delete_all(run_id)

    def intact(self, file: str, sha256: str, size: int) -> Path | str | None:
        """Return the path or the address of a file, or None if it is missing or its contents have another hash or number of bytes."""
        found = self._of_size(file, size)
        if found is None:
            return None
        files, name, state = found
        place = files.place(name)
        known = self._hashes.get(str(place))
        if known is None or known[0] != state:  # contents are read again only once the file has changed
            try:
                known = self._hashes[str(place)] = state, files.hash(name)
            except FileNotFoundError:  # a process that trains has just replaced it by a newer one
                return None
        return place if known[1] == sha256 else None

    def read(self, file: str, sha256: str, size: int) -> bytes | None:
        """Return the contents of the file, or None if it is missing or they have another hash or number of bytes."""
        found = self._of_size(file, size)
        try:
            tensors = None if found is None else found[0].read(found[1])
        except FileNotFoundError:  # a process that trains has just replaced it by a newer one
            return None
        return tensors if tensors is not None and hashlib.sha256(tensors).hexdigest() == sha256 else None

    def _of_size(self, file: object, size: int) -> tuple[WeightsFolder | WeightsBucket, str, tuple[object, ...]] | None:
        """Return where a file of so many bytes is, its name there, and what changes together with its contents; None without one."""
        found = self._find(file)
        state = None if found is None else found[0].state(found[1])
        return None if found is None or state is None or state[0] != size else (*found, state)

    def _find(self, file: object) -> tuple[WeightsFolder | WeightsBucket, str] | None:
        """Return where the file of a row is and its name there; None for a name that no file of weights can have."""
        if not isinstance(file, str) or "\0" in file or ".." in PurePosixPath(file.replace("\\", "/")).parts:
            return None
        if file.startswith(IN_PROJECT):
            file = str(PROJECT_ROOT / file.removeprefix(IN_PROJECT))
        if Path(file).is_absolute():
            return (self._here, file) if Path(file).suffix == WEIGHTS_SUFFIX else None
        return (self._files, file) if file and (self.folder / file).is_relative_to(self.folder) else None


def shipped_name(path: Path) -> str:
    """Return the name of a file that ships with the project, the same on every computer where the file is inside the project."""
    path = path.absolute()
    inside = path.is_relative_to(PROJECT_ROOT)
    return f"{IN_PROJECT}{path.relative_to(PROJECT_ROOT).as_posix()}" if inside else str(path)


def folder_of(location: URL) -> Path:
    """Return the folder of a database on this computer: a different one for each database file in a folder.

    /x/runs.db: /x/runs.weights. A file with another suffix: its full name and ".weights", such as /x/runs.sqlite.weights.
    Not a file: GATESCOPE_WEIGHTS if it is a folder, else one in the current folder, named after the hash of the address without its
    password.
    """
    file = sqlite_file(location)
    if file:
        plain = file.suffix == ".db" and "." not in file.stem
        return file.with_name(f"{file.stem if plain else file.stem + (file.suffix or '.')}.weights")
    address = location.set(password=None).difference_update_query(["password", "passwd"]).render_as_string()
    own = f"gatescope-{hashlib.sha256(address.encode()).hexdigest()[:8]}.weights"
    place = os.environ.get(PLACE, "")
    return Path(own if not place or "://" in place else place).absolute()


@contextmanager
def file_errors(place: Path | str) -> Iterator[None]:
    """Turn an OSError about the weights, which are at this place, into a StoreError."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"weights folder {place}: {error.strerror or error}") from error
