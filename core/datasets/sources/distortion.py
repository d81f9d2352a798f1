"""Deterministic corruptions that make an image harder to classify, each with a strength from 0 to 1."""

from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter
from torch import Tensor

MAX_NOISE = 0.5  # standard deviation, as a fraction of the value range
MAX_BLUR = 0.12  # radius, as a fraction of the longer side
MAX_ROTATION_DEGREES = 90  # degrees
MAX_COVER = 0.8  # sides of the grey rectangle, as a fraction of the image's
MIN_CONTRAST = 0.1  # as a fraction of the original contrast


@dataclass(frozen=True)
class Distortion:
    """The strength of each corruption, from 0 (none) to 1."""

    noise: float = 0.0
    blur: float = 0.0
    turn: float = 0.0
    cover: float = 0.0
    fade: float = 0.0

    @property
    def nothing(self) -> bool:
        """Whether every strength is 0."""
        return not any(getattr(self, field.name) for field in fields(self))


def distort(image: Tensor, by: Distortion) -> Tensor:
    """Rotate, blur, fade and cover an image (C, H, W) uint8 and add noise, in this order. The noise has a fixed seed."""
    if by.nothing:
        return image
    channels, height, width = image.shape
    values = image.permute(1, 2, 0).numpy()  # (H, W, C)
    picture = Image.fromarray(values[:, :, 0] if channels == 1 else values)
    if by.turn:
        picture = picture.rotate(by.turn * MAX_ROTATION_DEGREES, Image.Resampling.BILINEAR)
    if by.blur:
        picture = picture.filter(ImageFilter.GaussianBlur(by.blur * MAX_BLUR * max(height, width)))
    if by.fade:
        picture = ImageEnhance.Contrast(picture).enhance(1 - by.fade * (1 - MIN_CONTRAST))
    distorted: NDArray[np.float32] = np.asarray(picture, dtype=np.float32).reshape(height, width, channels).copy()
    covered_height, covered_width = round(by.cover * MAX_COVER * height), round(by.cover * MAX_COVER * width)
    top, left = (height - covered_height) // 2, (width - covered_width) // 2
    distorted[top : top + covered_height, left : left + covered_width] = 128
    distorted += np.random.default_rng(0).normal(0, by.noise * MAX_NOISE * 255, distorted.shape).astype(np.float32)
    return torch.from_numpy(distorted.round().clip(0, 255).astype(np.uint8)).permute(2, 0, 1).contiguous()
