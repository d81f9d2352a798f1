"""Reading image files: the formats that people upload, and every way in which a file can be invalid."""

import io
import struct
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core.cli.pictures import NamedPicture
from core.datasets.sources import decoder
from core.datasets.sources.decoding import HeavyError, decode
from core.datasets.sources.formats import LIGHT_BYTES, MAX_FILE_BYTES, has_light_structure, readable
from core.datasets.sources.picture import SCALED, PictureError, read_picture, to_tensor


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def png_of_size(width: int, height: int) -> bytes:
    """Return a PNG whose header declares a size that its data does not fill."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def many_scans(side: int, count: int) -> bytes:
    """Return a progressive JPEG whose last scan is repeated."""
    data = encoded(Image.new("RGB", (side, side)), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * count + b"\xff\xd9"


def one_scan(side: int) -> bytes:
    """Return a progressive JPEG of one scan, which holds the mean of each block alone: a few bytes for many pixels."""

    def part(marker: int, data: bytes) -> bytes:
        return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data

    tables = part(0xDB, b"\0" + bytes([1] * 64)) + part(0xC4, b"\0\1" + bytes(16))
    frame = part(0xC2, struct.pack(">BHHB", 8, side, side, 3) + b"\1\x11\0\2\x11\0\3\x11\0")
    return b"\xff\xd8" + tables + frame + part(0xDA, b"\3\1\0\2\0\3\0\0\0\0") + bytes((side // 8) ** 2 * 3 // 8) + b"\xff\xd9"


def tiff(*tags: tuple[int, int, int, int]) -> bytes:
    """Return a TIFF of these tags, (number, type, count, value), without pixels."""
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\x00" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)


def tiff_of_size(width: int, height: int) -> bytes:
    """Return a TIFF that declares grey pixels of 32 bits."""
    sizes = ((256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 32), (259, 3, 1, 8), (262, 3, 1, 1), (273, 4, 1, 8))
    return tiff(*sizes, (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, 8))


def tiff_of_tags(count: int, size: int) -> bytes:
    """Return a TIFF with this number of tags, all of which hold the same bytes."""
    return tiff(*((1000 + number, 7, size, 8) for number in range(count)))


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def fault_of(file: Path | bytes | io.BytesIO, **options: str) -> str:
    """Return the error's text, which must be one line."""
    with pytest.raises(PictureError) as caught:
        read_picture(file, **options)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_a_path_bytes_and_an_open_file_give_the_same_picture(tmp_path: Path) -> None:
    values = noise(9, 7)
    data = encoded(Image.fromarray(values))
    path = tmp_path / "a.png"
    path.write_bytes(data)
    opened = io.BytesIO(data)
    opened.read()  # the position is at the end of the file
    for file in (path, str(path), data, opened):
        picture = read_picture(file)
        assert picture.mode == "RGB"
        assert np.array_equal(np.asarray(picture), values)
    assert not opened.closed


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(orientation: int) -> None:
    upright = np.zeros((20, 30, 3), dtype=np.uint8)
    upright[:10, :15] = 255  # white at the top left
    # the transformations that the EXIF orientations undo
    inverse = {
        2: "FLIP_LEFT_RIGHT",
        3: "ROTATE_180",
        4: "FLIP_TOP_BOTTOM",
        5: "TRANSPOSE",
        6: "ROTATE_90",
        7: "TRANSVERSE",
        8: "ROTATE_270",
    }
    stored = Image.fromarray(upright)
    if orientation > 1:
        stored = stored.transpose(Image.Transpose[inverse[orientation]])
    exif = Image.Exif()
    exif[0x0112] = orientation
    for kind in ("PNG", "JPEG", "TIFF", "WEBP"):
        options = {"lossless": True} if kind == "WEBP" else {"quality": 100} if kind == "JPEG" else {}
        picture = read_picture(encoded(stored, kind, exif=exif, **options))
        assert picture.size == (30, 20)
        assert np.abs(np.asarray(picture).astype(int) - upright).mean() < 3, kind


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_an_unreadable_orientation_is_ignored() -> None:
    values = noise(8, 8)
    data = encoded(Image.fromarray(values), exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff nonsense")
    assert np.array_equal(np.asarray(read_picture(data)), values)


def test_transparent_areas_show_the_background() -> None:
    layer = Image.new("RGBA", (4, 4), (255, 0, 0, 255))
    layer.putpixel((0, 0), (0, 0, 0, 0))
    layer.putpixel((1, 0), (0, 0, 0, 128))
    white, blue = read_picture(encoded(layer)), read_picture(encoded(layer), background="#0000ff")
    assert white.getpixel((0, 0)) == (255, 255, 255)
    assert blue.getpixel((0, 0)) == (0, 0, 255)
    assert white.getpixel((1, 0)) == (127, 127, 127)
    assert white.getpixel((2, 2)) == blue.getpixel((2, 2)) == (255, 0, 0)


def test_grey_with_alpha() -> None:
    layer = Image.merge("LA", (Image.new("L", (2, 1), 10), Image.new("L", (2, 1), 255)))
    layer.putpixel((0, 0), (10, 0))
    picture = read_picture(encoded(layer))
    assert [picture.getpixel((x, 0)) for x in range(2)] == [(255,) * 3, (10,) * 3]


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_palette_with_a_transparent_colour(kind: str) -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 200, 100, 50] + [0] * 750)
    picture.putdata([0, 1])
    read = read_picture(encoded(picture, kind, transparency=0))
    assert [read.getpixel((x, 0)) for x in range(2)] == [(255, 255, 255), (200, 100, 50)]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled(kind: str) -> None:
    values = np.array([[0, 257, 128 * 257, 65535]], dtype=np.uint16)
    picture = read_picture(encoded(Image.fromarray(values), kind))
    assert np.asarray(picture)[0, :, 0].tolist() == [0, 1, 128, 255]


