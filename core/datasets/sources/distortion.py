"""Ways to make an image harder for a network, each of a strength from 0 to 1; the same strengths always give the same result."""

from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter
from torch import Tensor

MOST_NOISE = 0.5  # standard deviation, as a share of the range of values
WIDEST_BLUR = 0.12  # radius, as a share of the side
FURTHEST = 90  # degrees
LARGEST_COVER = 0.8  # side of the grey square, as a share of the image's
LEAST_CONTRAST = 0.1


@dataclass(frozen=True)
class Distortion:
    """Strengths from 0 to 1."""

    noise: float = 0.0
    blur: float = 0.0
    turn: float = 0.0
    cover: float = 0.0
    fade: float = 0.0

    @property
    def nothing(self) -> bool:
        """Whether it leaves images as they are."""
        return not any(getattr(self, field.name) for field in fields(self))


def distort(image: Tensor, by: Distortion) -> Tensor:
    """An image (C, H, W) uint8 turned, blurred, faded, covered in its middle and overlaid with noise, in this order."""
    if by.nothing:
        return image
    channels, height, width = image.shape
    values = image.permute(1, 2, 0).numpy()  # (H, W, C)
    picture = Image.fromarray(values[:, :, 0] if channels == 1 else values)
    if by.turn:
        picture = picture.rotate(by.turn * FURTHEST, Image.Resampling.BILINEAR)
    if by.blur:
        picture = picture.filter(ImageFilter.GaussianBlur(by.blur * WIDEST_BLUR * max(height, width)))
    if by.fade:
        picture = ImageEnhance.Contrast(picture).enhance(1 - by.fade * (1 - LEAST_CONTRAST))
    made: NDArray[np.float32] = np.asarray(picture, dtype=np.float32).reshape(height, width, channels).copy()
    high, wide = round(by.cover * LARGEST_COVER * height), round(by.cover * LARGEST_COVER * width)
    top, left = (height - high) // 2, (width - wide) // 2
    made[top : top + high, left : left + wide] = 128
    made += np.random.default_rng(0).normal(0, by.noise * MOST_NOISE * 255, made.shape).astype(np.float32)
    return torch.from_numpy(made.round().clip(0, 255).astype(np.uint8)).permute(2, 0, 1).contiguous()
