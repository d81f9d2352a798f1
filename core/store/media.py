"""A database on a read-only medium, or in a folder that may not be written: a copy of it is read in its place."""

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory


def writable(file: Path) -> bool:
    """Return whether a database can be written where it is. SQLite also writes files beside it."""
    if not file.parent.is_dir():
        return True  # opening it says what is missing
    return os.access(file.parent, os.W_OK) and (not file.exists() or os.access(file, os.W_OK))


def copied(file: Path, folder: "TemporaryDirectory[str]") -> Path:
    """Copy a database, if there is one, and its write-ahead log into a folder and return its path there. May raise OSError."""
    copy = Path(folder.name) / file.name
    for suffix in ("", "-wal"):
        source = file.with_name(file.name + suffix)
        if source.exists():
            shutil.copyfile(source, copy.with_name(copy.name + suffix))
    return copy