def test_big_endian_sixteen_bits() -> None:
    values = np.array([[0, 128 * 257, 65535]], dtype=">u2")
    picture = Image.frombytes("I;16B", (3, 1), values.tobytes())
    assert np.asarray(read_picture(encoded(picture, "TIFF")))[0, :, 0].tolist() == [0, 128, 255]


def test_sixteen_bits_with_a_transparent_grey_value() -> None:
    values = np.array([[300, 0]], dtype=np.uint16)
    data = encoded(Image.fromarray(values))
    transparency = b"tRNS" + struct.pack(">H", 300)
    chunk = struct.pack(">I", 2) + transparency + struct.pack(">I", zlib.crc32(transparency))
    place = data.index(b"IDAT") - 4
    assert np.asarray(read_picture(data[:place] + chunk + data[place:]))[0, :, 0].tolist() == [255, 0]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([-3.0, 100.0, 255.0], [0, 100, 255]),
        ([0.0, 5e5, 1e6], [0, 128, 255]),
        ([np.nan, 0, 0], [0, 0, 0]),
        ([0.5, 1.0, np.inf], [128, 255, 255]),
        ([0.5, 1.0, -np.inf], [128, 255, 0]),
        ([np.inf, np.inf, np.nan], [255, 255, 0]),
    ],
)
def test_floats_are_scaled(values: list[float], expected: list[int]) -> None:
    picture = read_picture(encoded(Image.fromarray(np.array([values], dtype=np.float32)), "TIFF"))
    assert np.asarray(picture)[0, :, 0].tolist() == expected


