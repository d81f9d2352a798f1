"""Images in folders as people have them: one subfolder per class, or training, validation and test folders that hold these."""

import hashlib
import os
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from core.datasets import DataError
from core.datasets.sources.formats import is_picture

SplitName = Literal["train", "val", "test"]
SPLITS: dict[str, SplitName] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
LEFT_BEHIND = {"__macosx", "__pycache__", "thumbs.db", "desktop.ini"}  # by systems and tools, beside names that begin with a dot
SUFFIXES = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif"),
}
NAMED_CLASSES = 8  # classes in a message
SAMPLED_FILES, SAMPLED_BYTES = 64, 65_536  # whose contents are part of a fingerprint


@dataclass(frozen=True)
class Listing:
    """The image files of a folder, by split (None: the folder has no splits) and class, and the names of other files."""

    root: Path
    files: Mapping[SplitName | None, Mapping[str, Sequence[Path]]]
    others: Sequence[Path]

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of all classes, in alphabetical order."""
        return tuple(sorted({name for classes in self.files.values() for name in classes}))

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out, in words."""
        if not self.others:
            return ()
        first = self.name(self.others[0])
        if len(self.others) == 1:
            return (f"A file in {self.root} is not a picture and is left out: {first}.",)
        return (f"{len(self.others)} files in {self.root} are not pictures and are left out, such as {first}.",)

    def name(self, file: Path) -> str:
        """Return the name of a file from the root, spelt alike on every system."""
        return "/".join(map(spelling, file.relative_to(self.root).parts))

    def fingerprint(self) -> str:
        """Return a hash of the names and sizes of all image files, and of the beginnings of some."""
        files = sorted((self.name(file), file) for classes in self.files.values() for some in classes.values() for file in some)
        digest = hashlib.sha256()
        for name, file in files:
            digest.update(f"{name}\0{file.stat().st_size}\n".encode())
        for _, file in files[:: -(-len(files) // SAMPLED_FILES)]:
            with file.open("rb") as opened:
                digest.update(opened.read(SAMPLED_BYTES))
        return digest.hexdigest()


def list_folder(root: Path) -> Listing:
    """List the image files of a folder. Raises DataError if it is missing or cannot be read."""
    try:
        if not root.is_dir():
            raise DataError(f"{root}: no such folder. Set the data folder (dataset.path) to an existing folder.")
        inside = _folders(root)
        names = [SPLITS.get(spelling(folder.name).casefold()) for folder in inside]
        splits = "train" in names and None not in names and len(set(names)) == len(names) and any(map(_folders, inside))
        others: list[Path] = []
        files: dict[SplitName | None, dict[str, list[Path]]] = {}
        for split, folder in zip(names, inside, strict=True) if splits else [(None, root)]:
            files[split] = _classes(folder, others)
    except OSError as error:
        raise DataError(f"{error.filename or root}: cannot be read ({error.strerror})") from None
    return Listing(root, files, sorted(others))


def check_sizes(listing: Listing, least: Mapping[SplitName | None, int]) -> None:
    """Raise DataError, naming all of them, for classes with fewer images than each split requires."""
    small = [
        f"{name}{f' in {split}' if split else ''} ({len(classes.get(name, ()))})"
        for split, classes in listing.files.items()
        for name in listing.classes
        if len(classes.get(name, ())) < least[split]
    ]
    if small:
        more = f" and {len(small) - NAMED_CLASSES} more" if len(small) > NAMED_CLASSES else ""
        needed = " or ".join(map(str, sorted({least[split] for split in listing.files})))
        raise DataError(
            f"{listing.root}: too few images of {', '.join(small[:NAMED_CLASSES])}{more}. "
            f"Add images until each class has at least {needed}, one for each split."
        )


def picture_files(folder: Path) -> list[Path]:
    """Return the image files in a folder and its subfolders, in alphabetical order. Raises OSError."""
    return sorted(file for file in _files(folder) if _is_picture(file))


def spelling(name: str) -> str:
    """Return a name in composed Unicode. A name that is not UTF-8 is read as Windows-1252, or else as Latin-1."""
    try:
        name.encode()
    except UnicodeEncodeError:
        bare = os.fsencode(name)
        try:
            name = bare.decode("cp1252")
        except UnicodeDecodeError:
            name = bare.decode("latin-1")
    return unicodedata.normalize("NFC", name)


def _classes(folder: Path, others: list[Path]) -> dict[str, list[Path]]:
    """Return the image files of each class in a folder, and add other files to `others`. Two spellings of a name are one class."""
    classes: dict[str, list[Path]] = {}
    for inside in _folders(folder):
        pictures = classes.setdefault(spelling(inside.name), [])
        for file in _files(inside):
            (pictures if _is_picture(file) else others).append(file)
    return {name: sorted(classes[name]) for name in sorted(classes)}


def _folders(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.is_dir() and _is_data(entry.name))


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder and its subfolders, without what systems leave behind."""
    for file in folder.rglob("*"):
        if file.is_file() and all(map(_is_data, file.relative_to(folder).parts)):
            yield file


def _is_picture(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES or is_picture(file)


def _is_data(name: str) -> bool:
    return not name.startswith(".") and name.casefold() not in LEFT_BEHIND
