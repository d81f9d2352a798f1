"""Handwritten digits of 8×8 pixels, from scikit-learn: nothing to download, learned in seconds."""

from typing import Literal

import torch
from pydantic import Field
from sklearn.datasets import load_digits

from core.datasets import Data, Dataset, ProgressCallback, Split, no_progress
from core.datasets.sources.split import stratified

INK = 16  # scikit-learn counts the ink of a pixel from 0 to 16


class Digits(Dataset):
    """1,797 digits, 1×8×8, white on black: 70% to train on, 10% for validation, 20% for the test."""

    name: Literal["digits"] = "digits"
    seed: int = Field(0, ge=0, lt=2**31, description="chooses which images are in which part")

    def read(self, report: ProgressCallback = no_progress) -> Data:
        bunch = load_digits()
        ink = torch.from_numpy(bunch.images).unsqueeze(1)  # (N, 1, 8, 8)
        images = (ink * 255 / INK).round().to(torch.uint8)
        labels = torch.from_numpy(bunch.target).long()
        train, val, test = (Split(images[rows], labels[rows]) for rows in stratified(labels, (0.7, 0.1, 0.2), self.seed))
        return Data(train, val, test, tuple("0123456789"))
