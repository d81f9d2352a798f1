"""CIFAR-10: 60,000 colour photographs of 32×32 pixels in ten classes (Krizhevsky, 2009)."""

import tarfile
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Generator, Tensor

from core import bibliography
from core.datasets import DataError, ProgressCallback
from core.datasets.sources.archive import fetch
from core.datasets.sources.augmentation import mirrored, shifted
from core.datasets.sources.published import DecodedRows, Published, Rows

# the binary version: the one for Python is pickled, and unpickling runs whatever the file says
URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
FOLDER = "cifar-10-batches-bin"
MARGIN = 4  # pixels that an image may be shifted by in training


class Cifar10(Published):
    """Photographs of ten kinds of things, 3×32×32: 50,000 to train and validate on, 10,000 for the test."""

    papers = (bibliography.CIFAR10,)
    name: Literal["cifar10"] = "cifar10"

    shape: ClassVar[tuple[int, int, int]] = (3, 32, 32)
    class_names: ClassVar[tuple[str, ...]] = (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    )

    def download(self, report: ProgressCallback) -> tuple[Rows, Rows]:
        file = fetch(URL, MD5, report, self.advice)
        with tarfile.open(file) as archive:
            train = _rows(archive, [f"data_batch_{number}.bin" for number in range(1, 6)])
            test = _rows(archive, ["test_batch.bin"])
        return train, test

    def augment(self, images: Tensor, generator: Generator) -> Tensor:
        """Mirrored half of the time, and shifted by up to 4 pixels each way over a black margin: (B, 3, H, W), any type."""
        return mirrored(shifted(images, MARGIN, generator), generator)


def _rows(archive: tarfile.TarFile, members: list[str]) -> DecodedRows:
    """Images and labels of some members: a record is one byte of label, then 3×32×32 bytes of image."""
    records = []
    for member in members:
        try:
            content = archive.extractfile(f"{FOLDER}/{member}")
        except KeyError:
            content = None
        if content is None:
            raise DataError(f"{archive.name!s}: lacks {member}; delete it and try again")
        records.append(np.frombuffer(content.read(), np.uint8).reshape(-1, 1 + 3 * 32 * 32))
    values = torch.from_numpy(np.concatenate(records))  # (N, 3073)
    return DecodedRows(values[:, 1:].reshape(-1, 3, 32, 32), values[:, 0].long())
