"""Pictures of a person's own, from a zip or an uploaded folder, written as a folder with one subfolder of pictures for each class.

Names come from outside: nothing is written but pictures, each below the folder that is made, and never more than the limits allow.
"""

import hashlib
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from core.datasets import DataError
from core.datasets.sources.class_folders import LEFT_BEHIND, SPLITS, SUFFIXES, spelling
from core.datasets.sources.formats import MAX_FILE_BYTES

MAX_PICTURES = 50_000
MAX_UNPACKED_BYTES = 4 * 1024**3  # of all pictures together, unpacked
MAX_DEPTH = 8  # folders within each other
MAX_PATH_LENGTH = 120  # bytes of a name
CHUNK = 1 << 20  # bytes
FORBIDDEN = set('<>:"|?*\\') | {chr(code) for code in range(32)}  # in names, on one system or another


@dataclass(frozen=True)
class Arrived:
    """One file that arrived: its name with folders, as it was given, and its bytes."""

    name: str
    file: IO[bytes]


def unpack_zip(file: IO[bytes], folder: Path) -> Path:
    """Unpack the pictures of a zip into a folder of their own below `folder`, and return it. Raises DataError."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = [one for one in archive.infolist() if not one.is_dir() and _is_wanted(one.filename)]
            if any(one.flag_bits & 1 for one in members):
                raise DataError("The zip is protected by a password. Unpack it and upload the folder, or make a zip without a password.")
            return _write(((one.filename, archive.open(one)) for one in members), [one.filename for one in members], folder)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError, zlib.error) as error:
        raise DataError(f"The zip cannot be read ({error}). Make it again, or upload the folder itself.") from None


def write_folder(files: Sequence[Arrived], folder: Path) -> Path:
    """Write the pictures of an uploaded folder into one of their own below `folder`, and return it. Raises DataError."""
    wanted = [one for one in files if _is_wanted(one.name)]
    return _write(((one.name, one.file) for one in wanted), [one.name for one in wanted], folder)


def _write(files: Iterable[tuple[str, IO[bytes]]], names: Sequence[str], folder: Path) -> Path:
    if not names:
        raise DataError("There are no pictures in it. Put the pictures of each class into a folder, named after the class.")
    if len(names) > MAX_PICTURES:
        raise DataError(f"There are {len(names):,} pictures, and no more than {MAX_PICTURES:,} can be uploaded. Name their folder instead.")
    paths = _paths(names)
    digest, total = hashlib.sha256(), 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix="arriving-", dir=folder))
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror})") from None
    try:
        for path, (name, opened) in zip(paths, files, strict=True):
            target = made.joinpath(*path)
            target.parent.mkdir(parents=True, exist_ok=True)
            digest.update("/".join(path).encode() + b"\0")
            with opened, target.open("xb") as written:
                for chunk in _chunks(opened, name):
                    total += len(chunk)
                    if total > MAX_UNPACKED_BYTES:
                        raise DataError(
                            f"The pictures take more than {MAX_UNPACKED_BYTES // 1024**3} GB. Name their folder instead of uploading it."
                        )
                    digest.update(chunk)
                    written.write(chunk)
        target = folder / digest.hexdigest()[:16]
        if not target.exists():
            os.replace(made, target)
        return target
    except OSError as error:
        raise DataError(f"The pictures cannot be kept ({error.strerror}). Make room on the disk and try again.") from None
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _chunks(opened: IO[bytes], name: str) -> Iterator[bytes]:
    """Yield the bytes of one picture. Raises DataError where there are too many, whatever its header says."""
    size = 0
    while chunk := opened.read(CHUNK):
        size += len(chunk)
        if size > MAX_FILE_BYTES:
            raise DataError(f"{spelling(name)}: a picture may have {MAX_FILE_BYTES // 10**6} MB. Make it smaller, or leave it out.")
        yield chunk


def _is_wanted(name: str) -> bool:
    """Return whether a file is a picture by its name, and not what systems leave behind."""
    parts = [part for part in _parts(name) if part not in ("", ".", "..")]
    hidden = any(part.startswith(".") or part.casefold() in LEFT_BEHIND for part in parts)
    return not hidden and len(parts) > 0 and PurePosixPath(parts[-1]).suffix.lower() in SUFFIXES


def _paths(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Return where each file is written: class and file, with the split before them where there is one. Names are never used twice.

    The folders that all files share are left out, so that a zip of the folder itself is the same as one of its contents.
    """
    parted = [[_safe(part) for part in _parts(name) if part not in ("", ".", "..")] for name in names]
    if max(map(len, parted)) > MAX_DEPTH + 1:
        raise DataError(f"The folders are nested more than {MAX_DEPTH} deep. Put a folder for each class at the top.")
    while all(len(parts) > 2 for parts in parted) and len({parts[0] for parts in parted}) == 1:
        parted = [parts[1:] for parts in parted]
    if any(len(parts) < 2 for parts in parted):
        loose = next(name for name, parts in zip(names, parted, strict=True) if len(parts) < 2)
        raise DataError(f"{spelling(loose)} is in no folder. Put the pictures of each class into a folder, named after the class.")
    splits = all(len(parts) > 2 and parts[0].casefold() in SPLITS for parts in parted)
    taken: set[str] = set()
    paths = []
    for parts in parted:
        above = parts[: 2 if splits else 1]
        stem, suffix = os.path.splitext("-".join(parts[len(above) :])[-MAX_PATH_LENGTH:])
        name, number = f"{stem}{suffix}", 1
        while (key := "/".join([*above, name]).casefold()) in taken:
            number += 1
            name = f"{stem}-{number}{suffix}"
        taken.add(key)
        paths.append((*above, name))
    return paths


def _parts(name: str) -> list[str]:
    return name.replace("\\", "/").split("/")


def _safe(part: str) -> str:
    """Return a name without what systems refuse."""
    kept = "".join("-" if letter in FORBIDDEN else letter for letter in spelling(part)).strip(" .")
    while len(kept.encode()) > MAX_PATH_LENGTH:
        kept = kept[1:]
    return kept or "unnamed"
