"""Common corruptions of images in five severities, by which the robustness of classifiers is compared.

Source: Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations" (ICLR 2019),
https://arxiv.org/abs/1903.12261. The severities are those of CIFAR-10-C for images of up to 64 pixels, of ImageNet-C for larger ones.
Differs from it: frost, glass blur and spatter are left out; fog is a sum of octaves of noise in place of a diamond-square fractal; motion
blurs are sums of shifted images; the lengths of an elastic deformation are shares of the height; values are rounded, not cut off; random
numbers are others. Grey images have no saturation and stay as they are under `saturate`.
"""

import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from core.registry import ConfigError

SEVERITIES = 5
EVERY_KIND = "all"  # names all kinds
SMALL_SIDE = 64  # pixels of the longer side, up to which the severities of CIFAR-10-C hold
CORRUPTED_AT_ONCE = 256  # images
Draw = np.random.Generator
Change = Callable[..., Tensor]  # of images (N, C, H, W) float32 from 0 to 1, with a Draw and what a severity is; then values are clipped
Severities = Sequence[object]  # of each, a number, or a tuple of them


@dataclass(frozen=True)
class Corruption:
    """A kind of corruption and its severity, from 1 to 5."""

    kind: str
    severity: int

    def __str__(self) -> str:
        """Return it as it is written in a command."""
        return f"{self.kind}:{self.severity}"


def corruptions(text: str) -> list[Corruption]:
    """Return what KIND:SEVERITY names: one corruption, or with `all` one of each kind. Raises ConfigError."""
    kind, _, severity = text.partition(":")
    if kind != EVERY_KIND and kind not in CORRUPTIONS:
        raise ConfigError(f"{kind!r} is no corruption: choose one of {', '.join(CORRUPTIONS)}, or {EVERY_KIND}")
    if severity not in map(str, range(1, SEVERITIES + 1)):
        raise ConfigError(f"a corruption needs a severity from 1 to {SEVERITIES}, as in {kind}:3")
    return [Corruption(one, int(severity)) for one in (CORRUPTIONS if kind == EVERY_KIND else [kind])]


def corrupted(images: Tensor, by: Corruption, seed: int = 0) -> Tensor:
    """Return images (N, C, H, W) uint8 with a corruption. The same images, corruption and seed give the same result."""
    draw = np.random.default_rng(seed)
    change, small, large = CORRUPTIONS[by.kind]
    severity = (small if max(images.shape[2:]) <= SMALL_SIDE else large)[by.severity - 1]
    words = severity if isinstance(severity, tuple) else (severity,)
    parts = [change(part.float() / 255, draw, *words) for part in torch.split(images, CORRUPTED_AT_ONCE)]
    return torch.cat([(part.clamp(0, 1) * 255).round().to(torch.uint8) for part in parts])


def _gaussian_noise(images: Tensor, draw: Draw, deviation: float) -> Tensor:
    return images + deviation * _normal(images.shape, draw)


def _shot_noise(images: Tensor, draw: Draw, photons: float) -> Tensor:
    """Count photons: Poisson noise, of which brighter pixels have more."""
    return torch.from_numpy(draw.poisson((images * photons).numpy()).astype(np.float32)) / photons


def _impulse_noise(images: Tensor, draw: Draw, share: float) -> Tensor:
    """Make a share of the values black or white, half of them each."""
    chance = torch.from_numpy(draw.random(images.shape, dtype=np.float32))
    return torch.where(chance < share / 2, 0.0, torch.where(chance < share, 1.0, images))


def _speckle_noise(images: Tensor, draw: Draw, deviation: float) -> Tensor:
    return images + images * deviation * _normal(images.shape, draw)


def _gaussian_blur(images: Tensor, _draw: Draw, sigma: float) -> Tensor:
    """Blur with repeated borders, as scikit-image does."""
    down, right = (_blur(size, sigma, 4.0, reflected=False) for size in images.shape[2:])
    return down @ images @ right.T


