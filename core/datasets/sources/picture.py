"""Reads image files: any common format, upright, as RGB.

Files come from people, so nothing in a file may crash the process, run a program or exhaust the memory: `formats.py` tells how much a
file can demand, and what might take long is decoded in a process of its own (`decoder.py`).
"""

from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image, ImageColor, ImageOps
from torch import Tensor

from core.datasets.sources.decoder import decode_apart
from core.datasets.sources.decoding import SCALED, HeavyError, decode
from core.datasets.sources.formats import LIGHT_BYTES, MAX_FILE_BYTES, PictureError, has_light_structure

DECODED_APART = "heavy"  # entry of the picture's `info` where it was decoded in a process of its own

__all__ = ["DECODED_APART", "SCALED", "PictureError", "read_picture", "to_tensor"]


def read_picture(file: Path | str | bytes | BinaryIO, *, name: str = "", background: str = "white", detail: int = 512) -> Image.Image:
    """Read the first frame of an image file as 8-bit RGB, rotated according to its EXIF orientation.

    `name` is the file's name in error messages (by default its own). Transparent areas show `background`, a colour name or "#rrggbb".
    A large picture is read at a reduced size, with at least `detail` pixels per side. Where values of more than 8 bits were scaled to
    another range than that of 16 bits, the picture's `info` says so under "scaled".

    Raises PictureError if the file is missing, a folder, empty, damaged, not an image, or too large to decode safely.
    """
    colour = ImageColor.getrgb(background)
    title = " ".join((name or _own_name(file)).split())
    data = _read(file, title)
    if has_light_structure(data):
        try:
            return decode(data, title, colour, detail, budget=LIGHT_BYTES)
        except HeavyError:
            pass
    picture = decode_apart(data, title, colour, detail)
    picture.info[DECODED_APART] = True
    return picture


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
            data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, PictureError):
            raise
        raise PictureError(f"{title}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    if len(data) > MAX_FILE_BYTES:
        raise PictureError(f"{title}: larger than {MAX_FILE_BYTES // 1_000_000} MB; save the image at a smaller size")
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
    with path.open("rb") as opened:
        return opened.read(MAX_FILE_BYTES + 1)
