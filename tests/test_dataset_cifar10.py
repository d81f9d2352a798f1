"""The augmentation of CIFAR-10's training images."""

import pytest
import torch

from core.datasets.cifar10 import Cifar10


def test_augmentation_flips_and_shifts() -> None:
    image = torch.arange(1, 3 * 32 * 32 + 1).reshape(1, 3, 32, 32)
    images = image.repeat(500, 1, 1, 1)
    seen = set()
    for augmented in Cifar10().augment(images, torch.Generator().manual_seed(0)):
        matches = [
            (flipped, down, right)
            for flipped in (False, True)
            for down in range(-4, 5)
            for right in range(-4, 5)
            if torch.equal(augmented, shifted(image[0].flip(2) if flipped else image[0], down, right))
        ]
        assert len(matches) == 1
        seen.add(matches[0])
    assert len(seen) > 140  # of 162
    assert {flipped for flipped, *_ in seen} == {False, True}


def shifted(image: torch.Tensor, down: int, right: int) -> torch.Tensor:
    canvas = torch.zeros(3, 40, 40, dtype=image.dtype)
    canvas[:, 4 + down : 36 + down, 4 + right : 36 + right] = image
    return canvas[:, 4:36, 4:36]


@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
def test_augmentation_uses_only_its_generator(kind: torch.dtype) -> None:
    images = torch.randint(256, (16, 3, 32, 32)).to(kind)
    before = images.clone()
    torch.manual_seed(1)
    state = torch.get_rng_state()
    one, two, three = (Cifar10().augment(images, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(one, two)
    assert not torch.equal(one, three)
    assert one.dtype == kind
    assert torch.equal(images, before)
    assert torch.equal(torch.get_rng_state(), state)
