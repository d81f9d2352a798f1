"""Corruptions: closed forms where there are any, and properties that all of them share."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage.data import astronaut
from torch import Tensor

from core.datasets.sources.corruption import CORRUPTIONS, Corruption, _blur, corrupted, corruptions
from core.registry import ConfigError

each_kind = pytest.mark.parametrize("kind", CORRUPTIONS)


def photographs(channels: int = 3, count: int = 3, height: int = 30, width: int = 24) -> Tensor:
    """Different windows of a photograph, (N, C, H, W) uint8."""
    whole = torch.from_numpy(astronaut()).permute(2, 0, 1)[:channels]
    windows = [whole[:, 4 * one : 4 * (one + height) : 4, 150 + 8 * one : 150 + 8 * one + 8 * width : 8] for one in range(count)]
    return torch.stack(windows).contiguous()


def plain(value: int, count: int = 1, side: int = 32) -> Tensor:
    return torch.full((count, 3, side, side), value, dtype=torch.uint8)


def at(kind: str, images: Tensor, severity: int = 3, seed: int = 0) -> Tensor:
    return corrupted(images, Corruption(kind, severity), seed)


def change(kind: str, severity: int) -> float:
    images = photographs()
    return float((at(kind, images, severity).float() - images.float()).abs().mean())


@each_kind
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("severity", [1, 5])
def test_the_same_images_give_the_same_result_of_the_same_form(kind: str, channels: int, severity: int) -> None:
    images = photographs(channels)
    before = images.clone()
    once, again = (at(kind, images, severity) for _ in range(2))
    assert (once.shape, once.dtype) == (images.shape, torch.uint8)
    assert torch.equal(once, again)
    assert torch.equal(images, before)
    assert (kind == "saturate" and channels == 1) or not torch.equal(once, images)


@pytest.mark.parametrize(
    "kind", [kind for kind in CORRUPTIONS if kind != "elastic_transform"]
)  # whose first severity tilts most, as published
def test_the_highest_severity_changes_more_than_the_lowest(kind: str) -> None:
    assert 0 < change(kind, 1) < change(kind, 5)


@each_kind
def test_large_images_have_severities_of_their_own(kind: str) -> None:
    images = torch.from_numpy(astronaut()[:96, 150:246].copy()).permute(2, 0, 1)[None]
    assert not torch.equal(at(kind, images), images)
    small, large = CORRUPTIONS[kind][1:]
    assert (len(small), len(large)) == (5, 5)
    assert list(small) != list(large)


@pytest.mark.parametrize("kind", ["gaussian_blur", "defocus_blur", "motion_blur", "zoom_blur", "contrast", "pixelate", "elastic_transform"])
@pytest.mark.parametrize("severity", range(1, 6))
def test_a_plain_image_stays_as_it_is(kind: str, severity: int) -> None:
    assert torch.equal(at(kind, plain(130, count=2), severity), plain(130, count=2))


@pytest.mark.parametrize(("severity", "deviation"), [*enumerate((0.04, 0.06, 0.08, 0.09, 0.10), start=1)])
def test_gaussian_noise_has_the_deviation_that_is_stated(severity: int, deviation: float) -> None:
    noise = at("gaussian_noise", plain(128, 20), severity).double() / 255
    assert float(noise.std()) == pytest.approx(deviation, rel=0.02)
    assert float(noise.mean()) == pytest.approx(128 / 255, abs=0.002)


def test_shot_noise_is_poisson_and_speckle_noise_grows_with_the_brightness() -> None:
    for value in (40, 160):
        share = value / 255
        assert float((at("shot_noise", plain(value, 20)).double() / 255).var()) == pytest.approx(share / 100, rel=0.05)
        assert float((at("speckle_noise", plain(value, 20)).double() / 255).std()) == pytest.approx(0.12 * share, rel=0.05)


def test_impulse_noise_makes_as_many_values_black_as_white() -> None:
    noise = at("impulse_noise", plain(128, 30), 5)
    assert [float((noise == value).double().mean()) for value in (0, 255)] == pytest.approx([0.035, 0.035], rel=0.1)
    assert set(noise.unique().tolist()) == {0, 128, 255}


def test_other_seeds_and_other_images_have_other_noise() -> None:
    images = plain(128, 2)
    assert not torch.equal(at("gaussian_noise", images, seed=1), at("gaussian_noise", images, seed=2))
    one, other = at("gaussian_noise", images)
    assert not torch.equal(one, other)


def test_a_gaussian_blur_spreads_a_point_as_its_formula_says() -> None:
    images = plain(0)
    images[:, :, 16, 16] = 255
    steps = np.arange(-4, 5)
    bell = np.exp(-(steps**2) / 2)
    bell /= bell.sum()
    blurred = at("gaussian_blur", images, 5)[0, 0, 12:21, 12:21].numpy()
    assert np.abs(blurred - 255 * np.outer(bell, bell)).max() <= 0.51


def test_contrast_brightness_and_saturation_follow_their_formulas() -> None:
    images = photographs().double() / 255
    means = images.mean((2, 3), keepdim=True)
    wanted = ((images - means) * 0.4 + means).clamp(0, 1) * 255
    assert float((at("contrast", photographs()) - wanted).abs().max()) <= 0.51
    for one, bright, strong in zip(images, at("brightness", photographs()), at("saturate", photographs()), strict=True):
        hsv, bright_hsv, strong_hsv = (
            np.asarray(Image.fromarray((part.permute(1, 2, 0).numpy()).astype(np.uint8)).convert("HSV")).astype(int)
            for part in ((one * 255).round(), bright, strong)
        )
        assert np.abs(bright_hsv[..., 2] - (hsv[..., 2] + 0.15 * 255).clip(max=255)).max() <= 1.01
        assert np.abs(strong_hsv[..., 2] - hsv[..., 2]).max() <= 1
        clear = hsv[..., 2] > 60  # where a step of a dark colour is not a large share of it
        assert np.abs(strong_hsv[..., 1] - (hsv[..., 1] * 1.5).clip(max=255))[clear].max() <= 8
        assert np.abs(bright_hsv[..., 1] - hsv[..., 1])[clear].max() <= 8


def test_jpeg_and_blocks_are_those_of_pillow() -> None:
    images = photographs()
    for one, compressed, blocks in zip(images, at("jpeg_compression", images), at("pixelate", images), strict=True):
        picture = Image.fromarray(one.permute(1, 2, 0).numpy())
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=58)
        assert np.array_equal(np.asarray(Image.open(file)), compressed.permute(1, 2, 0).numpy())
        small = picture.resize((20, 25), Image.Resampling.BOX)
        assert np.array_equal(np.asarray(small.resize((24, 30), Image.Resampling.BOX)), blocks.permute(1, 2, 0).numpy())


def test_motion_goes_along_a_line_and_fog_takes_contrast_away() -> None:
    images = plain(0, 40)
    images[:, :, 16, 16] = 255
    for one in at("motion_blur", images):
        rows, columns = one[0].nonzero().T
        if len(rows) > 2:
            slopes = (rows.double() - 16) / (columns.double() - 16 + 1e-9)
            assert columns.max() == 16, "the point is seen from its left"
            assert float(slopes.abs().max()) <= 1.5, "by at most 45 degrees, rounded to pixels"
    images = photographs(count=8)
    foggy, brightest = at("fog", images, 5).float(), images.amax((1, 2, 3)).float()
    assert bool((foggy.amax((1, 2, 3)) <= brightest + 1).all())
    contrasts = [part.flatten(1).std(dim=1) for part in (foggy, images.float())]
    assert bool((contrasts[0] < contrasts[1]).all())


@each_kind
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (3, 2)])
def test_tiny_images_stay_finite(kind: str, size: tuple[int, int]) -> None:
    images = torch.full((2, 3, *size), 128, dtype=torch.uint8)
    for severity in (1, 5):
        assert at(kind, images, severity).shape == images.shape


def test_elastic_deformation_of_large_images_moves_pixels_as_far_as_published() -> None:
    """A wide blur of noise leaves shifts of few pixels: sigma of 0.7 heights, 2 heights strong."""
    height = 96
    matrix = _blur(height, 0.7 * height, 3.0, reflected=True)
    assert torch.allclose(matrix.sum(dim=1), torch.ones(height))
    noise = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (20, height, height)).astype(np.float32))
    expected = [gaussian_filter(one.numpy(), 0.7 * height, mode="reflect", truncate=3) for one in noise]
    torch.testing.assert_close(matrix @ noise @ matrix.T, torch.from_numpy(np.stack(expected)), atol=1e-5, rtol=0)
    nearest = _blur(height, 4.0, 4.0, reflected=False)
    expected = [gaussian_filter(one.numpy(), 4.0, mode="nearest", truncate=4) for one in noise]
    torch.testing.assert_close(nearest @ noise @ nearest.T, torch.from_numpy(np.stack(expected)), atol=1e-5, rtol=0)


def test_words_name_one_corruption_or_one_of_each_kind() -> None:
    assert corruptions("fog:2") == [Corruption("fog", 2)]
    assert list(map(str, corruptions("all:5"))) == [f"{kind}:5" for kind in CORRUPTIONS]
    with pytest.raises(ConfigError, match="'mist' is no corruption: choose one of gaussian_noise, "):
        corruptions("mist:2")
    for text in ("fog", "fog:", "fog:0", "fog:6", "fog:2.5", "fog:²", "fog:03"):
        with pytest.raises(ConfigError, match="needs a severity from 1 to 5, as in fog:3"):
            corruptions(text)
