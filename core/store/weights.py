"""The files with the weights, in a folder beside the database. A file is complete or absent, and is never overwritten."""

import hashlib
import os
import shutil
import stat
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import URL

from core.store.database import StoreError, sqlite_file


class Weights:
    """The weights folder, with one folder per run. File names are relative to it. Every method may raise OSError."""

    def __init__(self, location: URL) -> None:
        self.folder = folder_of(location)
        self._hashes: dict[Path, tuple[tuple[int, ...], str]] = {}  # of files, with what changes together with their contents

    def path(self, file: object) -> Path | None:
        """Return the path of a file in the folder; an absolute name ending in .safetensors is its own path. None for any other name."""
        if not isinstance(file, str) or "\0" in file:
            return None
        path = self.folder / file
        inside = path.is_relative_to(self.folder) and ".." not in Path(file).parts
        return path if inside or (Path(file).is_absolute() and path.suffix == ".safetensors") else None

    def write(self, run_id: int, epoch: int, tensors: bytes) -> str:
        """Write the bytes to the disk and return the file's name. A crash leaves at most a stray file, which `keep` removes."""
        target = self.folder / str(run_id) / f"epoch-{epoch:04d}.safetensors"
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():  # if this process dies before the new row is written, this file is still needed
            target = target.with_stem(f"{target.stem}-{hashlib.sha256(tensors).hexdigest()[:12]}")
        partial = target.with_suffix(f".{os.getpid()}.partial")
        try:
            write_through(partial, tensors)
            os.replace(partial, target)
        except BaseException:
            with suppress(OSError):
                partial.unlink(missing_ok=True)  # what did not fit must not fill the disk further
            raise
        sync_folder(target.parent)
        return target.relative_to(self.folder).as_posix()

    def keep(self, run_id: int, files: Collection[str]) -> None:
        """Remove all files of the run's checkpoints but these. One that is in use on Windows is removed the next time."""
        folder = self.folder / str(run_id)
        kept = {self.path(file) for file in files}
        for other in [*folder.glob("epoch-*.safetensors"), *folder.glob("epoch-*.partial")]:
            if other not in kept:
                with suppress(OSError):
                    other.unlink()

    def remove(self, run_id: int) -> None:
        """Remove the files of a run, if it has any."""
        if (self.folder / str(run_id)).exists():
            shutil.rmtree(self.folder / str(run_id))

    def intact(self, file: str, sha256: str, size: int) -> Path | None:
        """Return the path of the file, or None if it is missing or its contents have another hash or number of bytes."""
        path = self._of_size(file, size)
        return path if path is not None and self._hash(path) == sha256 else None

    def _hash(self, path: Path) -> str:
        """Return the hash of a file's contents, which are read again only once the file has changed."""
        found = path.stat()
        as_it_is = found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
        known = self._hashes.get(path)
        if known is None or known[0] != as_it_is:
            with path.open("rb") as stream:
                known = self._hashes[path] = as_it_is, hashlib.file_digest(stream, "sha256").hexdigest()
        return known[1]

    def read(self, file: str, sha256: str, size: int) -> bytes | None:
        """Return the contents of the file, or None if it is missing or they have another hash or number of bytes."""
        path = self._of_size(file, size)
        tensors = None if path is None else path.read_bytes()
        return tensors if tensors is not None and hashlib.sha256(tensors).hexdigest() == sha256 else None

    def _of_size(self, file: str, size: int) -> Path | None:
        """Return the path of a regular file of so many bytes, or None: a device or a pipe could be read for ever."""
        path = self.path(file)
        if path is None:
            return None
        with suppress(FileNotFoundError):
            found = path.stat()
            return path if stat.S_ISREG(found.st_mode) and found.st_size == size else None
        return None


def folder_of(location: URL) -> Path:
    """Return the weights folder of a database: a different one for each database file in a folder.

    /x/runs.db: /x/runs.weights. A file with another suffix: its full name and ".weights", such as /x/runs.sqlite.weights.
    Not a file: GATESCOPE_WEIGHTS, else a folder in the current one, named after the hash of the address without its password.
    """
    file = sqlite_file(location)
    if file:
        plain = file.suffix == ".db" and "." not in file.stem
        return file.with_name(f"{file.stem if plain else file.stem + (file.suffix or '.')}.weights")
    address = location.set(password=None).difference_update_query(["password", "passwd"]).render_as_string()
    own = f"gatescope-{hashlib.sha256(address.encode()).hexdigest()[:8]}.weights"
    return Path(os.environ.get("GATESCOPE_WEIGHTS") or own).absolute()


def write_all(contents: Mapping[Path, bytes]) -> None:
    """Write files to the disk, each completely or not at all. All are written before the first gets its name.

    Creates no folder. May raise OSError.
    """
    partials = {path: path.with_name(f"{path.name}.{os.getpid()}.partial") for path in contents}
    try:
        for path, partial in partials.items():
            write_through(partial, contents[path])
        for path, partial in partials.items():
            os.replace(partial, path)
    finally:
        for partial in partials.values():
            partial.unlink(missing_ok=True)


def write_through(path: Path, content: bytes) -> None:
    """Write a new file and return once its contents are on the disk. What had its name is removed; no link is followed."""
    if os.path.lexists(path):
        path.unlink()
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut. Windows cannot open a folder and does not need to."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def file_errors(folder: Path) -> Iterator[None]:
    """Turn an OSError about the weights folder into a StoreError."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"weights folder {folder}: {error.strerror or error}") from error
