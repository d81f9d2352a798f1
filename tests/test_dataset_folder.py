"""Datasets from a folder of images, and the errors that a faulty folder causes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core.datasets import DataError
from core.datasets.folder import Folder

COLOURS = {"blue": (0, 0, 255), "green": (0, 128, 0), "red": (255, 0, 0)}


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Create three classes of ten single-colour images each, in several formats and sizes."""
    for name, colour in COLOURS.items():
        (tmp_path / name / "more").mkdir(parents=True)
        for number in range(10):
            kind = ("png", "jpg", "bmp", "webp")[number % 4]
            folder = tmp_path / name / ("more" if number > 7 else "")
            Image.new("RGB", (20 + 9 * number, 40), colour).save(folder / f"{number}.{kind}")
    (tmp_path / "red" / ".DS_Store").write_bytes(b"left behind by the system")
    (tmp_path / ".thumbnails").mkdir()
    (tmp_path / "notes.txt").write_text("not a class")
    return tmp_path


def fault(dataset: Folder) -> str:
    with pytest.raises(DataError) as caught:
        dataset.read()
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_classes_are_the_subfolders_and_label_their_images(pictures: Path) -> None:
    shares: list[float] = []
    data = Folder(path=str(pictures), size=16).read(lambda what, share: shares.append(share))
    assert data.classes == ("blue", "green", "red")
    assert data.image == (3, 16, 16)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    parts = (data.train, data.val, data.test)
    assert sum(part.labels.bincount(minlength=3) for part in parts).tolist() == [10] * 3
    for part in parts:
        assert part.labels.bincount(minlength=3).min() >= 1
        for image, label in zip(part.images, part.labels, strict=True):
            wanted = torch.tensor(list(COLOURS.values())[label]).float()
            assert (image.float().mean((1, 2)) - wanted).abs().max() < 6


def test_grey_images_and_reproducible_splits(pictures: Path) -> None:
    one, two, other = (Folder(path=str(pictures), channels=1, seed=seed).read() for seed in (0, 0, 3))
    assert one.image == (1, 32, 32)
    assert torch.equal(one.train.images, two.train.images)
    assert torch.equal(one.test.labels, two.test.labels)
    assert not torch.equal(one.train.labels, other.train.labels)


def test_orientation_transparency_and_sixteen_bit_images(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6  # viewers rotate the image clockwise
    stored = np.zeros((32, 32, 3), dtype=np.uint8)
    stored[:, :16] = 255  # white on the left, hence at the top after rotation
    for number in range(3):
        Image.fromarray(stored).save(tmp_path / "a" / f"{number}.png", exif=exif)
    Image.new("RGBA", (32, 32), (0, 0, 0, 0)).save(tmp_path / "b" / "0.png")
    for number in (1, 2):
        Image.fromarray(np.full((32, 32), 65535, dtype=np.uint16)).save(tmp_path / "b" / f"{number}.png")
    data = Folder(path=str(tmp_path)).read()
    for part in (data.train, data.val, data.test):
        upright, white = (part.images[part.labels == label] for label in (0, 1))
        assert upright[:, :, :16].min() == 255
        assert upright[:, :, 16:].max() == 0
        assert white.min() == 255


def test_an_unreadable_file_is_named(pictures: Path) -> None:
    bad = pictures / "green" / "letter.png"
    bad.write_text("Dear reader")
    assert (
        fault(Folder(path=str(pictures))) == f"{bad}: not an image in a supported format, such as PNG or JPEG. Repair or remove the file."
    )


def test_image_shape_and_classes_need_no_image_to_be_read(pictures: Path) -> None:
    (pictures / "green" / "letter.png").write_text("Dear reader")
    assert Folder(path=str(pictures), size=16, channels=1).outline() == ((1, 16, 16), ("blue", "green", "red"))


def test_images_and_classes_unlike_those_of_a_run_are_refused(pictures: Path) -> None:
    data = Folder(path=str(pictures), size=16).read()
    data.check([3, 16, 16], ["blue", "green", "red"])
    trained = ("blue", "green", "red")
    for image, classes, message in (
        ((3, 32, 32), trained, "The images are 3×16×16, but the run was trained on 3×32×32."),
        ((3, 16, 16), ("blue", "red"), "(new: green)"),
        ((3, 16, 16), (*trained, *"abcdef"), "(missing: a, b, c, d, e and 1 more)"),
        ((3, 16, 16), ("azure", "green", "red"), "(new: blue; missing: azure)"),
        ((3, 16, 16), ("green", "blue", "red"), "(different order)"),
    ):
        with pytest.raises(DataError) as caught:
            data.check(image, classes)
        assert message in str(caught.value)
        assert "train a new run" in str(caught.value)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert str(tmp_path / "none") in fault(Folder(path=str(tmp_path / "none")))
    assert "Set the data folder (dataset.path)" in fault(Folder())
    file = tmp_path / "file"
    file.write_text("")
    assert f"{file}: no such folder" in fault(Folder(path=str(file)))


def test_too_few_classes_or_images(pictures: Path, tmp_path: Path) -> None:
    assert "the folder has 0 subfolders" in fault(Folder(path=str(pictures / "blue" / "more")))
    (tmp_path / "yellow").mkdir()
    assert f"{tmp_path / 'yellow'}: the class has 0 images. Add images until it has at least three" in fault(Folder(path=str(pictures)))
