"""The images that can be learned from, one file each."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from core.registry import Component

if TYPE_CHECKING:
    from torch import Generator, Tensor

ProgressCallback = Callable[[str, float], None]  # what is being done, and which share of it is done (0 to 1)
NAMED = 5  # classes that one line names


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

    def check(self, image: Sequence[int], classes: Sequence[str]) -> None:
        """Raises DataError, which says what differs, where a run knows other images, (C, H, W), or classes than these."""
        mend = "put its data back as it was, or train a new run"
        if tuple(image) != self.image:
            here, known = ("×".join(map(str, size)) for size in (self.image, image))
            raise DataError(f"the images are {here}, and the run knows images of {known}: {mend}")
        if tuple(classes) != self.classes:
            new, gone = _without(self.classes, classes), _without(classes, self.classes)
            differs = "; ".join(f"{what}: {names}" for what, names in (("new", new), ("gone", gone)) if names) or "in another order"
            raise DataError(f"the classes are not those that the run knows ({differs}): {mend}")


def normalised(images: Tensor) -> Tensor:
    """Return images (B, C, H, W) uint8 as networks take them: float32 in [−1, 1]."""
    return images.float() / 127.5 - 1


def no_progress(what: str, share: float) -> None:
    """The report of someone who does not listen."""


def _without(classes: Sequence[str], others: Sequence[str]) -> str:
    """The classes that are not among others, as far as there is room for them."""
    alone = [name for name in classes if name not in others]
    return ", ".join(alone[:NAMED]) + (f" and {len(alone) - NAMED} more" if len(alone) > NAMED else "")


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
    def read(self, report: ProgressCallback = no_progress) -> Data:
        """Read, fetch or make the images, telling `report` how far it is. Raises DataError."""

    def outline(self) -> tuple[tuple[int, int, int], tuple[str, ...]]:
        """The size (C, H, W) of its images and the names of its classes: what a network for it has to fit. Raises DataError.

        Where both are known without them, no images are read, so that these need not be at hand.
        """
        stills, classes = self.samples(1)
        channels, height, width = stills.images.shape[1:]
        return (channels, height, width), classes

    def samples(self, count: int) -> tuple[Split, tuple[str, ...]]:
        """A few test images of as many classes as can be, and the names of all classes. Fetches nothing. Raises DataError."""
        data = self.read()
        rows = varied(data.test.labels.tolist(), count)
        return Split(data.test.images[rows], data.test.labels[rows]), data.classes

    def augment(self, images: Tensor, generator: Generator) -> Tensor:
        """Training images (B, C, H, W), changed at random where the dataset profits from it."""
        return images