@pytest.mark.parametrize(("bits", "white"), [(8, 255), (10, 1023), (12, 4095), (14, 16383)])
def test_few_bits_in_sixteen_are_scaled_to_their_own_white(bits: int, white: int) -> None:
    values = np.array([[0, white // 2 + 1, white]], dtype=np.uint16)
    for kind in ("PNG", "TIFF"):
        picture = read_picture(encoded(Image.fromarray(values), kind))
        assert np.asarray(picture)[0, :, 0].tolist() == [0, 128, 255]
        assert picture.info[SCALED] == f"values from 0 to {white} are shown as black to white"
    assert not read_picture(encoded(Image.fromarray(values * 0 + 65535))).info[SCALED]
    assert SCALED not in read_picture(encoded(Image.fromarray(noise(3, 3)))).info


def test_thirty_two_bits_are_scaled_to_their_maximum() -> None:
    picture = read_picture(encoded(Image.fromarray(np.array([[0, 50_000, 100_000]], dtype=np.int32)), "TIFF"))
    assert np.asarray(picture)[0, :, 0].tolist() == [0, 128, 255]


def test_cmyk_grey_and_black_and_white() -> None:
    cmyk = read_picture(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF"))
    assert cmyk.getpixel((0, 0)) == (255, 0, 0)
    red, green, blue = read_picture(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95)).getpixel((4, 4))
    assert red > 245
    assert max(green, blue) < 10
    assert read_picture(encoded(Image.new("L", (2, 2), 77))).getpixel((0, 0)) == (77, 77, 77)
    assert read_picture(encoded(Image.new("1", (2, 2), 1))).getpixel((0, 0)) == (255, 255, 255)


def test_a_large_jpeg_is_decoded_at_a_reduced_size() -> None:
    data = encoded(Image.new("RGB", (4000, 3000), (10, 200, 30)), "JPEG")
    picture = read_picture(data)
    assert picture.size == (1000, 750)
    assert read_picture(data, detail=3000).size == (4000, 3000)
    assert read_picture(encoded(Image.new("RGB", (600, 700)), "JPEG")).size == (600, 700)


def test_an_animation_yields_its_first_frame() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    assert read_picture(encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)).getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("letter.png", b"Dear reader,\nthis is no picture.\n", "not an image"),
        ("empty.png", b"", "empty"),
        ("short.png", b"B", "not an image"),
        ("cut.jpg", encoded(Image.fromarray(noise(64, 64)), "JPEG")[:1500], "damaged"),
        ("cut.png", encoded(Image.fromarray(noise(64, 64)))[:3000], "damaged"),
        ("head.png", encoded(Image.fromarray(noise(64, 64)))[:20], ""),
        ("bomb.png", png_of_size(60_000, 60_000), "too many pixels"),
        ("large.png", png_of_size(9_000, 9_000), "too many pixels"),
        ("figure.eps", encoded(Image.new("RGB", (4, 4)), "EPS"), "EPS files are not supported"),
        ("a.ppm", encoded(Image.new("RGB", (4, 4)), "PPM"), "PPM files are not supported; save the image as PNG or JPEG"),
        ("a.qoi", b"qoif" + bytes(20), "QOI files are not supported"),
        ("a.heic", b"\x00\x00\x00\x18ftypheic" + bytes(20), "HEIC files are not supported"),
        ("a.svg", b'<?xml version="1.0"?><svg/>', "SVG files are not supported"),
        ("scans.jpg", many_scans(2048, 600), "too many scans"),
        ("scan.jpg", one_scan(8_000), "8000×8000 is too many pixels to decode safely as JPEG"),
        ("large.tif", tiff_of_size(8_000, 8_000), "8000×8000 is too many pixels to decode safely as TIFF"),
    ],
)
def test_invalid_files_are_refused_by_name(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    assert fault_of(path).startswith(f"{path}: ")
    assert reason in fault_of(path)
    assert fault_of(data, name=name).startswith(f"{name}: ")
    opened = io.BytesIO(data)
    opened.name = name
    assert fault_of(opened).startswith(f"{name}: ")
    assert fault_of(data).startswith("the image: ")


def test_missing_files_and_folders_are_refused_by_name(tmp_path: Path) -> None:
    assert fault_of(tmp_path / "none.png") == f"{tmp_path / 'none.png'}: no such file"
    assert fault_of(tmp_path) == f"{tmp_path}: a folder, not an image"
    assert "not an image" in fault_of(Path("/dev/null"))
    assert fault_of(b"", name="two\nlines.png").startswith("two lines.png: ")


def test_what_may_take_long_is_decoded_in_a_process_of_its_own() -> None:
    values = np.full((5_200, 5_200), 40_000, dtype=np.uint16)
    values[:1_000] = 0
    picture = read_picture(encoded(Image.fromarray(values), compress_level=1))
    assert picture.size == (520, 520)
    assert [picture.getpixel((9, row)) for row in (9, 300)] == [(0, 0, 0), (156, 156, 156)]
    resized = values[:8, :8]
    assert read_picture(encoded(Image.fromarray(resized))).size == (8, 8)


@pytest.mark.skipif("AVIF" not in readable(), reason="this Pillow reads no AVIF")
def test_an_avif_that_declares_fewer_pixels_than_it_holds_is_decoded_apart() -> None:
    data = encoded(Image.new("RGB", (1_000, 1_000), (200, 30, 30)), "AVIF", speed=10)
    sizes = b"ispe" + bytes(4) + struct.pack(">II", 1_000, 1_000)
    assert sizes in data
    lying = data.replace(sizes, sizes[:8] + struct.pack(">II", 64, 64))
    with pytest.raises(HeavyError):
        decode(lying, "a.avif", (255, 255, 255), 512, budget=LIGHT_BYTES)


def test_what_is_light_tells_from_its_structure() -> None:
    photo = encoded(Image.new("RGB", (4_000, 3_000)), "JPEG")
    assert has_light_structure(photo)
    assert not has_light_structure(photo[:2] + b"\xff\xfe\x00\x02" * 70_000 + photo[2:])  # comments
    png = encoded(Image.fromarray(noise(400, 400)))
    assert has_light_structure(png)
    empty = struct.pack(">I", 0) + b"teXt" + struct.pack(">I", zlib.crc32(b"teXt"))
    assert not has_light_structure(png[:33] + empty * 10_000 + png[33:])
    assert not has_light_structure(tiff_of_tags(60_000, 600_000))
    assert has_light_structure(encoded(Image.fromarray(noise(400, 400)), "TIFF"))


def test_a_file_of_too_many_bytes_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.png").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    assert "larger than 50 MB" in fault_of(tmp_path / "a.png")


def test_large_pictures_keep_as_much_detail_as_is_required() -> None:
    board = np.tile(np.arange(1_500, dtype=np.uint8), (1_200, 1))
    for mode in ("L", "P", "RGBA", "LA", "1"):
        assert read_picture(encoded(Image.fromarray(board).convert(mode), compress_level=1)).size == (750, 600)
    assert np.array_equal(np.asarray(read_picture(encoded(Image.fromarray(board)), detail=1_200))[..., 0], board)


def test_a_process_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "WALL_SECONDS", 0.01)
    with pytest.raises(PictureError, match=r"a\.png: takes too long or too much memory to decode"):
        decoder.decode_apart(encoded(Image.fromarray(noise(4, 4))), "a.png", (255, 255, 255), 512)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("seed", range(20))
