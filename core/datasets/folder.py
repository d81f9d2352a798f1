"""Your own images: a folder with one subfolder of images per class."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor

from core.datasets import Data, DataError, Dataset, ProgressCallback, Split, no_progress
from core.datasets.sources.class_folders import Listing, SplitName, check_sizes, list_folder, spelling
from core.datasets.sources.picture import PictureError, read_picture, to_tensor
from core.datasets.sources.split import split_by_name
from core.files import PathError, pasted_path, whole_path

ALL_SPLITS: tuple[SplitName, ...] = ("train", "val", "test")
FOLDER_SHARES = (0.7, 0.1, 0.2)  # of training, validation and test


class Folder(Dataset):
    """Images in subfolders named after their classes: about 70% for training, 10% for validation, 20% for the test.

    The file name decides the split of an image, so adding images later moves no other image to another split. Where the folder holds
    train/, val/ (or valid/, validation/) and test/ with these subfolders, they are the splits; one that is missing is taken from train/.
    """

    title = "Your own images"
    name: Literal["folder"] = "folder"
    path: str = Field("", title="Data folder", description="Folder with one subfolder of images per class")
    size: int = Field(
        32,
        ge=8,
        le=256,
        title="Image size (pixels)",
        description="Side of each square image, in pixels; every file is cropped to its centre and scaled",
    )
    channels: Literal[1, 3] = Field(
        3, title="Colour channels", json_schema_extra={"labels": {"1": "1 (grey)", "3": "3 (colour)"}}, description="3: colour; 1: grey"
    )
    seed: int = Field(0, ge=0, lt=2**31, title="Data seed", description="Seed of the split")

    @field_validator("path")
    @classmethod
    def _whole(cls, path: str) -> str:
        return whole_path(path)

    @property
    def own_files(self) -> bool:
        return True

    def read(self, report: ProgressCallback = no_progress) -> Data:
        listing = self._listing()
        parts = _parts(listing)
        check_sizes(listing, {folder: len(taken) for folder, taken in parts.items()})
        counter = ImageCounter(sum(len(files) for classes in listing.files.values() for files in classes.values()), report)
        splits: dict[SplitName, Split] = {}
        for folder, classes in listing.files.items():
            files = [file for pictures in classes.values() for file in pictures]
            images = self._images(files, counter)
            names, labels = _named(listing.classes, classes)
            shares = [FOLDER_SHARES[ALL_SPLITS.index(split)] for split in parts[folder]]
            for split, rows in zip(parts[folder], split_by_name(names, labels, shares, self.seed), strict=True):
                splits[split] = Split(images[rows], labels[rows])
        train, val, test = (splits[split] for split in ALL_SPLITS)
        return Data(train, val, test, listing.classes, listing.fingerprint(), listing.notes)

    def outline(self) -> tuple[tuple[int, int, int], tuple[str, ...]]:
        return (self.channels, self.size, self.size), self._listing().classes

    def sizes(self) -> tuple[int, int, int]:
        counts = self.per_class()
        train, val, test = (sum(by_class.values()) for by_class in counts.values())
        return train, val, test

    def per_class(self) -> dict[SplitName, dict[str, int]]:
        """Return the number of images of each class in each split. Reads no image. Raises DataError."""
        listing = self._listing()
        parts = _parts(listing)
        check_sizes(listing, {folder: len(taken) for folder, taken in parts.items()})
        counts: dict[SplitName, dict[str, int]] = {split: {} for split in ALL_SPLITS}
        for folder, classes in listing.files.items():
            names, labels = _named(listing.classes, classes)
            shares = [FOLDER_SHARES[ALL_SPLITS.index(split)] for split in parts[folder]]
            for split, rows in zip(parts[folder], split_by_name(names, labels, shares, self.seed), strict=True):
                counts[split] = {name: int((labels[rows] == index).sum()) for index, name in enumerate(listing.classes)}
        return counts

    def _listing(self) -> Listing:
        """Return the image files of each class. Raises DataError."""
        if not self.path:
            raise DataError("Set the data folder (dataset.path) to a folder with one subfolder of images per class.")
        try:
            root = pasted_path(self.path)
        except PathError as error:
            raise DataError(f"dataset.path: {error}") from None
        listing = list_folder(root)
        if len(listing.classes) < 2:
            raise DataError(
                f"{root}: the folder has {len(listing.classes)} subfolders. "
                "Put the images of each class into a subfolder, with at least two classes."
            )
        return listing

    def _images(self, files: list[Path], counter: "ImageCounter") -> Tensor:
        images = torch.empty((len(files), self.channels, self.size, self.size), dtype=torch.uint8)
        with ThreadPoolExecutor() as pool:
            try:
                for position, image in enumerate(pool.map(self._image, files)):
                    images[position] = image
                    counter.count()
            except PictureError as error:
                pool.shutdown(cancel_futures=True)
                raise DataError(f"{error}. Repair or remove the file.") from None
        return images

    def _image(self, file: Path) -> Tensor:
        return to_tensor(read_picture(file), (self.channels, self.size, self.size))


def _named(known: tuple[str, ...], classes: Mapping[str, Sequence[Path]]) -> tuple[list[str], Tensor]:
    """Return the names of a folder's files by which they are split, and their classes (N,), as indices of the known ones."""
    names = [f"{spelling(file.parent.name)}/{spelling(file.name)}" for pictures in classes.values() for file in pictures]
    return names, torch.tensor([known.index(name) for name, pictures in classes.items() for _ in pictures])


class ImageCounter:
    """Reports which fraction of a number of images has been read."""

    def __init__(self, total: int, report: ProgressCallback) -> None:
        self.done, self.total, self.report = 0, total, report

    def count(self) -> None:
        """Count one image."""
        self.done += 1
        self.report("reading images", self.done / self.total)


def _parts(listing: Listing) -> dict[SplitName | None, list[SplitName]]:
    """Return the splits that each folder provides: the training folder also those that have no folder of their own."""
    missing = [split for split in ALL_SPLITS if split not in listing.files]
    return {split: [split or "train", *missing[split is None :]] if split in (None, "train") else [split] for split in listing.files}
