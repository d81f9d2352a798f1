"""Picture formats that are read, and how much memory and time a file can demand, told from its bytes before anything is decoded.

A file of a few bytes can declare many pixels, scans or tags. What is light is decoded in this process; everything else in a process of
its own, with limits (`decoder.py`).
"""

import re
import struct
from pathlib import Path

from PIL import Image

from core.errors import UserError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")  # HEIF only where a plugin of Pillow reads it
MAX_FILE_BYTES = 50_000_000
MAX_PIXELS = 64_000_000
MAX_JPEG_PIXELS = 170_000_000  # decoded at a reduced size
MAX_MEMORY = 180_000_000  # of memory for one picture
LIGHT_BYTES = 50_000_000  # of memory, up to which a picture is decoded in this process
LIGHT_SCANS = 150_000_000  # pixels times scans of a JPEG, decoded in about 0.2 s
MAX_SCANS = 2_000_000_000  # pixels times scans, decoded in about 2 s
SMALL_FILE = 250_000  # bytes, too few for a structure that takes long to read
MAX_PARTS = 5_000  # markers of a JPEG or chunks of a PNG, which Pillow reads one by one
UNBOUNDED = ("AVIF", "HEIF")  # formats whose coded pixels can be more than the size that they declare
COPIES = {"TIFF": 2, "WEBP": 3.6, "AVIF": 3, "HEIF": 3}  # copies of the pixels that decoders hold
PIXEL_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}  # of Pillow's modes; all others take 4
SCAN, MARKER = b"\xff\xda", re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")  # markers of a JPEG other than restarts and stuffed bytes
DIRECTORY = re.compile(rb"II[*+]\x00|MM\x00[*+]")  # start of a TIFF or of EXIF
TAG_SIZES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8)  # bytes of a tag's value, by its type
TILE_WIDTH, TILE_HEIGHT, STRIP_HEIGHT = 322, 323, 278  # tags of a TIFF
PREFIX = 16  # first bytes by which a format is known
OTHER_FORMATS = {b"%PDF": "PDF", b"<svg": "SVG", b"<?xml": "SVG", b"8BPS": "PSD"}
HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"mif1", b"msf1")


class PictureError(UserError):
    """Raised when a file cannot be read as an image. The text is one line that names the file and the fault."""


def readable() -> list[str]:
    """Return the formats that this installation of Pillow decodes."""
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def foreign_format(data: bytes) -> str:
    """Return the name of a picture format that is not read, or an empty text where the bytes are of no known format."""
    if data[4:8] == b"ftyp" and data[8:12] in HEIF_BRANDS:
        return "HEIC"
    named = next((name for start, name in OTHER_FORMATS.items() if data.lstrip()[: len(start)] == start), "")
    return named or next((name for name in Image.OPEN if name not in FORMATS and _begins_like(name, data)), "")


def is_picture(file: Path) -> bool:
    """Return whether the first bytes of a file are those of a picture. Raises OSError."""
    with file.open("rb") as opened:
        start = opened.read(PREFIX)
    return any(_begins_like(name, start) for name in readable())


def _begins_like(name: str, data: bytes) -> bool:
    """Return whether bytes begin like a format of Pillow, which looks at no fewer than PREFIX of them."""
    _, accept = Image.OPEN[name]
    return accept is not None and accept(data[:PREFIX].ljust(PREFIX, b"\0")) is True


def has_light_structure(data: bytes) -> bool:
    """Return whether Pillow can open a file quickly: few markers or chunks, and no tags that are larger together than the file."""
    directories = [found.start() for found in DIRECTORY.finditer(data)]
    if len(directories) > 20 or any(_tag_bytes(data, start) > len(data) + SMALL_FILE for start in directories):
        return False
    if len(data) <= SMALL_FILE or data[:4] == b"RIFF":
        return True
    if data[:2] == b"\xff\xd8":
        return sum(1 for _ in MARKER.finditer(data)) <= MAX_PARTS
    if data[:4] == b"\x89PNG":
        return _has_few_chunks(data)
    return data[:4] != b"GIF8"


