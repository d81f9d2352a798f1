"""The images that can be learned from, one file each."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from core.registry import Component

if TYPE_CHECKING:
    from torch import Generator, Tensor

Report = Callable[[str, float], None]  # what is being done, and which share of it is done (0 to 1)


class DataError(RuntimeError):
    """Data that cannot be had or read; its text is one line that says what to do."""


@dataclass(frozen=True)
class Split:
    """Images, (N, C, H, W) uint8, and their classes, (N,) int64."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Data:
    """Three disjoint parts, fixed by the dataset's options alone. The test part is never used to choose anything."""

    train: Split
    val: Split
    test: Split
    classes: tuple[str, ...]

    @property
    def image(self) -> tuple[int, int, int]:
        """(C, H, W) of every image."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width


def unreported(what: str, share: float) -> None:
    """The report of someone who does not listen."""


def varied(labels: list[int], count: int) -> list[int]:
    """The rows of the first image of each class, then of the second of each, and so on, `count` in all."""
    rows: dict[int, list[int]] = {}
    for row, label in enumerate(labels):
        rows.setdefault(label, []).append(row)
    return [rows[label][turn] for turn in range(count) for label in sorted(rows) if turn < len(rows[label])][:count]


class Dataset(Component):
    """Labelled images; its options are sizes, sources and the seed of the split."""

    for_training: ClassVar[frozenset[str]] = frozenset()  # options that leave the validation and the test part as they are

    @abstractmethod
    def read(self, report: Report = unreported) -> Data:
        """Read, fetch or make the images, telling `report` how far it is. Raises DataError."""

    def samples(self, count: int) -> tuple[Split, tuple[str, ...]]:
        """A few test images of as many classes as can be, and the names of all classes. Fetches nothing. Raises DataError."""
        data = self.read()
        rows = varied(data.test.labels.tolist(), count)
        return Split(data.test.images[rows], data.test.labels[rows]), data.classes

    def augment(self, images: Tensor, generator: Generator) -> Tensor:
        """Training images (B, C, H, W), changed at random where the dataset profits from it."""
        return images
