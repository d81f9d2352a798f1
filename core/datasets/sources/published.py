"""Published datasets, read from local Parquet files if there are any, and otherwise from the official archives."""

import hashlib
import os
from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import torch
from pydantic import Field, field_validator
from torch import Tensor

from core.datasets import Data, DataError, Dataset, ProgressCallback, Split, interleave_classes, no_progress
from core.datasets.sources import parquet
from core.datasets.sources.archive import cache_folder
from core.datasets.sources.split import holdout_split
from core.files import PathError, pasted_path, whole_path


class PublishedSplit(Protocol):
    """One published split: labels (N,) int64, and images that are decoded on demand."""

    @property
    def labels(self) -> Tensor: ...

    def images(self, rows: Tensor, image: tuple[int, int, int], report: ProgressCallback) -> Tensor:
        """Return the images of rows (n,) int64 as (n, C, H, W) uint8, where `image` is (C, H, W)."""


@dataclass(frozen=True)
class DecodedRows:
    """A split that is decoded in memory: images (N, C, H, W) uint8 and labels (N,) int64."""

    pictures: Tensor
    labels: Tensor

    def images(self, rows: Tensor, image: tuple[int, int, int], report: ProgressCallback) -> Tensor:
        return self.pictures[rows]


class Published(Dataset):
    """Base class of datasets published as a training and a test split. The validation images are taken from the training split."""

    path: str = Field(
        "",
        title="Data folder",
        description="Folder of the Parquet files; empty: look in the folder named by GATESCOPE_DATA, and download if they are not there",
    )
    val: int = Field(5000, ge=1, le=20_000, title="Validation images", description="Number of training images reserved for validation")
    limit: int | None = Field(
        None, ge=1, le=1_000_000, title="Training images, at most", description="Number of training images to use (none: all)"
    )
    seed: int = Field(
        0, ge=0, lt=2**31, title="Data seed", description="Seed of the choice of validation images, and of training images under a limit"
    )

    @field_validator("path")
    @classmethod
    def _whole(cls, path: str) -> str:
        return whole_path(path)

    for_training: ClassVar[frozenset[str]] = frozenset({"limit"})
    shape: ClassVar[tuple[int, int, int]]
    class_names: ClassVar[tuple[str, ...]]
    published: ClassVar[tuple[int, int]]  # numbers of training and test images
    archives: ClassVar[tuple[str, ...]]  # names of the files that are downloaded

    @abstractmethod
    def download(self, report: ProgressCallback) -> tuple[PublishedSplit, PublishedSplit]:
        """Return the training and test splits from the official archives, downloading them if necessary. Raises DataError."""

    @property
    def advice(self) -> str:
        """What to do if the dataset cannot be downloaded."""
        return f"Connect to the internet, or set GATESCOPE_DATA to a folder that holds {self.name}/*.parquet."

    def read(self, report: ProgressCallback = no_progress) -> Data:
        train, test = self._local_splits() or self.download(report)
        if self.val >= len(train.labels):
            raise DataError(
                f"{self.name}: validation images (dataset.val) must be fewer than the {len(train.labels)} training images, not {self.val}."
            )
        chosen, reserved = holdout_split(len(train.labels), self.val, self.limit, self.seed)
        classes = (train.classes if isinstance(train, parquet.EncodedRows) else ()) or self.class_names
        return Data(
            self._split(train, chosen, report),
            self._split(train, reserved, report),
            self._split(test, torch.arange(len(test.labels)), report),
            classes,
            hashlib.sha256(test.labels.numpy().tobytes() + train.labels[reserved].numpy().tobytes()).hexdigest(),
        )

    def outline(self) -> tuple[tuple[int, int, int], tuple[str, ...]]:
        return self.shape, self.class_names  # Parquet files may name the classes differently

    def samples(self, count: int) -> tuple[Split, tuple[str, ...]]:
        splits = self._local_splits()
        if splits is None:
            raise DataError(f"{self.name} is not on this machine. {self.advice}")
        _, test = splits
        rows = torch.tensor(interleave_classes(test.labels.tolist(), count))
        return self._split(test, rows, no_progress), test.classes or self.class_names

    def sizes(self) -> tuple[int, int, int]:
        splits = self._local_splits()
        if splits is None and not all((cache_folder() / name).is_file() for name in self.archives):
            raise DataError(f"{self.title} is not on this machine: the training downloads it first. {self.advice}")
        train, test = self.published if splits is None else (len(split.labels) for split in splits)
        chosen = train - self.val
        return min(chosen, self.limit or chosen), self.val, test

    def _split(self, published: PublishedSplit, rows: Tensor, report: ProgressCallback) -> Split:
        return Split(published.images(rows, self.shape, report), published.labels[rows])

    def _local_splits(self) -> tuple[parquet.EncodedRows, parquet.EncodedRows] | None:
        """Return the splits from Parquet files, or None if there are none. Raises DataError if `path` holds none."""
        root = self.path or os.environ.get("GATESCOPE_DATA", "")
        folder = _path(root)
        folders = [folder / self.name, folder] if self.path else [folder / self.name]
        for folder in folders if root else []:
            train, test = parquet.find(folder, "train"), parquet.find(folder, "test")
            if train and test:
                return parquet.read(train, len(self.class_names)), parquet.read(test, len(self.class_names))
        if self.path:
            raise DataError(
                f"{self.path}: the folder holds no train-*.parquet and test-*.parquet files. Set the data folder (dataset.path) to the one "
                f"that holds those of {self.name}."
            )
        return None


def _path(text: str) -> Path:
    try:
        return pasted_path(text)
    except PathError as error:
        raise DataError(f"dataset.path: {error}") from None
