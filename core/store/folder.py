"""Files of weights in a folder: each is written whole or not at all, and survives a power cut once it is written."""

import hashlib
import os
import shutil
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path


class WeightsFolder:
    """A folder of files, each under a relative or an absolute name. Every method may raise OSError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = str(folder)

    def place(self, name: str) -> Path:
        """Return the path of a file."""
        return self.folder / name

    def exists(self, name: str) -> bool:
        """Return whether there is such a file."""
        return self.place(name).exists()

    def write(self, name: str, content: bytes) -> None:
        """Write a file to the disk, in place of any other. A crash leaves at most a stray file, which is among `checkpoints`."""
        target = self.place(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(f".{os.getpid()}.partial")
        try:
            write_through(partial, content)
            os.replace(partial, target)
        except BaseException:
            with suppress(OSError):
                partial.unlink(missing_ok=True)  # what did not fit must not fill the disk further
            raise
        sync_folder(target.parent)

    def read(self, name: str) -> bytes:
        """Return the contents of a file."""
        return self.place(name).read_bytes()

    def hash(self, name: str) -> str:
        """Return the SHA-256 of a file's contents."""
        with self.place(name).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def state(self, name: str) -> tuple[object, ...] | None:
        """Return the size in bytes and what else changes together with the contents; None where there is no regular file."""
        with suppress(FileNotFoundError):
            found = self.place(name).stat()
            if stat.S_ISREG(found.st_mode):  # a device or a pipe could be read for ever
                return found.st_size, found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns
        return None

    def checkpoints(self, run_id: int) -> list[str]:
        """Return the names of the files of a run's checkpoints, also of those that were not written to their end."""
        folder = self.folder / str(run_id)
        found = [*folder.glob("epoch-*.safetensors"), *folder.glob("epoch-*.partial")]
        return [path.relative_to(self.folder).as_posix() for path in found]

    def delete(self, name: str) -> None:
        """Remove a file."""
        self.place(name).unlink()

    def delete_all(self, run_id: int) -> None:
        """Remove all files of a run, if it has any."""
        if (self.folder / str(run_id)).exists():
            shutil.rmtree(self.folder / str(run_id))


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
