"""Small pictures that cost minutes or gigabytes, and pictures of unusual numbers."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from tests.reproductions import inputs
from tests.reproductions.reproduction import Reproduction
from tests.reproductions.studio import NETWORK, Studio

MAX_MB, MAX_SECONDS = 250, 3.0  # of the processor, beyond what `predict` takes for a picture of a few kilobytes


def _costs(make: Callable[[Path], Path], name: str) -> Callable[[Studio], None]:
    def attempt(studio: Studio) -> None:
        plain = studio.works("predict", NETWORK, inputs.picture(studio.folder / "plain.png"))
        done = studio.command("predict", NETWORK, make(studio.folder / name), limit=240)
        seconds, memory = done.processor - plain.processor, done.peak - plain.peak
        assert memory <= MAX_MB, f"{memory} MB more than for a small picture, {seconds:.1f} s"
        assert seconds <= MAX_SECONDS, f"{seconds:.1f} s more than for a small picture"

    return attempt


def _brightness(studio: Studio, pixels: np.ndarray) -> None:
    """Ask for a picture of large numbers; it has to be answered as the same picture in eight bits is."""
    usual = (pixels / pixels[np.isfinite(pixels)].max() * 255).clip(0, 255).astype(np.uint8)
    Image.fromarray(usual).save(studio.folder / "usual.png")
    name = "unusual.tif" if pixels.dtype == np.float32 else "unusual.png"
    Image.fromarray(pixels).save(studio.folder / name)
    found = [studio.works("predict", NETWORK, studio.folder / one, "--json").out for one in ("usual.png", name)]
    first, second = (_probabilities(text) for text in found)
    gap = float(np.abs(first - second).max())
    assert gap < 0.05, f"it is answered otherwise than in eight bits: a probability differs by {gap:.2f}"


def _probabilities(text: str) -> np.ndarray:
    import json

    answer = json.loads(text)
    answer = answer[0] if isinstance(answer, list) else answer
    return np.array(list(answer["probabilities"].values()))


def _figure() -> np.ndarray:
    """Return a bright cross on black, with values from 0 to 1, (48, 48)."""
    pixels = np.zeros((48, 48), np.float32)
    pixels[10:38, 21:27] = 1.0
    pixels[21:27, 14:34] = 0.8
    return pixels


def one_infinite_pixel(studio: Studio) -> None:
    pixels = _figure()
    pixels[0, 0] = np.inf
    _brightness(studio, pixels)


def twelve_bits_in_sixteen(studio: Studio) -> None:
    _brightness(studio, (_figure() * 4095).astype(np.uint16))


REPRODUCTIONS = (
    Reproduction("3", "a progressive JPEG that repeats a scan", _costs(inputs.jpeg_of_many_scans, "scans.jpg"), memory=True),
    Reproduction("3", "a PNG of 64 million pixels of 16 bits", _costs(inputs.png_of_16_bits, "large.png"), memory=True),
    Reproduction("3", "a TIFF of 64 million pixels of 32 bits", _costs(inputs.tiff_of_32_bits, "large.tif"), memory=True),
    Reproduction("3", "a QOI of 64 million pixels", _costs(inputs.qoi, "large.qoi"), memory=True),
    Reproduction("3", "a PPM of 20 million digits", _costs(inputs.ascii_ppm, "large.ppm"), memory=True),
    Reproduction("own files", "one infinite pixel", one_infinite_pixel),
    Reproduction("own files", "12 bits in 16", twelve_bits_in_sixteen),
)
