"""Photographs that come with scikit-image, for networks whose own images are not on this computer."""

from collections.abc import Callable
from typing import Any

from PIL import Image
from skimage import data
from torch import Tensor

from core.sources.picture import to_tensor

SUBJECTS: dict[str, Callable[[], Any]] = {
    "a cat": data.chelsea,
    "a rocket": data.rocket,
    "a cup of coffee": data.coffee,
    "an astronaut": data.astronaut,
}


def photographs(image: tuple[int, int, int]) -> dict[str, Tensor]:
    """What each shows, and the photograph as a network of images (C, H, W) takes it, uint8."""
    return {subject: to_tensor(Image.fromarray(read()), image) for subject, read in SUBJECTS.items()}
