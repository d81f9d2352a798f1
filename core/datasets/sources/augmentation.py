"""Random augmentations that do not change an image's class.

Each draws from the generator, on the generator's device, and copies what it drew to the images' device without waiting for it.
"""

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from core.datasets import Border
from core.datasets.sources.corruption import CORRUPTIONS, SEVERITIES, Corruption, corrupted


def random_shift(images: Tensor, max_shift: int, generator: Generator, border: Border = "black") -> Tensor:
    """Shift each image (B, C, H, W), of any type, by up to `max_shift` pixels in each direction.

    `border`: what comes into the image, zeros (black) or the image itself, mirrored at its outermost pixels (reflected).
    """
    count, _, height, width = images.shape
    drawn = torch.randint(2 * max_shift + 1, (2, count, 1), generator=generator, device=generator.device)
    top, left = drawn.to(images.device, non_blocking=True)
    rows = top + torch.arange(height, device=images.device)  # (B, H)
    columns = left + torch.arange(width, device=images.device)  # (B, W)
    if border == "reflected":
        rows, columns = _reflected(rows - max_shift, height), _reflected(columns - max_shift, width)
        source = images
    else:
        source = F.pad(images, (max_shift,) * 4)  # (B, C, H + 2 max_shift, W + 2 max_shift)
    image = torch.arange(count, device=images.device)[:, None, None]
    return source.movedim(1, -1)[image, rows[:, :, None], columns[:, None, :]].movedim(-1, 1)  # (B, C, H, W)


def _reflected(positions: Tensor, size: int) -> Tensor:
    """Return positions along a side of `size` pixels, with those outside of it mirrored at its first and last pixel."""
    period = max(2 * (size - 1), 1)
    positions = positions % period
    return torch.minimum(positions, period - positions) if size > 1 else torch.zeros_like(positions)


def random_flip(images: Tensor, generator: Generator) -> Tensor:
    """Flip each image (B, C, H, W) horizontally with probability 1/2."""
    drawn = torch.rand((len(images), 1), generator=generator, device=generator.device)
    chosen = drawn.to(images.device, non_blocking=True) < 0.5
    return torch.where(chosen[:, :, None, None], images.flip(3), images)


def random_corruption(images: Tensor, probability: float, generator: Generator) -> Tensor:
    """Return images (B, C, H, W) uint8 of which each has, with this probability, a corruption: one kind and severity for the batch."""
    chosen = torch.rand(len(images), generator=generator) < probability
    kind, severity, seed = (int(torch.randint(high, (), generator=generator)) for high in (len(CORRUPTIONS), SEVERITIES, 2**31))
    if bool(chosen.any()):
        images = images.clone()
        rows = chosen.to(images.device)
        images[rows] = corrupted(images[rows].cpu(), Corruption(list(CORRUPTIONS)[kind], 1 + severity), seed).to(images.device)
    return images


def cutout(images: Tensor, side: int, probability: float, generator: Generator) -> Tensor:
    """Set a square of `side` pixels to zero in each image (B, C, H, W) float, with this probability and at a random place.

    Source: DeVries & Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout" (arXiv 1708.04552), section 3.
    Differs from the paper: the whole square lies within the image.
    """
    count, _, height, width = images.shape
    drawn = torch.rand((3, count, 1), generator=generator, device=generator.device).to(images.device, non_blocking=True)
    top, left = (drawn[0] * (height - side + 1)).floor(), (drawn[1] * (width - side + 1)).floor()  # (B, 1) each
    rows, columns = (torch.arange(size, device=images.device) for size in (height, width))
    cut_rows = (rows >= top) & (rows < top + side) & (drawn[2] < probability)  # (B, H)
    cut_columns = (columns >= left) & (columns < left + side)  # (B, W)
    return images.masked_fill((cut_rows[:, :, None] & cut_columns[:, None, :])[:, None], 0.0)
