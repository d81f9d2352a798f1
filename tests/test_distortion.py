"""Image corruptions: none at strength 0, stronger at higher strengths, and deterministic."""

import pytest
import torch
from skimage.data import astronaut
from torch import Tensor

from core.datasets.sources.distortion import Distortion, distort

NAMES = ("noise", "blur", "turn", "cover", "fade")
each_distortion = pytest.mark.parametrize("name", NAMES)


def picture(channels: int) -> Tensor:
    return torch.from_numpy(astronaut()[::16, ::12].copy()).permute(2, 0, 1)[:channels].contiguous()


def change(image: Tensor, by: Distortion) -> float:
    return float((distort(image, by).float() - image.float()).abs().mean())


def test_strength_zero_returns_the_image_itself() -> None:
    image = picture(3)
    assert Distortion().nothing
    assert distort(image, Distortion()) is image


@each_distortion
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("strength", [0.01, 0.5, 1.0])
def test_the_result_has_the_same_shape_and_is_deterministic(name: str, channels: int, strength: float) -> None:
    image = picture(channels)
    original = image.clone()
    by = Distortion(**{name: strength})
    assert not by.nothing
    distorted = distort(image, by)
    assert distorted.shape == image.shape
    assert distorted.dtype == torch.uint8
    assert torch.equal(distorted, distort(image, by))
    assert torch.equal(image, original)


@each_distortion
def test_greater_strengths_change_more(name: str) -> None:
    changes = [change(picture(3), Distortion(**{name: strength})) for strength in (0.2, 0.6, 1.0)]
    assert 0 < changes[0] < changes[1] < changes[2]


def test_the_cover_hides_the_centre_and_leaves_the_border() -> None:
    image = picture(3)
    distorted = distort(image, Distortion(cover=0.5))
    height, width = image.shape[1:]
    assert (distorted[:, height // 2, width // 2] == 128).all()
    assert torch.equal(distorted[:, 0], image[:, 0])
    assert torch.equal(distorted[:, :, 0], image[:, :, 0])


def test_full_rotation_is_a_right_angle() -> None:
    image = picture(3)[:, :32, :32]
    assert torch.equal(distort(image, Distortion(turn=1.0)), image.rot90(1, (1, 2)))
