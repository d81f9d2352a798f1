"""MNIST: 70,000 handwritten digits of 28×28 pixels.

Source: LeCun, Bottou, Bengio and Haffner, "Gradient-Based Learning Applied to Document Recognition" (1998).
"""

import gzip
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from core import bibliography
from core.datasets import DataError, ProgressCallback
from core.datasets.sources.archive import fetch
from core.datasets.sources.published import DecodedRows, Published, PublishedSplit

MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist"
CHECKSUMS = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}


class Mnist(Published):
    """Handwritten digits, 28×28 pixels, white on black: 60,000 for training and validation, 10,000 for the test."""

    title = "MNIST"
    papers = (bibliography.MNIST,)
    name: Literal["mnist"] = "mnist"

    hub = "ylecun/mnist"
    shape: ClassVar[tuple[int, int, int]] = (1, 28, 28)
    published: ClassVar[tuple[int, int]] = (60_000, 10_000)
    archives: ClassVar[tuple[str, ...]] = tuple(CHECKSUMS)
    class_names: ClassVar[tuple[str, ...]] = tuple("0123456789")

    def download(self, report: ProgressCallback) -> tuple[PublishedSplit, PublishedSplit]:
        files = {name: fetch(f"{MIRROR}/{name}", md5, report, self.advice) for name, md5 in CHECKSUMS.items()}
        train, test = (
            DecodedRows(
                read_idx(files[f"{part}-images-idx3-ubyte.gz"]).unsqueeze(1),  # (N, 1, 28, 28)
                read_idx(files[f"{part}-labels-idx1-ubyte.gz"]).long(),  # (N,)
            )
            for part in ("train", "t10k")
        )
        return train, test


def read_idx(file: Path) -> Tensor:
    """Read the uint8 array of a gzipped IDX file. Raises DataError for another format.

    An IDX file holds two zero bytes, the type (8 for uint8), the number of dimensions, each size as 4 big-endian bytes, and the values.
    """
    data = gzip.decompress(file.read_bytes())
    dimensions = data[3] if data[:3] == b"\x00\x00\x08" else 0
    sizes = [int.from_bytes(data[4 * i + 4 : 4 * i + 8], "big") for i in range(dimensions)]
    values = np.frombuffer(data, np.uint8, offset=min(len(data), 4 + 4 * dimensions)).copy()
    if not sizes or len(values) != np.prod(sizes):
        raise DataError(f"{file}: not an IDX file of bytes. Delete it, so that it is downloaded again.")
    return torch.from_numpy(values.reshape(sizes))
