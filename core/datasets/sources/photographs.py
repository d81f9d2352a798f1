"""Photographs that come with scikit-image, for networks whose own dataset is not on this machine."""

from collections.abc import Callable
from typing import Any

import torch
from PIL import Image
from skimage import data
from torch import Tensor

from core.datasets.sources.picture import to_tensor

SUBJECTS: dict[str, Callable[[], Any]] = {
    "a cat": data.chelsea,
    "a rocket": data.rocket,
    "a cup of coffee": data.coffee,
    "an astronaut": data.astronaut,
}


def photographs(image: tuple[int, int, int]) -> tuple[list[str], Tensor]:
    """Return the subjects of the photographs, and the photographs cropped and scaled to the shape `image`: (N, C, H, W) uint8."""
    return list(SUBJECTS), torch.stack([to_tensor(Image.fromarray(read()), image) for read in SUBJECTS.values()])