def test_damaged_bytes_raise_no_other_error(seed: int) -> None:
    random = np.random.default_rng(seed)
    for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"):
        data = bytearray(encoded(Image.fromarray(noise(16, 16)), kind))
        for place in random.integers(0, len(data), 8):
            data[place] = random.integers(0, 256)
        with suppress(PictureError):
            assert read_picture(bytes(data)).mode == "RGB"


def test_an_invalid_background_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="unknown color") as caught:
        read_picture(encoded(Image.new("RGB", (2, 2))), background="no colour")
    assert not isinstance(caught.value, PictureError)


def test_an_image_of_the_right_size_keeps_its_values() -> None:
    values = noise(28, 30)
    tensor = to_tensor(Image.fromarray(values), (3, 28, 30))
    assert tensor.dtype == torch.uint8
    assert tensor.is_contiguous()
    assert np.array_equal(tensor.numpy(), values.transpose(2, 0, 1))
    grey = noise(28, 30)[..., 0]
    through_rgb = read_picture(encoded(Image.fromarray(grey)))
    assert np.array_equal(to_tensor(through_rgb, (1, 28, 30))[0].numpy(), grey)


@pytest.mark.parametrize(("width", "height"), [(90, 30), (30, 90)])
def test_images_are_cropped_to_their_centre(width: int, height: int) -> None:
    values = np.zeros((height, width, 3), dtype=np.uint8)
    top, left = (height - 30) // 2, (width - 30) // 2
    values[top : top + 30, left : left + 30] = 255
    assert to_tensor(Image.fromarray(values), (3, 10, 10)).float().mean() > 250
    values[:] = 255 - values
    assert to_tensor(Image.fromarray(values), (3, 10, 10)).float().mean() < 5


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1)])
def test_any_shape_can_be_fitted(size: tuple[int, int]) -> None:
    assert to_tensor(Image.new("RGB", size, (9, 9, 9)), (3, 32, 32)).unique().tolist() == [9]


def test_downscaling_averages_pixels() -> None:
    board = ((np.indices((256, 256)).sum(0) % 2) * 255).astype(np.uint8)
    small = to_tensor(Image.fromarray(board), (1, 16, 16)).float()
    assert small.std() < 3
    assert abs(small.mean() - 127.5) < 3


def test_other_numbers_of_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="channels, not 2"):
        to_tensor(Image.new("RGB", (4, 4)), (2, 4, 4))


def test_standard_input_is_read_up_to_the_size_of_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.cli.pictures.MAX_FILE_BYTES", 8)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(bytes(100))))
    assert NamedPicture("standard input", None).content() == bytes(9)
