"""The files with the weights, in a folder beside the database. A file is whole or not there, and is never overwritten."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL

from core.store.database import StoreError, sqlite_file


class Weights:
    """The weights folder: one folder per run in it. File names are relative to it. Every method may raise OSError."""

    def __init__(self, location: URL) -> None:
        """Of the database /x/runs.db: /x/runs.weights. Of other databases: the environment's GATESCOPE_WEIGHTS, else ./runs.weights."""
        file = sqlite_file(location)
        self.folder = file.with_suffix(".weights") if file else Path(os.environ.get("GATESCOPE_WEIGHTS") or "runs.weights").absolute()

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
        with partial.open("wb") as file:
            file.write(tensors)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, target)
        sync_folder(target.parent)
        return target.relative_to(self.folder).as_posix()

    def keep(self, run_id: int, file: str) -> None:
        """Removes all files of the run but this one."""
        for other in (self.folder / str(run_id)).iterdir():
            if other != self.path(file):
                other.unlink(missing_ok=True)

    def remove(self, run_id: int) -> None:
        """Removes the files of a run, if it has any."""
        if (self.folder / str(run_id)).exists():
            shutil.rmtree(self.folder / str(run_id))

    def intact(self, file: str, sha256: str) -> bool:
        """Whether the file is there, with these contents."""
        path = self.path(file)
        if not path.is_file():
            return False
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == sha256


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
