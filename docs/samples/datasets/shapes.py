"""Squares, discs and crosses of random size and place, in noise: made when read, nothing to download."""

from typing import Literal

import torch
from pydantic import Field
from torch import Generator, Tensor

from core.datasets import Data, Dataset, ProgressCallback, Split, no_progress
from core.datasets.sources.split import stratified_split

CLASSES = ("square", "disc", "cross")


class Shapes(Dataset):
    """Three classes, 1×28×28: 70% to train, 10% for validation, 20% for the test."""

    name: Literal["shapes"] = "shapes"
    count: int = Field(3000, ge=30, le=100_000, description="Images in all three parts together")
    noise: float = Field(0.2, ge=0, le=1, description="Standard deviation of the noise (1: full brightness)")
    seed: int = Field(0, ge=0, lt=2**31, description="Fixes every image and which part it belongs to")

    def read(self, report: ProgressCallback = no_progress) -> Data:
        generator = Generator().manual_seed(self.seed)
        labels = torch.arange(self.count) % len(CLASSES)  # (N,)
        images = self._draw(labels, generator)
        parts = stratified_split(labels, (0.7, 0.1, 0.2), self.seed)
        train, val, test = (Split(images[rows], labels[rows]) for rows in parts)
        return Data(train, val, test, CLASSES)

    def _draw(self, labels: Tensor, generator: Generator) -> Tensor:
        """Return one image per label (N,): (N, 1, 28, 28) uint8."""
        centre = torch.rand(2, len(labels), 1, 1, generator=generator) * 12 + 8
        radius = torch.rand(len(labels), 1, 1, generator=generator) * 4 + 3
        down, across = (torch.arange(28)[:, None] - centre[0]).abs(), (torch.arange(28)[None, :] - centre[1]).abs()
        square = torch.maximum(down, across) < radius  # (N, 28, 28)
        disc = down**2 + across**2 < radius**2
        cross = square & (torch.minimum(down, across) < radius / 3)
        inside = torch.stack([square, disc, cross])[labels, torch.arange(len(labels))]
        noisy = inside + self.noise * torch.randn(inside.shape, generator=generator)
        return (noisy.clamp(0, 1) * 255).round().to(torch.uint8)[:, None]
