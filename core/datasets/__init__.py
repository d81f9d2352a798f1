"""Labelled image datasets, one file each."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from core.errors import UserError
from core.registry import Component

if TYPE_CHECKING:
    from torch import Generator, Tensor

Border = Literal["black", "reflected"]  # what a shift brings into the image
ProgressCallback = Callable[[str, float], None]  # receives the current task and the fraction of it that is done (0 to 1)
MAX_LISTED_CLASSES = 5  # class names that an error message lists


class DataError(UserError):
    """Raised when data cannot be downloaded or read. The text is one line that says what to do."""


@dataclass(frozen=True)
class Split:
    """Images, (N, C, H, W) uint8, and their class indices, (N,) int64."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Data:
    """Disjoint training, validation and test splits, determined by the dataset's options alone.

    Nothing is ever chosen by its result on the test split. `fingerprint`: a hash by which other images are noticed, empty for data that
    cannot change. `notes`: sentences on what was left out.
    """

    train: Split
    val: Split
    test: Split
    classes: tuple[str, ...]
    fingerprint: str = ""
    notes: tuple[str, ...] = ()

    @property
    def image(self) -> tuple[int, int, int]:
        """The shape (C, H, W) of every image."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width

    def check(self, image: Sequence[int], classes: Sequence[str], fingerprint: str | None = None) -> None:
        """Raise DataError, naming the differences, unless images (C, H, W) and classes are those that a run was trained on.

        `fingerprint`: that of the data it was trained on, where it is known.
        """
        remedy = "Restore the original data, or train a new run."
        if tuple(image) != self.image:
            found, expected = ("×".join(map(str, size)) for size in (self.image, image))
            raise DataError(f"The images are {found}, but the run was trained on {expected}. {remedy}")
        if tuple(classes) != self.classes:
            added, missing = _difference(self.classes, classes), _difference(classes, self.classes)
            differences = "; ".join(f"{what}: {names}" for what, names in (("new", added), ("missing", missing)) if names)
            raise DataError(f"The classes differ from those that the run was trained on ({differences or 'different order'}). {remedy}")
        if fingerprint and self.fingerprint and fingerprint != self.fingerprint:
            raise DataError(f"The images are not those that the run was trained on: files were added, removed or changed. {remedy}")


def normalised(images: Tensor) -> Tensor:
    """Convert images (B, C, H, W) uint8 to a network's input, float32 in [−1, 1]. Floats are a network's input already."""
    return images if images.is_floating_point() else images.float() / 127.5 - 1


def no_progress(*done: object) -> None:
    """A progress callback that does nothing."""


def _difference(classes: Sequence[str], others: Sequence[str]) -> str:
    """Return the classes that `others` lacks as text."""
    return listed([name for name in classes if name not in others])


def listed(classes: Sequence[str]) -> str:
    """Return classes as text, at most MAX_LISTED_CLASSES of them by name."""
    unlisted = len(classes) - MAX_LISTED_CLASSES
    return ", ".join(classes[:MAX_LISTED_CLASSES]) + (f" and {unlisted} more" if unlisted > 0 else "")


def interleave_classes(labels: list[int], count: int) -> list[int]:
    """Return at most `count` rows: the first image of each class, then the second of each class, and so on."""
    rows: dict[int, list[int]] = {}
    for row, label in enumerate(labels):
        rows.setdefault(label, []).append(row)
    return [rows[label][turn] for turn in range(count) for label in sorted(rows) if turn < len(rows[label])][:count]


class Dataset(Component):
    """Base class of labelled image datasets. Options are sizes, sources and the seed of the split."""

    hub: ClassVar[str] = ""  # its identifier on the Hugging Face Hub, if it is there
    for_training: ClassVar[frozenset[str]] = frozenset()  # options that do not change the validation and test splits

    @property
    def own_files(self) -> bool:
        """Return whether an option names files or folders of this computer."""
        return bool(getattr(self, "path", ""))

    @abstractmethod
    def read(self, report: ProgressCallback = no_progress) -> Data:
        """Read, download or generate the images, reporting progress to `report`. Raises DataError."""

    def outline(self) -> tuple[tuple[int, int, int], tuple[str, ...]]:
        """Return the shape (C, H, W) of the images and the class names, to which a network must fit. Raises DataError.

        Datasets that know both in advance override this, so that the images need not be on this machine.
        """
        stills, classes = self.samples(1)
        channels, height, width = stills.images.shape[1:]
        return (channels, height, width), classes

    def samples(self, count: int) -> tuple[Split, tuple[str, ...]]:
        """Return `count` test images from as many classes as possible, and all class names. Downloads nothing. Raises DataError."""
        data = self.read()
        rows = interleave_classes(data.test.labels.tolist(), count)
        return Split(data.test.images[rows], data.test.labels[rows]), data.classes

    def sizes(self) -> tuple[int, int, int]:
        """Return the numbers of training, validation and test images. Downloads nothing.

        Raises DataError, which says what to do, where the images are not on this machine. Datasets that are not made or read within a
        second override this.
        """
        data = self.read()
        return len(data.train), len(data.val), len(data.test)

    def augment(self, images: Tensor, generator: Generator, border: Border = "black") -> Tensor:
        """Return randomly augmented training images, (B, C, H, W), on the same device. By default they are unchanged.

        `border`: what a shift brings into the image.
        """
        return images
