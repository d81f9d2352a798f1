"""The files with the weights, in a folder beside the database. A file is whole or not there, and is never overwritten."""

import hashlib
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import URL

from core.store.database import StoreError, sqlite_file


class Weights:
    """The weights folder: one folder per run in it. File names are relative to it. Every method may raise OSError."""

    def __init__(self, location: URL) -> None:
        """Where `folder_of` says."""
        self.folder = folder_of(location)

    def path(self, file: str) -> Path:
        """Where a file is; an absolute name stands for itself."""
        return self.folder / file

    def write(self, run_id: int, epoch: int, tensors: bytes) -> str:
        """Puts the bytes on the disk and returns the file's name. A crash leaves at most a stray file, which `keep` removes."""
        target = self.folder / str(run_id) / f"epoch-{epoch:04d}.safetensors"
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():  # it may be the checkpoint that is still needed if this process dies before the new row is written
            target = target.with_stem(f"{target.stem}-{hashlib.sha256(tensors).hexdigest()[:12]}")
        partial = target.with_suffix(f".{os.getpid()}.partial")
        write_through(partial, tensors)
        os.replace(partial, target)
        sync_folder(target.parent)
        return target.relative_to(self.folder).as_posix()

    def keep(self, run_id: int, files: Collection[str]) -> None:
        """Removes the run's checkpoints but these. One that cannot be removed, as on Windows while it is read, goes another time."""
        folder = self.folder / str(run_id)
        kept = {self.path(file) for file in files}
        for other in [*folder.glob("epoch-*.safetensors"), *folder.glob("epoch-*.partial")]:
            if other not in kept:
                with suppress(OSError):
                    other.unlink()

    def remove(self, run_id: int) -> None:
        """Removes the files of a run, if it has any."""
        if (self.folder / str(run_id)).exists():
            shutil.rmtree(self.folder / str(run_id))

    def intact(self, file: str, sha256: str) -> Path | None:
        """Where the file is, if it is there with these contents."""
        try:
            with self.path(file).open("rb") as stream:
                return self.path(file) if hashlib.file_digest(stream, "sha256").hexdigest() == sha256 else None
        except FileNotFoundError:
            return None

    def read(self, file: str, sha256: str) -> bytes | None:
        """The file's contents, if they are these."""
        try:
            tensors = self.path(file).read_bytes()
        except FileNotFoundError:
            return None
        return tensors if hashlib.sha256(tensors).hexdigest() == sha256 else None


def folder_of(location: URL) -> Path:
    """The weights folder of a database; no two files in one folder have the same.

    Of /x/runs.db: /x/runs.weights. Of a file of another name: its whole name and ".weights", of /x/runs.sqlite /x/runs.sqlite.weights.
    Of what is no file: the environment's GATESCOPE_WEIGHTS, else a folder in the present one, named after the address without its password.
    """
    file = sqlite_file(location)
    if file:
        plain = file.suffix == ".db" and "." not in file.stem
        return file.with_name(f"{file.stem if plain else file.stem + (file.suffix or '.')}.weights")
    address = location.set(password=None).difference_update_query(["password", "passwd"]).render_as_string()
    own = f"gatescope-{hashlib.sha256(address.encode()).hexdigest()[:8]}.weights"
    return Path(os.environ.get("GATESCOPE_WEIGHTS") or own).absolute()


def write_all(contents: Mapping[Path, bytes]) -> None:
    """Puts files on the disk, each whole or not at all. All are written before the first takes its name. May raise OSError."""
    partials = {path: path.with_name(f"{path.name}.{os.getpid()}.partial") for path in contents}
    try:
        for path, partial in partials.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_through(partial, contents[path])
        for path, partial in partials.items():
            os.replace(partial, path)
    finally:
        for partial in partials.values():
            partial.unlink(missing_ok=True)


def write_through(path: Path, content: bytes) -> None:
    """Writes a file so that its contents are on the disk when this returns."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder last through a power cut. Windows cannot open a folder, nor needs to."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def file_errors(folder: Path) -> Iterator[None]:
    """Turns an OSError about the weights folder into a StoreError."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"weights folder {folder}: {error.strerror or error}") from error
