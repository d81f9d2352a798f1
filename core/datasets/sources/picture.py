"""Reading an image file as upright 8-bit RGB, and converting it to a network's input.

Every upload passes through here: photographs, screenshots, scans, and files that are not images.
"""

import io
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image, ImageColor, ImageOps, UnidentifiedImageError
from torch import Tensor

from core.errors import UserError

MAX_PIXELS = 64_000_000  # in one image; 192 MB as RGB
EXTERNAL_DECODERS = {"EPS", "WMF"}  # formats that are refused, since decoding them would run another program on untrusted bytes
HIGH_DEPTH = {"I;16", "I;16B", "I;16L", "I;16N", "I", "F"}  # Pillow's modes with more than 8 bits per channel


class PictureError(UserError):
    """Raised when a file cannot be read as an image. The text is one line that names the file and the fault."""


def read_picture(file: Path | str | bytes | BinaryIO, *, name: str = "", background: str = "white", detail: int = 512) -> Image.Image:
    """Read the first frame of an image file as 8-bit RGB, rotated according to its EXIF orientation.

    `name` is the file's name in error messages (by default its own). Transparent areas show `background`, a colour name or "#rrggbb".
    A large JPEG is decoded at an eighth, a quarter or half of its size, with at least `detail` pixels per side.

    Raises PictureError if the file is missing, a folder, empty, damaged, not an image, or too large to decode safely.
    """
    colour = ImageColor.getrgb(background)
    title = " ".join((name or _own_name(file)).split())
    data = _read(file, title)
    try:
        with Image.open(io.BytesIO(data)) as picture:
            _check(picture, title, detail)
            picture.load()
            with suppress(Exception):  # an unreadable orientation is ignored
                ImageOps.exif_transpose(picture, in_place=True)
            return _flatten(picture, colour)
    except PictureError:
        raise
    except UnidentifiedImageError:
        raise PictureError(f"{title}: not an image in a supported format, such as PNG or JPEG") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise PictureError(f"{title}: too many pixels to decode safely") from None
    except Exception as error:  # decoders raise almost any exception on damaged bytes
        raise PictureError(f"{title}: damaged or unsupported ({' '.join(str(error).split()) or type(error).__name__})") from error


Box = tuple[float, float, float, float]  # left, top, right and bottom, in pixels


def to_tensor(picture: Image.Image, image: tuple[int, int, int], box: Box | None = None) -> Tensor:
    """Scale a part of a picture to `image`, (C, H, W) with C 1 (grey) or 3 (RGB): uint8.

    The part is the `box`, or else the largest centred rectangle with the aspect ratio of `image`.
    A picture of exactly this size keeps its values.
    """
    channels, height, width = image
    if channels not in (1, 3):
        raise PictureError(f"images must have 1 (grey) or 3 (RGB) channels, not {channels}")
    coloured, size = picture.convert("L" if channels == 1 else "RGB"), (width, height)
    fitted = ImageOps.fit(coloured, size, Image.Resampling.LANCZOS) if box is None else coloured.resize(size, Image.Resampling.LANCZOS, box)
    values = torch.from_numpy(np.array(fitted)).reshape(height, width, channels)  # (H, W, C)
    return values.permute(2, 0, 1).contiguous()  # (C, H, W)


def _own_name(file: Path | str | bytes | BinaryIO) -> str:
    """Return the name of a file for error messages."""
    if isinstance(file, (str, Path)):
        return str(file)
    return str(getattr(file, "name", "") or "the image")


def _read(file: Path | str | bytes | BinaryIO, title: str) -> bytes:
    """Read all bytes of a file. Raises PictureError."""
    try:
        if isinstance(file, bytes):
            data = file
        elif isinstance(file, (str, Path)):
            data = _read_path(Path(file), title)
        else:
            if file.seekable():
                file.seek(0)
            data = file.read()
    except (OSError, ValueError) as error:
        if isinstance(error, PictureError):
            raise
        raise PictureError(f"{title}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    if not data:
        raise PictureError(f"{title}: the file is empty")
    return data


def _read_path(path: Path, title: str) -> bytes:
    if path.is_dir():
        raise PictureError(f"{title}: a folder, not an image")
    if not path.exists():
        raise PictureError(f"{title}: no such file")
    if not path.is_file():
        raise PictureError(f"{title}: a device or pipe, not an image")
    return path.read_bytes()


def _check(picture: Image.Image, title: str, detail: int) -> None:
    """Set a JPEG's decoding size, then raise PictureError if the image should not be decoded. Decodes nothing."""
    if picture.format in EXTERNAL_DECODERS:
        raise PictureError(f"{title}: {picture.format} files are not supported; save the image as PNG or JPEG")
    picture.draft(None, (detail, detail))
    if picture.width * picture.height > MAX_PIXELS:
        raise PictureError(f"{title}: {picture.width}×{picture.height} is too many pixels to decode safely")


def _flatten(picture: Image.Image, colour: tuple[int, ...]) -> Image.Image:
    """Convert to 8-bit RGB, with transparent areas in the given colour."""
    if picture.mode in HIGH_DEPTH:
        picture = _to_eight_bits(picture)
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    canvas = Image.new("RGBA", layer.size, colour)
    canvas.alpha_composite(layer)
    return canvas.convert("RGB")


def _to_eight_bits(picture: Image.Image) -> Image.Image:
    """Scale grey values of 16 or 32 bits to 0 to 255. Pillow's own conversion would clip them at 255.

    Integers are scaled from 0 to 65535. Floats are scaled from 0 to the smallest of 1, 255 and 65535 that is not exceeded.
    Images with larger values are scaled to their own maximum.
    """
    kind = np.float32 if picture.mode.startswith("I;16") else np.float64  # exact for 16 bits, and half the memory
    values = np.nan_to_num(np.asarray(picture, dtype=kind)).clip(min=0)  # (H, W)
    highest = float(values.max(initial=0))
    scales = (1.0, 255.0, 65535.0) if picture.mode == "F" else (65535.0,)
    scale = next((candidate for candidate in scales if highest <= candidate), highest)
    grey = Image.fromarray((values * (255 / scale)).round().astype(np.uint8))
    transparent = picture.info.get("transparency")
    if isinstance(transparent, int):  # one grey value marks transparent pixels
        grey.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    return grey