def _defocus_blur(images: Tensor, _draw: Draw, radius: float, softness: float) -> Tensor:
    """Spread each point over a disk, whose edge a narrow Gaussian makes soft."""
    reach = max(math.ceil(radius), 1)
    steps = torch.arange(-reach, reach + 1)
    disk = (steps[:, None] ** 2 + steps**2 <= radius**2).float()
    bell = _bell(softness, 1 if reach <= 8 else 2)
    soft = F.conv2d(disk[None, None], (bell[:, None] * bell)[None, None], padding=len(bell) - 1)[0, 0]
    return _filtered(images, soft / soft.sum())


def _motion_blur(images: Tensor, draw: Draw, radius: int, sigma: float) -> Tensor:
    angles = draw.uniform(-math.pi / 4, math.pi / 4, len(images))
    return _moved(images, angles, radius, sigma)


def _zoom_blur(images: Tensor, _draw: Draw, largest: float, step: float) -> Tensor:
    """Take the mean of an image and of ever larger versions of its middle."""
    factors = np.arange(1, largest, step)
    return torch.stack([images, *(_zoomed(images, factor) for factor in factors)]).mean(dim=0)


def _fog(images: Tensor, draw: Draw, thickness: float, decay: float) -> Tensor:
    """Add a cloud, each octave weaker by the square of `decay`, and darken all so that no value exceeds what was the brightest."""
    count, _, height, width = images.shape
    cloud, cells, weight = torch.zeros(count, 1, height, width), 2, 1.0
    while cells <= 2 * max(height, width):
        grid = torch.from_numpy(draw.uniform(-1, 1, (count, 1, cells, cells)).astype(np.float32))
        cloud += weight * F.interpolate(grid, (height, width), mode="bilinear", align_corners=True)
        cells, weight = 2 * cells, weight / decay**2
    cloud -= cloud.amin((1, 2, 3), keepdim=True)
    cloud /= cloud.amax((1, 2, 3), keepdim=True).clamp(min=1e-6)
    brightest = images.amax((1, 2, 3), keepdim=True)
    return (images + thickness * cloud) * brightest / (brightest + thickness)


def _snow(
    images: Tensor, draw: Draw, mean: float, deviation: float, size: float, threshold: float, radius: int, sigma: float, clear: float
) -> Tensor:
    """Let flakes fall, each `size` pixels wide and drawn out by its fall, and whiten the rest."""
    count, _, height, width = images.shape
    flakes = mean + deviation * _normal((count, 1, height, width), draw)
    flakes = _zoomed(flakes, size)
    flakes = torch.where(flakes < threshold, 0.0, flakes).clamp(0, 1)
    angles = draw.uniform(-3 * math.pi / 4, -math.pi / 4, count)
    fallen = _moved(flakes, angles, radius, sigma)
    grey = _luma(images)
    whitened = clear * images + (1 - clear) * torch.maximum(images, 1.5 * grey + 0.5)
    return whitened + fallen + fallen.flip(2, 3)


def _brightness(images: Tensor, _draw: Draw, more: float) -> Tensor:
    """Raise the value of HSV; hue and saturation stay."""
    value = images.amax(1, keepdim=True)
    raised = (value + more).clamp(max=1)
    return torch.where(value > 0, images / value.clamp(min=1e-6) * raised, raised)


def _contrast(images: Tensor, _draw: Draw, share: float) -> Tensor:
    means = images.mean((2, 3), keepdim=True)
    return (images - means) * share + means


def _saturate(images: Tensor, _draw: Draw, factor: float, more: float) -> Tensor:
    """Change the saturation of HSV; hue and value stay. Grey pixels, which have no hue, turn to red as HSV has it."""
    if images.shape[1] == 1:
        return images
    value = images.amax(1, keepdim=True)
    saturation = (value - images.amin(1, keepdim=True)) / value.clamp(min=1e-6)
    changed = (saturation * factor + more).clamp(0, 1)
    coloured = value - (value - images) * changed / saturation.clamp(min=1e-6)
    red = value * torch.cat([torch.ones_like(changed), 1 - changed, 1 - changed], dim=1)
    return torch.where(saturation > 0, coloured, red)


