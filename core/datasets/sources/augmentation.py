"""Images changed at random in ways that leave what they show as it is, so that a network never sees quite the same one twice."""

import torch
from torch import Generator, Tensor
from torch.nn import functional as F


def shifted(images: Tensor, margin: int, generator: Generator) -> Tensor:
    """Each image (B, C, H, W), of any type, moved by up to `margin` pixels each way over a black margin."""
    count, _, height, width = images.shape
    top, left = torch.randint(2 * margin + 1, (2, count, 1), generator=generator, device=generator.device).to(images.device)
    rows = top + torch.arange(height, device=images.device)  # (B, H)
    columns = left + torch.arange(width, device=images.device)  # (B, W)
    padded = F.pad(images, (margin,) * 4).movedim(1, -1)  # (B, H + 2 margin, W + 2 margin, C)
    image = torch.arange(count, device=images.device)[:, None, None]
    return padded[image, rows[:, :, None], columns[:, None, :]].movedim(-1, 1)  # (B, C, H, W)


def mirrored(images: Tensor, generator: Generator) -> Tensor:
    """Each image (B, C, H, W) as it is or, half of the time, mirrored."""
    chosen = torch.rand((len(images), 1), generator=generator, device=generator.device).to(images.device) < 0.5
    return torch.where(chosen[:, :, None, None], images.flip(3), images)
