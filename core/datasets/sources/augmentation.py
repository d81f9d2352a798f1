"""Random augmentations that do not change an image's class."""

import torch
from torch import Generator, Tensor
from torch.nn import functional as F


def random_shift(images: Tensor, max_shift: int, generator: Generator) -> Tensor:
    """Shift each image (B, C, H, W), of any type, by up to `max_shift` pixels in each direction, padding with zeros."""
    count, _, height, width = images.shape
    top, left = torch.randint(2 * max_shift + 1, (2, count, 1), generator=generator, device=generator.device).to(images.device)
    rows = top + torch.arange(height, device=images.device)  # (B, H)
    columns = left + torch.arange(width, device=images.device)  # (B, W)
    padded = F.pad(images, (max_shift,) * 4).movedim(1, -1)  # (B, H + 2 max_shift, W + 2 max_shift, C)
    image = torch.arange(count, device=images.device)[:, None, None]
    return padded[image, rows[:, :, None], columns[:, None, :]].movedim(-1, 1)  # (B, C, H, W)


def random_flip(images: Tensor, generator: Generator) -> Tensor:
    """Flip each image (B, C, H, W) horizontally with probability 1/2."""
    chosen = torch.rand((len(images), 1), generator=generator, device=generator.device).to(images.device) < 0.5
    return torch.where(chosen[:, :, None, None], images.flip(3), images)
