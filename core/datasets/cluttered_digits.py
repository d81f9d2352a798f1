"""Handwritten digits somewhere on a canvas, among fragments of other digits.

After the cluttered MNIST of Mnih and others (2014), which is easy to look at and hard to read at a glance: some images are plain,
others hidden in clutter, so there is something to decide for each.
"""

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Generator, Tensor
from torch.nn import functional as F

from core import bibliography
from core.datasets import Data, Dataset, ProgressCallback, Split, no_progress, varied
from core.datasets.digits import Digits
from core.datasets.mnist import Mnist
from core.datasets.sources.augmentation import shifted

ROOM = 24  # pixels a side that an enlarged digit may fill; its 8×8 original is enlarged to about 20
ENLARGED = 20
TURN = 0.25  # radians either way
STRETCH = 0.12  # share by which a digit may be larger or smaller
CHUNK = 1000  # images composed at once, so that the index arrays stay small


class ClutteredDigits(Dataset):
    """One whole digit and some fragments on a black canvas, grey; which digits are drawn in one part is drawn in no other."""

    for_training: ClassVar[frozenset[str]] = frozenset({"train", "shift"})

    papers = (bibliography.CLUTTERED_MNIST,)
    name: Literal["cluttered_digits"] = "cluttered_digits"
    canvas: int = Field(48, ge=28, le=256, description="side of an image in pixels")
    source: Literal["digits", "mnist"] = Field("digits", description="digits: scikit-learn's, enlarged to about 20×20; mnist: 28×28")
    fragments: int = Field(8, ge=0, le=64, description="pieces of other digits in an image")
    fragment_size: int = Field(8, ge=2, le=16, description="side of a fragment in pixels")
    train: int = Field(8000, ge=10, le=200_000, description="images to train on")
    val: int = Field(1000, ge=10, le=50_000, description="images for validation")
    test: int = Field(2000, ge=10, le=50_000, description="images for the test")
    shift: int = Field(0, ge=0, le=64, description="pixels by which an image may be moved each way in training, anew each time it is seen")
    seed: int = Field(0, ge=0, lt=2**31, description="fixes which digits are in which part, and every image")

    def read(self, report: ProgressCallback = no_progress) -> Data:
        base = self._base(report)
        report("composing images", 0.0)
        train = self._compose(base.train, self.train, 0)
        val = self._compose(base.val, self.val, 1)
        test = self._compose(base.test, self.test, 2)
        report("composing images", 1.0)
        return Data(train, val, test, base.classes)

    def outline(self) -> tuple[tuple[int, int, int], tuple[str, ...]]:
        base = Digits() if self.source == "digits" else Mnist()
        return (1, self.canvas, self.canvas), base.outline()[1]

    def samples(self, count: int) -> tuple[Split, tuple[str, ...]]:
        base = self._base(no_progress)
        test = self._compose(base.test, self.test, 2)
        rows = varied(test.labels.tolist(), count)
        return Split(test.images[rows], test.labels[rows]), base.classes

    def augment(self, images: Tensor, generator: Generator) -> Tensor:
        """Shifted by up to `shift` pixels each way over a black margin."""
        return shifted(images, self.shift, generator) if self.shift else images

    def _base(self, report: ProgressCallback) -> Data:
        """The digits to draw from, in three disjoint parts."""
        if self.source == "digits":
            return Digits(seed=self.seed).read(report)
        return Mnist(limit=self.train, val=min(self.val, 5000), seed=self.seed).read(report)

    def _compose(self, base: Split, count: int, part: int) -> Split:
        """`count` images from the digits of one part, each digit drawn about equally often."""
        generator = Generator().manual_seed(3 * self.seed + part)  # one each: more images to train on leave those of the test as they are
        rounds = -(-count // len(base))
        rows = torch.cat([torch.randperm(len(base), generator=generator) for _ in range(rounds)])[:count]
        digits = base.images[rows].squeeze(1)  # (N, h, h)
        if self.source == "digits":
            digits = _enlarged(digits, generator)  # (N, 24, 24)
        spans = (torch.arange(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK))
        images = torch.cat([self._scene(span, digits, generator) for span in spans])
        return Split(images, base.labels[rows])

    def _scene(self, span: Tensor, digits: Tensor, generator: Generator) -> Tensor:
        """The digits of a span (n,) of rows, each on its own canvas among fragments of others: (n, 1, canvas, canvas) uint8."""
        whole = digits[span].unsqueeze(1)  # (n, 1, h, h)
        scene = torch.zeros((len(span), self.canvas**2), dtype=torch.uint8)
        self._lay(whole, scene, generator)
        self._lay(self._pieces(span, digits, generator), scene, generator)
        return scene.view(len(span), 1, self.canvas, self.canvas)

    def _pieces(self, span: Tensor, digits: Tensor, generator: Generator) -> Tensor:
        """Square pieces from the middle of the digits of other images: (n, fragments, size, size)."""
        shape, side = (len(span), self.fragments), digits.shape[-1]
        step = torch.randint(1, len(digits), shape, generator=generator)
        other = (span[:, None] + step) % len(digits)
        margin = min(side // 7, (side - self.fragment_size) // 2)  # the rim of a digit is mostly empty
        corners = torch.randint(margin, side - margin - self.fragment_size + 1, (2, *shape), generator=generator)
        rows, columns = corners[..., None] + torch.arange(self.fragment_size)  # (n, fragments, size) each
        return digits[other[..., None, None], rows[..., :, None], columns[..., None, :]]

    def _lay(self, pieces: Tensor, scene: Tensor, generator: Generator) -> None:
        """Lay pieces (n, k, s, s), each at a random place, on the flat canvases (n, canvas²)."""
        size = pieces.shape[-1]
        corners = torch.randint(self.canvas - size + 1, (2, *pieces.shape[:2]), generator=generator)
        rows, columns = corners[..., None] + torch.arange(size)  # (n, k, s) each
        places = rows[..., :, None] * self.canvas + columns[..., None, :]  # (n, k, s, s)
        scene.scatter_reduce_(1, places.flatten(1), pieces.flatten(1), "amax")  # the lighter ink is on top


def _enlarged(digits: Tensor, generator: Generator) -> Tensor:
    """Digits (N, 8, 8) enlarged smoothly, each a little turned and stretched: (N, 24, 24) uint8."""
    turn, stretch = (2 * torch.rand((2, len(digits)), generator=generator) - 1) * torch.tensor([[TURN], [STRETCH]])
    zoom = ROOM / (ENLARGED * (1 + stretch))  # from the room's coordinates to the original's
    first = torch.stack([turn.cos() * zoom, -turn.sin() * zoom, torch.zeros(len(digits))], dim=1)
    second = torch.stack([turn.sin() * zoom, turn.cos() * zoom, torch.zeros(len(digits))], dim=1)
    grid = F.affine_grid(torch.stack([first, second], dim=1), [len(digits), 1, ROOM, ROOM], align_corners=False)
    drawn = F.grid_sample(digits.unsqueeze(1).float(), grid, mode="bicubic", padding_mode="zeros", align_corners=False)
    return drawn.squeeze(1).round().clamp(0, 255).to(torch.uint8)