def _jpeg_compression(images: Tensor, _draw: Draw, quality: int) -> Tensor:
    return _pictured(images, partial(_as_jpeg, quality=quality))


def _pixelate(images: Tensor, _draw: Draw, share: float) -> Tensor:
    return _pictured(images, partial(_as_blocks, share=share))


def _elastic_transform(images: Tensor, draw: Draw, strength: float, smoothness: float, tilt: float) -> Tensor:
    """Move three points at random by an affine map, then every pixel by a smooth field. All lengths are shares of the height."""
    count, _, height, width = images.shape
    third, middle = max(min(height, width) // 3, 1), np.array([width // 2, height // 2])
    before = middle + np.array([[third, third], [third, -third], [-third, -third]])
    after = before + draw.uniform(-tilt * height, tilt * height, (count, 3, 2))
    inverse = np.linalg.solve(np.concatenate([after, np.ones((count, 3, 1))], axis=2), np.broadcast_to(before, (count, 3, 2)))
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    places = torch.stack([columns, rows, torch.ones_like(rows)], dim=-1).double().reshape(-1, 3)
    source = (places @ torch.from_numpy(inverse)).float()  # (N, H · W, 2)
    shifts = torch.from_numpy(draw.uniform(-1, 1, (count, 2, height, width)).astype(np.float32))
    if smoothness:
        down, right = (_blur(size, smoothness * height, 3.0, reflected=True) for size in (height, width))
        shifts = down @ shifts @ right.T
    shifts = strength * height * shifts
    source = source.reshape(count, height, width, 2) + shifts.permute(0, 2, 3, 1)
    sides = torch.tensor([max(width - 1, 1), max(height - 1, 1)])
    return F.grid_sample(images, 2 * source / sides - 1, padding_mode="reflection", align_corners=True)


def _normal(shape: Sequence[int], draw: Draw) -> Tensor:
    return torch.from_numpy(draw.standard_normal(tuple(shape), dtype=np.float32))


def _bell(sigma: float, reach: int) -> Tensor:
    """Return a Gaussian over the whole numbers from −reach to reach, of sum 1."""
    steps = torch.arange(-reach, reach + 1)
    bell = torch.exp(-(steps**2) / (2 * sigma**2))
    return bell / bell.sum()


def _filtered(images: Tensor, kernel: Tensor) -> Tensor:
    """Return images filtered by a kernel of odd sides. The border is reflected, or repeated where the kernel is wider than the image."""
    reach = len(kernel) // 2
    mode = "reflect" if reach < min(images.shape[2:]) else "replicate"
    channels = images.shape[1]
    return F.conv2d(F.pad(images, (reach,) * 4, mode=mode), kernel.expand(channels, 1, -1, -1), groups=channels)


def _blur(size: int, sigma: float, cut: float, *, reflected: bool) -> Tensor:
    """Return the matrix (size, size) of a Gaussian blur along one side, cut off at `cut` deviations.

    Beyond the border the outermost pixel is repeated, or the image is `reflected` as often as it takes, with that pixel twice.
    """
    reach = int(cut * sigma + 0.5)
    source = torch.arange(size)[:, None] + torch.arange(-reach, reach + 1)  # (size, 2 · reach + 1)
    if reflected:
        source = source % (2 * size)
        source = torch.minimum(source, 2 * size - 1 - source)
    source = source.clamp(0, size - 1)
    return torch.zeros(size, size).scatter_add_(1, source, _bell(sigma, reach).expand(size, -1).contiguous())


def _zoomed(images: Tensor, factor: float) -> Tensor:
    """Return the middle of images (N, C, H, W), larger by a factor of at least 1."""
    height, width = images.shape[2:]
    tall, wide = math.ceil(height / factor), math.ceil(width / factor)
    top, left = (height - tall) // 2, (width - wide) // 2
    middle = images[:, :, top : top + tall, left : left + wide]
    size = max(round(tall * factor), height), max(round(wide * factor), width)
    larger = F.interpolate(middle, size, mode="bilinear", align_corners=True)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    return larger[:, :, top : top + height, left : left + width]


def _moved(images: Tensor, angles: np.ndarray, radius: int, sigma: float) -> Tensor:
    """Return the weighted mean of each image and its shifts of up to 2 · radius pixels along an angle of its own."""
    count, _, height, width = images.shape
    bell = _bell(sigma, 2 * radius)[2 * radius :]
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    number = torch.arange(count)[:, None, None]
    total = torch.zeros(count, height, width, images.shape[1])
    for step, weight in enumerate(bell / bell.sum()):
        down = torch.from_numpy(np.rint(step * np.sin(angles)).astype(np.int64))[:, None, None]
        right = torch.from_numpy(np.rint(step * np.cos(angles)).astype(np.int64))[:, None, None]
        total += weight * images.permute(0, 2, 3, 1)[number, (rows + down).clamp(0, height - 1), (columns + right).clamp(0, width - 1)]
    return total.permute(0, 3, 1, 2)


def _luma(images: Tensor) -> Tensor:
    """Return the brightness of colours (ITU-R BT.601), (N, 1, H, W)."""
    return images if images.shape[1] == 1 else (images * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)


def _pictured(images: Tensor, change: Callable[[Image.Image], Image.Image]) -> Tensor:
    """Return images that are each changed as a picture."""
    arrays = (images * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    grey = arrays.shape[3] == 1
    changed = [np.asarray(change(Image.fromarray(one[:, :, 0] if grey else one))) for one in arrays]
    return torch.from_numpy(np.stack(changed).reshape(arrays.shape)).permute(0, 3, 1, 2).float() / 255


def _as_jpeg(picture: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file)


def _as_blocks(picture: Image.Image, share: float) -> Image.Image:
    small = max(int(picture.width * share), 1), max(int(picture.height * share), 1)
    return picture.resize(small, Image.Resampling.BOX).resize(picture.size, Image.Resampling.BOX)


CORRUPTIONS: Mapping[str, tuple[Change, Severities, Severities]] = {  # how images change; at each severity, for small and for large ones
    "gaussian_noise": (_gaussian_noise, (0.04, 0.06, 0.08, 0.09, 0.10), (0.08, 0.12, 0.18, 0.26, 0.38)),
    "shot_noise": (_shot_noise, (500, 250, 100, 75, 50), (60, 25, 12, 5, 3)),
    "impulse_noise": (_impulse_noise, (0.01, 0.02, 0.03, 0.05, 0.07), (0.03, 0.06, 0.09, 0.17, 0.27)),
    "speckle_noise": (_speckle_noise, (0.06, 0.1, 0.12, 0.16, 0.2), (0.15, 0.2, 0.35, 0.45, 0.6)),
    "gaussian_blur": (_gaussian_blur, (0.4, 0.6, 0.7, 0.8, 1.0), (1, 2, 3, 4, 6)),
    "defocus_blur": (
        _defocus_blur,
        ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
    ),
    "motion_blur": (_motion_blur, ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)), ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))),
    "zoom_blur": (
        _zoom_blur,
        ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
        ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
    ),
    "fog": (_fog, ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)), ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4))),
    "snow": (
        _snow,
        (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
        (
            (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
            (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
            (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
            (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ),
    ),
    "brightness": (_brightness, (0.05, 0.1, 0.15, 0.2, 0.3), (0.1, 0.2, 0.3, 0.4, 0.5)),
    "contrast": (_contrast, (0.75, 0.5, 0.4, 0.3, 0.15), (0.4, 0.3, 0.2, 0.1, 0.05)),
    "saturate": (_saturate, ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)), ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2))),
    "elastic_transform": (
        _elastic_transform,
        ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)),
        ((2, 0.7, 0.1), (2, 0.08, 0.2), (0.05, 0.01, 0.02), (0.07, 0.01, 0.02), (0.12, 0.01, 0.02)),
    ),
    "pixelate": (_pixelate, (0.95, 0.9, 0.85, 0.75, 0.65), (0.6, 0.5, 0.4, 0.3, 0.25)),
    "jpeg_compression": (_jpeg_compression, (80, 65, 58, 50, 40), (25, 18, 15, 10, 7)),
}