def memory(picture: Image.Image, data: bytes, detail: int) -> int:
    """Return the bytes of memory that decoding an opened file takes, at a JPEG's reduced size. Decodes nothing."""
    pixels = picture.width * picture.height
    if picture.format in ("JPEG", "MPO"):
        held = _scans(data) > 1 or "progressive" in picture.info  # the decoder holds all coefficients, even for one scan
        coefficients = 2 * len(picture.getbands()) * pixels if held else 0
        picture.draft(None, (detail, detail))
        return 2 * len(data) + coefficients + 8 * picture.width * picture.height
    decoded = int(PIXEL_BYTES.get(picture.mode, 4) * pixels * COPIES.get(picture.format or "", 1))
    kept = pixels // reduction(picture.size, detail) ** 2
    return 2 * len(data) + decoded + 8 * kept


def has_too_many_scans(picture: Image.Image, data: bytes) -> bool:
    """Return whether a JPEG passes so often over its pixels that decoding takes seconds."""
    scans = _scans(data) if picture.format in ("JPEG", "MPO") else 1
    return scans > 1 and scans * picture.width * picture.height > MAX_SCANS


def is_light(picture: Image.Image, data: bytes) -> bool:
    """Return whether an opened file is sure to take little time, and no more memory than `memory` tells."""
    if picture.format in UNBOUNDED:
        return False
    if picture.format in ("JPEG", "MPO"):
        scans = _scans(data)
        return scans == 1 or scans * picture.width * picture.height <= LIGHT_SCANS
    if picture.format == "TIFF" and not _has_bounded_strips(picture):
        return False
    return all(tile[0] not in Image.DECODERS for tile in getattr(picture, "tile", ()))  # decoders in Python are slow


def reduction(size: tuple[int, int], detail: int) -> int:
    """Return the whole number by which a picture is scaled down so that its shorter side keeps at least `detail` pixels."""
    return max(1, min(size) // detail)


def has_honest_tags(exif: bytes) -> bool:
    """Return whether the tags of EXIF data are not larger together than the data."""
    found = DIRECTORY.search(exif[:16])
    return found is not None and _tag_bytes(exif, found.start()) <= len(exif)


def _scans(data: bytes) -> int:
    """Return how often a JPEG, or a thumbnail in it, passes over its pixels."""
    return data.count(SCAN)


def _has_few_chunks(data: bytes) -> bool:
    place = 8
    for _ in range(MAX_PARTS):
        if place + 8 > len(data):
            return True
        place += 12 + int(struct.unpack_from(">I", data, place)[0])
    return False


def _has_bounded_strips(picture: Image.Image) -> bool:
    """Return whether a TIFF's tiles and strips, for which memory is reserved, are not larger than the picture."""
    tags = getattr(picture, "tag_v2", {})
    try:
        width, height = int(tags.get(TILE_WIDTH, 1)), int(tags.get(TILE_HEIGHT, 1))
        strip = int(tags.get(STRIP_HEIGHT, 1))
    except (TypeError, ValueError):
        return False
    side = max(picture.size)  # a picture that lies on its side has its sides exchanged
    return max(width, height) <= side + 512 and (strip <= side or strip >= 2**31 - 1)


def _tag_bytes(data: bytes, start: int) -> int:
    """Return the bytes of all values of the first directory of TIFF or EXIF data that starts at a place."""
    order = "<" if data[start : start + 1] == b"I" else ">"
    big = b"+" in data[start : start + 4]
    head, number, entry = ("Q", "Q", "HHQ8x") if big else ("I", "H", "HHI4x")
    try:
        place = start + int(struct.unpack_from(order + head, data, start + (8 if big else 4))[0])
        count = int(struct.unpack_from(order + number, data, place)[0])
        entries = data[place + struct.calcsize(order + number) :][: count * struct.calcsize(order + entry)]
    except struct.error:
        return 0
    whole = len(entries) // struct.calcsize(order + entry) * struct.calcsize(order + entry)
    values = struct.iter_unpack(order + entry, entries[:whole])
    return sum(min(number * (TAG_SIZES[kind] if kind < len(TAG_SIZES) else 1), len(data)) for _, kind, number in values)
