"""A published set of labelled images: from Parquet files at hand, else from the official archives."""

import os
from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import torch
from pydantic import Field
from torch import Tensor

from core.datasets import Data, DataError, Dataset, ProgressCallback, Split, no_progress, varied
from core.datasets.sources import parquet
from core.datasets.sources.split import held_out


class Rows(Protocol):
    """One published part: labels (N,) int64, and the images of those rows that are asked for, (n, C, H, W) uint8."""

    @property
    def labels(self) -> Tensor: ...

    def images(self, rows: Tensor, image: tuple[int, int, int], report: ProgressCallback) -> Tensor: ...


@dataclass(frozen=True)
class DecodedRows:
    """A part that lies decoded in memory: (N, C, H, W) uint8 and (N,) int64."""

    pictures: Tensor
    labels: Tensor

    def images(self, rows: Tensor, image: tuple[int, int, int], report: ProgressCallback) -> Tensor:
        return self.pictures[rows]


class Published(Dataset):
    """A set that is published as a training and a test part. The validation part is taken from the training rows."""

    path: str = Field("", description="folder of the Parquet files; empty: looked for in GATESCOPE_DATA, else downloaded")
    val: int = Field(5000, ge=1, le=20_000, description="training images kept for validation")
    limit: int | None = Field(None, ge=1, description="train on this many images only; none: on all")
    seed: int = Field(0, ge=0, lt=2**31, description="chooses the images for validation and those under the limit")

    for_training: ClassVar[frozenset[str]] = frozenset({"limit"})
    shape: ClassVar[tuple[int, int, int]]
    class_names: ClassVar[tuple[str, ...]]

    @abstractmethod
    def download(self, report: ProgressCallback) -> tuple[Rows, Rows]:
        """The training and the test part from the official archives. Raises DataError."""

    @property
    def advice(self) -> str:
        """What to do without a connection."""
        return f"set GATESCOPE_DATA to a folder holding {self.name}/*.parquet, or connect to the internet"

    def read(self, report: ProgressCallback = no_progress) -> Data:
        train, test = self._at_hand() or self.download(report)
        if self.val >= len(train.labels):
            raise DataError(f"{self.name}: {self.val} validation images leave none of {len(train.labels)} to train on: choose fewer")
        chosen, kept = held_out(len(train.labels), self.val, self.limit, self.seed)
        classes = (train.classes if isinstance(train, parquet.EncodedRows) else ()) or self.class_names
        return Data(
            self._split(train, chosen, report),
            self._split(train, kept, report),
            self._split(test, torch.arange(len(test.labels)), report),
            classes,
        )

    def outline(self) -> tuple[tuple[int, int, int], tuple[str, ...]]:
        return self.shape, self.class_names  # files may call as many classes otherwise

    def samples(self, count: int) -> tuple[Split, tuple[str, ...]]:
        parts = self._at_hand()
        if parts is None:
            raise DataError(f"{self.name} is not on this machine: {self.advice}")
        rows = torch.tensor(varied(parts[1].labels.tolist(), count))
        return self._split(parts[1], rows, no_progress), parts[1].classes or self.class_names

    def _split(self, part: Rows, rows: Tensor, report: ProgressCallback) -> Split:
        return Split(part.images(rows, self.shape, report), part.labels[rows])

    def _at_hand(self) -> tuple[parquet.EncodedRows, parquet.EncodedRows] | None:
        """The parts from Parquet files, where there are any. Raises DataError where `path` names none."""
        root = self.path or os.environ.get("GATESCOPE_DATA", "")
        folders = [Path(root).expanduser() / self.name, Path(root).expanduser()] if self.path else [Path(root) / self.name]
        for folder in folders if root else []:
            train, test = parquet.find(folder, "train"), parquet.find(folder, "test")
            if train and test:
                return parquet.read(train), parquet.read(test)
        if self.path:
            raise DataError(f"{self.path}: holds no train-*.parquet and test-*.parquet of {self.name}: mend the option `path`")
        return None
