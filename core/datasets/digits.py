"""Handwritten digits of 8×8 pixels that come with scikit-learn: nothing to download, and trained in seconds.

Source: https://scikit-learn.org/stable/modules/generated/sklearn.datasets.load_digits.html
"""

from typing import Literal

import torch
from pydantic import Field
from sklearn.datasets import load_digits

from core.datasets import Data, Dataset, ProgressCallback, Split, no_progress
from core.datasets.sources.split import stratified_split

MAX_VALUE = 16  # scikit-learn's pixel values are 0 to 16


class Digits(Dataset):
    """1,797 handwritten digits, 8×8 pixels, white on black: 70% for training, 10% for validation, 20% for the test."""

    title = "Handwritten digits (8×8)"
    name: Literal["digits"] = "digits"
    seed: int = Field(0, ge=0, lt=2**31, title="Data seed", description="Seed of the split")

    def read(self, report: ProgressCallback = no_progress) -> Data:
        bunch = load_digits()
        values = torch.from_numpy(bunch.images).unsqueeze(1)  # (N, 1, 8, 8)
        images = (values * 255 / MAX_VALUE).round().to(torch.uint8)
        labels = torch.from_numpy(bunch.target).long()
        train, val, test = (Split(images[rows], labels[rows]) for rows in stratified_split(labels, (0.7, 0.1, 0.2), self.seed))
        return Data(train, val, test, tuple("0123456789"))
