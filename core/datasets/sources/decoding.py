"""Decodes a picture of any format, mode and depth to 8-bit RGB, holding little more than its decoded pixels."""

import io
import warnings
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from core.datasets.sources.formats import (
    MAX_JPEG_PIXELS,
    MAX_MEMORY,
    MAX_PIXELS,
    PictureError,
    foreign_format,
    has_honest_tags,
    has_too_many_scans,
    is_light,
    memory,
    readable,
    reduction,
)

Colour = tuple[int, ...]  # red, green and blue
HIGH_DEPTH = {"I;16", "I;16B", "I;16L", "I;16N", "I", "F"}  # Pillow's modes with more than 8 bits per channel
WHOLE_SCALES = (255.0, 1023.0, 4095.0, 16383.0, 65535.0)  # white, where values have 8, 10, 12, 14 or 16 bits
FLOAT_SCALES = (1.0, *WHOLE_SCALES)
BAND_PIXELS = 1_000_000  # pixels that are converted at a time
ORIENTATION = 0x0112  # EXIF tag
RAW_EXIF = "Raw profile type exif"  # EXIF as text, in a PNG: it is not read
UPRIGHT = dict(
    zip(
        range(2, 9),
        (
            *(Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180, Image.Transpose.FLIP_TOP_BOTTOM, Image.Transpose.TRANSPOSE),
            *(Image.Transpose.ROTATE_270, Image.Transpose.TRANSVERSE, Image.Transpose.ROTATE_90),
        ),
        strict=True,
    )
)
TOO_HEAVY = "takes too long or too much memory to decode; save the image at a smaller size, as PNG or JPEG"
REMEDY = "save the image as PNG or JPEG"
SCALED = "scaled"  # entry of the picture's `info`: how values of more than 8 bits became shades, in words


warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # the limits here are stricter, or for JPEG reasoned


class HeavyError(Exception):
    """Raised where a picture is to be decoded in a process of its own."""


