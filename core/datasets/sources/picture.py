"""A picture file as an upright RGB picture, and as the tensor that a network takes.

Everything that people send passes here: photographs, screenshots, scans, and files that are no pictures at all.
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

MOST_PIXELS = 64_000_000  # decoded at once; 192 MB as RGB
PROGRAMS = {"EPS", "WMF"}  # decoding these would start another program on bytes that a stranger sent
DEEP = {"I;16", "I;16B", "I;16L", "I;16N", "I", "F"}  # Pillow's modes of more than 8 bits


class PictureError(UserError):
    """A file that cannot be had as a picture; its text is one line that names the file and what is wrong with it."""


def read_picture(file: Path | str | bytes | BinaryIO, *, name: str = "", background: str = "white", detail: int = 512) -> Image.Image:
    """The first frame of a picture file: RGB, 8 bits, upright as its EXIF orientation says.

    `name` is what errors call the file (its own name where it has one). What is transparent shows `background`, a colour name
    or "#rrggbb". A large JPEG is decoded at an eighth, a quarter or half of its size, but to no fewer than `detail` pixels a side.

    Raises PictureError for a file that is missing, a folder, empty, damaged, no picture, or larger than memory should hold.
    """
    colour = ImageColor.getrgb(background)
    title = " ".join((name or _own_name(file)).split())
    data = _read(file, title)
    try:
        with Image.open(io.BytesIO(data)) as picture:
            _refuse(picture, title, detail)
            picture.load()
            with suppress(Exception):  # an unreadable orientation does not spoil a readable picture
                ImageOps.exif_transpose(picture, in_place=True)
            return _flat(picture, colour)
    except PictureError:
        raise
    except UnidentifiedImageError:
        raise PictureError(f"{title}: not a picture of a known format") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise PictureError(f"{title}: too many pixels to decode safely") from None
    except Exception as error:  # decoders raise nearly anything on damaged bytes
        raise PictureError(f"{title}: damaged or not supported ({' '.join(str(error).split()) or type(error).__name__})") from error


def to_tensor(picture: Image.Image, image: tuple[int, int, int]) -> Tensor:
    """The centre of a picture, as large as its shape allows, as uint8 of the shape `image`, (C, H, W) with C 1 (grey) or 3 (RGB).

    A picture that has this size already keeps its values.
    """
    channels, height, width = image
    if channels not in (1, 3):
        raise PictureError(f"images must have 1 (grey) or 3 (RGB) channels, not {channels}")
    fitted = ImageOps.fit(picture.convert("L" if channels == 1 else "RGB"), (width, height), Image.Resampling.LANCZOS)
    values = torch.from_numpy(np.array(fitted)).reshape(height, width, channels)  # (H, W, C)
    return values.permute(2, 0, 1).contiguous()  # (C, H, W)


def _own_name(file: Path | str | bytes | BinaryIO) -> str:
    if isinstance(file, (str, Path)):
        return str(file)
    return str(getattr(file, "name", "") or "the picture")


def _read(file: Path | str | bytes | BinaryIO, title: str) -> bytes:
    """All bytes of a file. Raises PictureError."""
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
        raise PictureError(f"{title}: a folder, not a picture")
    if not path.exists():
        raise PictureError(f"{title}: there is no such file")
    if not path.is_file():
        raise PictureError(f"{title}: a device or pipe, not a picture")
    return path.read_bytes()


def _refuse(picture: Image.Image, title: str, detail: int) -> None:
    """Ask a JPEG for fewer pixels, then raise PictureError for what should not be decoded. Decodes nothing itself."""
    if picture.format in PROGRAMS:
        raise PictureError(f"{title}: {picture.format} files are not read; save the picture as PNG or JPEG")
    picture.draft(None, (detail, detail))
    if picture.width * picture.height > MOST_PIXELS:
        raise PictureError(f"{title}: {picture.width}×{picture.height} are too many pixels to decode safely")


def _flat(picture: Image.Image, colour: tuple[int, ...]) -> Image.Image:
    """RGB with 8 bits a channel, laid on a colour where it is transparent."""
    if picture.mode in DEEP:
        picture = _eight_bits(picture)
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    ground = Image.new("RGBA", layer.size, colour)
    ground.alpha_composite(layer)
    return ground.convert("RGB")


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Grey values of 16 or 32 bits on the scale 0 to 255; Pillow's own conversion would cut them off at 255.

    Integers are taken to reach 65535. Floats are taken to reach the first of 1, 255 and 65535 that holds them all. Whatever is
    larger still is scaled to its own maximum.
    """
    kind = np.float32 if picture.mode.startswith("I;16") else np.float64  # exact for 16 bits in half the memory
    values = np.nan_to_num(np.asarray(picture, dtype=kind)).clip(min=0)  # (H, W)
    highest = float(values.max(initial=0))
    scales = (1.0, 255.0, 65535.0) if picture.mode == "F" else (65535.0,)
    top = next((scale for scale in scales if highest <= scale), highest)
    grey = Image.fromarray((values * (255 / top)).round().astype(np.uint8))
    clear = picture.info.get("transparency")
    if isinstance(clear, int):  # one grey value stands for "nothing here"
        grey.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    return grey
