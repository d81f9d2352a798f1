"""Handwritten digits at random positions on a canvas, cluttered with fragments of other digits.

Modelled on the cluttered MNIST of Mnih et al., "Recurrent Models of Visual Attention" (2014, https://arxiv.org/abs/1406.6247), section 4.1.
The amount of overlapping clutter varies from image to image, and with it the computation that an image is worth.
"""

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Generator, Tensor
from torch.nn import functional as F

from core import bibliography
from core.datasets import Border, Data, Dataset, ProgressCallback, Split, interleave_classes, no_progress
from core.datasets.digits import Digits
from core.datasets.mnist import Mnist
from core.datasets.sources.augmentation import random_shift

ENLARGED_SIZE = 24  # pixels: side of an enlarged 8×8 digit with its margin
DIGIT_SIZE = 20  # pixels: side of the digit within that margin, before scaling
MAX_ROTATION_RADIANS = 0.25  # radians in either direction
MAX_SCALING = 0.12  # largest relative change of a digit's size
IMAGES_PER_CHUNK = 1000  # images composed at once, to limit the memory of the index arrays


class ClutteredDigits(Dataset):
    """One whole digit and several fragments of other digits on a black canvas, in grey. The splits share no digit."""

    for_training: ClassVar[frozenset[str]] = frozenset({"train", "shift"})

    title = "Cluttered digits"
    papers = (bibliography.CLUTTERED_MNIST,)
    name: Literal["cluttered_digits"] = "cluttered_digits"
    canvas: int = Field(48, ge=28, le=256, title="Image size (pixels)", description="Side of each square image, in pixels")
    source: Literal["digits", "mnist"] = Field(
        "digits",
        title="Source of the digits",
        json_schema_extra={"labels": {"digits": "scikit-learn (8×8)", "mnist": "MNIST (28×28)"}},
        description="digits: the 8×8 digits of scikit-learn, enlarged to about 20×20 pixels; mnist: MNIST's digits of 28×28 pixels",
    )
    fragments: int = Field(8, ge=0, le=64, title="Fragments per image", description="Pieces of other digits that clutter each image")
    fragment_size: int = Field(8, ge=2, le=16, title="Fragment size (pixels)", description="Side of each square fragment, in pixels")
    train: int = Field(8000, ge=10, le=200_000, title="Training images", description="Number of training images")
    val: int = Field(1000, ge=10, le=50_000, title="Validation images", description="Number of validation images")
    test: int = Field(2000, ge=10, le=50_000, title="Test images", description="Number of test images")
    shift: int = Field(
        0,
        ge=0,
        le=64,
        title="Random shift (pixels)",
        description="Augmentation: largest shift of a training image in each direction, in pixels, drawn anew in every epoch (0: none)",
    )
    seed: int = Field(0, ge=0, lt=2**31, title="Data seed", description="Seed of the split and of every image")

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

    def sizes(self) -> tuple[int, int, int]:
        if self.source == "mnist":
            Mnist().sizes()  # the digits must be there
        return self.train, self.val, self.test

    def samples(self, count: int) -> tuple[Split, tuple[str, ...]]:
        base = self._base(no_progress)
        test = self._compose(base.test, self.test, 2)
        rows = interleave_classes(test.labels.tolist(), count)
        return Split(test.images[rows], test.labels[rows]), base.classes

    def augment(self, images: Tensor, generator: Generator, border: Border = "black") -> Tensor:
        """Shift images (B, 1, H, W) by up to `shift` pixels in each direction."""
        return random_shift(images, self.shift, generator, border) if self.shift else images

    def _base(self, report: ProgressCallback) -> Data:
        """Return the digits to draw from, in three disjoint splits."""
        if self.source == "digits":
            return Digits(seed=self.seed).read(report)
        return Mnist(limit=self.train, val=min(self.val, 5000), seed=self.seed).read(report)

    def _compose(self, base: Split, count: int, index: int) -> Split:
        """Compose the images of the split with this index (0 to 2): `count` of them, using each of its digits about equally often."""
        generator = Generator().manual_seed(3 * self.seed + index)  # one per split, so that `train` does not change the test images
        rounds = -(-count // len(base))
        rows = torch.cat([torch.randperm(len(base), generator=generator) for _ in range(rounds)])[:count]
        digits = base.images[rows].squeeze(1)  # (N, h, h)
        if self.source == "digits":
            digits = _enlarge(digits, generator)  # (N, 24, 24)
        spans = (torch.arange(start, min(start + IMAGES_PER_CHUNK, count)) for start in range(0, count, IMAGES_PER_CHUNK))
        images = torch.cat([self._scene(span, digits, generator) for span in spans])
        return Split(images, base.labels[rows])

    def _scene(self, span: Tensor, digits: Tensor, generator: Generator) -> Tensor:
        """Place the digits of the rows `span` (n,) and their fragments on canvases: (n, 1, canvas, canvas) uint8."""
        whole = digits[span].unsqueeze(1)  # (n, 1, h, h)
        scene = torch.zeros((len(span), self.canvas**2), dtype=torch.uint8)
        self._place(whole, scene, generator)
        self._place(self._fragments(span, digits, generator), scene, generator)
        return scene.view(len(span), 1, self.canvas, self.canvas)

    def _fragments(self, span: Tensor, digits: Tensor, generator: Generator) -> Tensor:
        """Cut square fragments from the middle of other images' digits: (n, fragments, size, size)."""
        shape, side = (len(span), self.fragments), digits.shape[-1]
        step = torch.randint(1, len(digits), shape, generator=generator)
        other = (span[:, None] + step) % len(digits)
        margin = min(side // 7, (side - self.fragment_size) // 2)  # the border of a digit is mostly empty
        corners = torch.randint(margin, side - margin - self.fragment_size + 1, (2, *shape), generator=generator)
        rows, columns = corners[..., None] + torch.arange(self.fragment_size)  # (n, fragments, size) each
        return digits[other[..., None, None], rows[..., :, None], columns[..., None, :]]

    def _place(self, patches: Tensor, scene: Tensor, generator: Generator) -> None:
        """Draw patches (n, k, s, s) at random positions on the flattened canvases `scene` (n, canvas²), in place."""
        size = patches.shape[-1]
        corners = torch.randint(self.canvas - size + 1, (2, *patches.shape[:2]), generator=generator)
        rows, columns = corners[..., None] + torch.arange(size)  # (n, k, s) each
        positions = rows[..., :, None] * self.canvas + columns[..., None, :]  # (n, k, s, s)
        scene.scatter_reduce_(1, positions.flatten(1), patches.flatten(1), "amax")  # the lighter value wins


def _enlarge(digits: Tensor, generator: Generator) -> Tensor:
    """Enlarge digits (N, 8, 8) with bicubic interpolation, a random rotation and a random scaling: (N, 24, 24) uint8."""
    angle, scaling = (2 * torch.rand((2, len(digits)), generator=generator) - 1) * torch.tensor([[MAX_ROTATION_RADIANS], [MAX_SCALING]])
    zoom = ENLARGED_SIZE / (DIGIT_SIZE * (1 + scaling))  # from enlarged to original coordinates
    first = torch.stack([angle.cos() * zoom, -angle.sin() * zoom, torch.zeros(len(digits))], dim=1)
    second = torch.stack([angle.sin() * zoom, angle.cos() * zoom, torch.zeros(len(digits))], dim=1)
    grid = F.affine_grid(torch.stack([first, second], dim=1), [len(digits), 1, ENLARGED_SIZE, ENLARGED_SIZE], align_corners=False)
    enlarged = F.grid_sample(digits.unsqueeze(1).float(), grid, mode="bicubic", padding_mode="zeros", align_corners=False)
    return enlarged.squeeze(1).round().clamp(0, 255).to(torch.uint8)