def decode(data: bytes, title: str, colour: Colour, detail: int, *, budget: int | None = None) -> Image.Image:
    """Decode the first frame as upright 8-bit RGB, at a reduced size if it is large. Transparent areas show the colour.

    `budget`: bytes of memory, above which HeavyError is raised, as for pictures that take long. Raises PictureError.
    """
    try:
        with Image.open(io.BytesIO(data), formats=readable()) as picture:
            _check_size(picture, data, title)
            size, light = f"{picture.width}×{picture.height}", is_light(picture, data)
            needed = memory(picture, data, detail)
            if needed > MAX_MEMORY:
                raise PictureError(f"{title}: {size} is too many pixels to decode safely as {picture.format}")
            if budget is not None and (needed > budget or not light):
                raise HeavyError
            picture.load()
            shades = _shades(picture)
            converted = _converted(picture, colour, detail, shades)
            turn = UPRIGHT.get(_orientation(picture))
        upright = converted if turn is None else converted.transpose(turn)
        upright.info = {} if shades is None else {SCALED: shades.text}
        return upright
    except (PictureError, HeavyError):
        raise
    except MemoryError:
        raise PictureError(f"{title}: {TOO_HEAVY}") from None
    except UnidentifiedImageError:
        kind = foreign_format(data)
        text = f"{kind} files are not supported; {REMEDY}" if kind else "not an image in a supported format, such as PNG or JPEG"
        raise PictureError(f"{title}: {text}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise PictureError(f"{title}: too many pixels to decode safely") from None
    except Exception as error:  # decoders raise almost any exception on damaged bytes
        raise PictureError(f"{title}: damaged or unsupported ({' '.join(str(error).split()) or type(error).__name__})") from error


def _check_size(picture: Image.Image, data: bytes, title: str) -> None:
    limit = MAX_JPEG_PIXELS if picture.format in ("JPEG", "MPO") else MAX_PIXELS
    if picture.width * picture.height > limit:
        raise PictureError(f"{title}: {picture.width}×{picture.height} is too many pixels to decode safely")
    if has_too_many_scans(picture, data):
        raise PictureError(f"{title}: a progressive JPEG with too many scans to decode safely; {REMEDY}")


def _orientation(picture: Image.Image) -> int:
    """Return the EXIF orientation, 1 if there is none or it cannot be read."""
    exif = picture.info.get("exif", b"")
    with suppress(Exception):
        if picture.format == "TIFF" or (has_honest_tags(exif) if exif else RAW_EXIF not in picture.info):
            return int(picture.getexif().get(ORIENTATION, 1))
    return 1


def _bands(picture: Image.Image, rows: int) -> Iterator[tuple[int, Image.Image]]:
    """Cut a picture into bands of so many rows, each with the row at which it begins."""
    if rows >= picture.height:
        yield 0, picture
        return
    for top in range(0, picture.height, rows):
        yield top, picture.crop((0, top, picture.width, min(top + rows, picture.height)))


def _converted(picture: Image.Image, colour: Colour, detail: int, shades: "Shades | None") -> Image.Image:
    """Convert to RGB band by band, and scale down by a whole number where the picture is large."""
    factor = 1 if picture.format in ("JPEG", "MPO") else reduction(picture.size, detail)
    factor = factor if picture.width * picture.height > BAND_PIXELS else 1
    rows = factor * max(1, BAND_PIXELS // (picture.width * factor))
    if rows >= picture.height and factor == 1:
        return _flatten(picture, colour, shades)
    whole = Image.new("RGB", (-(-picture.width // factor), -(-picture.height // factor)))
    for top, band in _bands(picture, rows):
        flat = _flatten(band, colour, shades)
        whole.paste(flat.reduce(factor) if factor > 1 else flat, (0, top // factor))
    return whole


def _flatten(picture: Image.Image, colour: Colour, shades: "Shades | None") -> Image.Image:
    """Convert to 8-bit RGB, with transparent areas in the given colour."""
    if shades is not None:
        picture = shades.grey(picture)
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    canvas = Image.new("RGBA", layer.size, colour)
    canvas.alpha_composite(layer)
    return canvas.convert("RGB")


class Shades:
    """How grey values of 16 or 32 bits become 0 to 255. Pillow's own conversion would clip them at 255."""

    def __init__(self, mode: str, highest: float) -> None:
        """`highest`: the highest finite value of the picture.

        White is the smallest usual maximum that is not exceeded: that of 8, 10, 12, 14 or 16 bits, or 1 for floats. Images with larger
        values are scaled to their own maximum.
        """
        scales = FLOAT_SCALES if mode == "F" else WHOLE_SCALES
        self.white = next((scale for scale in scales if highest <= scale), highest)

    @property
    def text(self) -> str:
        """What was done, in words; empty where white is the maximum of 16 bits."""
        return "" if self.white == WHOLE_SCALES[-1] else f"values from 0 to {self.white:g} are shown as black to white"

    def grey(self, picture: Image.Image) -> Image.Image:
        """Return a picture as 8-bit grey, with its transparent value, if it has one, transparent. NaN is black, infinity white."""
        values = np.asarray(picture)
        if values.dtype.itemsize == 2:
            shades = self._eight_bits(np.arange(2**16, dtype=np.float32))[values]
        else:
            shades = self._eight_bits(_finite(values, self.white))
        grey = Image.fromarray(shades)
        transparent = picture.info.get("transparency")
        if isinstance(transparent, int):  # one grey value marks transparent pixels
            grey.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
        return grey

    def _eight_bits(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        eight: NDArray[np.uint8] = np.rint(np.clip(values, 0, self.white) * (255 / self.white)).astype(np.uint8)
        return eight


def _shades(picture: Image.Image) -> Shades | None:
    """Return how a picture of more than 8 bits becomes shades of grey, or None for other pictures."""
    if picture.mode not in HIGH_DEPTH:
        return None
    rows = max(1, BAND_PIXELS // picture.width)
    return Shades(picture.mode, max(float(_finite(np.asarray(band), 0.0).max(initial=0)) for _, band in _bands(picture, rows)))


def _finite(values: NDArray[Any], infinite: float) -> NDArray[Any]:
    """Return values (H, W) with `infinite` in place of infinity; floats as float64. Whole numbers are finite."""
    if values.dtype.kind != "f":
        return values
    return np.nan_to_num(values.astype(np.float64), copy=False, nan=0.0, posinf=infinite, neginf=0.0)
