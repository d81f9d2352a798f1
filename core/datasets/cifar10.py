"""CIFAR-10: 60,000 colour photographs of 32×32 pixels in ten classes.

Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images" (2009), https://www.cs.toronto.edu/~kriz/cifar.html
"""

import tarfile
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Generator, Tensor

from core import bibliography
from core.datasets import Border, DataError, ProgressCallback
from core.datasets.sources.archive import fetch
from core.datasets.sources.augmentation import random_flip, random_shift
from core.datasets.sources.published import DecodedRows, Published, PublishedSplit

# the binary version: the Python version is pickled, and unpickling can execute code
URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CHECKSUM = "c32a1d4ab5d03f1284b67883e8d87530"
FOLDER = "cifar-10-batches-bin"
MAX_SHIFT = 4  # pixels


class Cifar10(Published):
    """Colour photographs of ten kinds of animals and vehicles, 32×32 pixels: 50,000 for training and validation, 10,000 for the test."""

    title = "CIFAR-10"
    papers = (bibliography.CIFAR10,)
    name: Literal["cifar10"] = "cifar10"

    hub = "uoft-cs/cifar10"
    shape: ClassVar[tuple[int, int, int]] = (3, 32, 32)
    published: ClassVar[tuple[int, int]] = (50_000, 10_000)
    archives: ClassVar[tuple[str, ...]] = (URL.rsplit("/", 1)[-1],)
    class_names: ClassVar[tuple[str, ...]] = (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    )

    def download(self, report: ProgressCallback) -> tuple[PublishedSplit, PublishedSplit]:
        file = fetch(URL, CHECKSUM, report, self.advice)
        with tarfile.open(file) as archive:
            train = _rows(archive, [f"data_batch_{number}.bin" for number in range(1, 6)])
            test = _rows(archive, ["test_batch.bin"])
        return train, test

    def augment(self, images: Tensor, generator: Generator, border: Border = "black") -> Tensor:
        """Shift images (B, 3, H, W) of any type by up to 4 pixels in each direction, and flip half of them horizontally.

        Source: He et al., "Deep Residual Learning for Image Recognition" (https://arxiv.org/abs/1512.03385), section 4.2.
        """
        return random_flip(random_shift(images, MAX_SHIFT, generator, border), generator)


def _rows(archive: tarfile.TarFile, members: list[str]) -> DecodedRows:
    """Read the images and labels of archive members. A record is one label byte followed by 3×32×32 image bytes."""
    records = []
    for member in members:
        try:
            content = archive.extractfile(f"{FOLDER}/{member}")
        except KeyError:
            content = None
        if content is None:
            raise DataError(f"{archive.name!s}: {member} is missing. Delete the archive, so that it is downloaded again.")
        records.append(np.frombuffer(content.read(), np.uint8).reshape(-1, 1 + 3 * 32 * 32))
    values = torch.from_numpy(np.concatenate(records))  # (N, 3073)
    return DecodedRows(values[:, 1:].reshape(-1, 3, 32, 32), values[:, 0].long())
