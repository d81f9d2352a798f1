"""The pictures that a command names: files, folders, patterns and standard input."""

import sys
from dataclasses import dataclass
from pathlib import Path

from core.datasets.sources.class_folders import picture_files
from core.datasets.sources.formats import MAX_FILE_BYTES, PictureError
from core.files import pasted_path

STANDARD_INPUT = "-"
WILD = set("*?[")


@dataclass(frozen=True)
class NamedPicture:
    """A picture as it is called in answers, and its file; None for standard input."""

    name: str
    file: Path | None

    def content(self) -> Path | bytes:
        """Return what to read: the file, or the bytes of standard input, of which more than a picture may have are left."""
        return sys.stdin.buffer.read(MAX_FILE_BYTES + 1) if self.file is None else self.file


def named_pictures(word: str) -> list[NamedPicture]:
    """Return the pictures that a word names: a file, all in a folder or of a pattern, or standard input (-). Raises UserError for none."""
    if word == STANDARD_INPUT:
        return [NamedPicture("standard input", None)]
    path = pasted_path(word)
    try:
        if path.is_dir():
            files, fault = picture_files(path), "the folder holds no pictures"
        elif WILD & set(str(path)) and not path.exists():
            found = Path(path.anchor or ".").glob(str(path.relative_to(path.anchor)))
            files, fault = [file for file in sorted(found) if file.is_file() and not file.name.startswith(".")], "no file has such a name"
        else:
            files, fault = [path], ""
    except (OSError, ValueError, NotImplementedError) as error:
        raise PictureError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    if not files:
        raise PictureError(f"{path}: {fault}")
    return [NamedPicture(str(file), file) for file in files]
