"""Datasets from a folder of images, and the errors that a faulty folder causes."""

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core.datasets import DataError
from core.datasets.folder import Folder
from core.datasets.sources.class_folders import list_folder

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
    (tmp_path / "white").mkdir()
    (tmp_path / "white" / "1.png").write_bytes((pictures / "red" / "0.png").read_bytes())
    told = fault(Folder(path=str(pictures)))
    assert told == f"{tmp_path}: too few images of white (1), yellow (0). Add images until each class has at least 3, one for each split."


def coloured(folder: Path, count: int, shade: int) -> None:
    """Write images of one grey shade."""
    folder.mkdir(parents=True)
    for number in range(count):
        Image.new("L", (8, 8), shade).save(folder / f"{number}.png")


@pytest.mark.parametrize("names", [("train", "val", "test"), ("training", "validation", "test"), ("Train", "valid", "Test")])
def test_training_validation_and_test_folders_are_the_splits(names: tuple[str, str, str], tmp_path: Path) -> None:
    for count, name in zip((3, 1, 2), names, strict=True):
        for shade, kind in ((10 * count, "ant"), (100 + 10 * count, "bee")):
            coloured(tmp_path / name / kind, count, shade)
    data = Folder(path=str(tmp_path), size=8, channels=1).read()
    assert data.classes == ("ant", "bee")
    for count, split in zip((3, 1, 2), (data.train, data.val, data.test), strict=True):
        assert sorted(split.images[:, 0, 0, 0].tolist()) == [10 * count] * count + [100 + 10 * count] * count


def test_a_split_without_a_folder_is_taken_from_the_training_images(tmp_path: Path) -> None:
    for name, kind in ((name, kind) for name in ("train", "val") for kind in ("ant", "bee")):
        coloured(tmp_path / name / kind, 10 if name == "train" else 2, 50 if name == "train" else 90)
    data = Folder(path=str(tmp_path), size=8).read()
    assert len(data.val) == 4
    assert len(data.train) + len(data.test) == 20
    assert set(data.test.labels.tolist()) == {0, 1}
    (tmp_path / "val" / "bee").rename(tmp_path / "val" / "cat")
    assert "too few images of cat in train (0), bee in val (0)" in fault(Folder(path=str(tmp_path)))


def test_classes_that_are_called_like_splits_stay_classes(tmp_path: Path) -> None:
    for shade, kind in enumerate(("train", "test", "car")):
        coloured(tmp_path / kind, 3, shade)
    assert Folder(path=str(tmp_path), size=8).read().classes == ("car", "test", "train")
    (tmp_path / "car").rename(tmp_path / ".car")
    assert Folder(path=str(tmp_path), size=8).read().classes == ("test", "train")


def test_what_systems_leave_behind_is_skipped_and_other_files_are_counted(pictures: Path) -> None:
    for name in ("__MACOSX", "__pycache__", ".ipynb_checkpoints"):
        (pictures / name / "red").mkdir(parents=True)
        (pictures / "red" / name).mkdir()
        (pictures / "red" / name / "._1.png").write_bytes(b"left behind")
    for name in ("Thumbs.db", "desktop.ini", "._0.png"):
        (pictures / "red" / name).write_bytes(b"left behind")
    assert Folder(path=str(pictures)).read().notes == ()
    for name in ("notes.txt", "labels.csv"):
        (pictures / "green" / name).write_text("words")
    (pictures / "green" / "3").write_bytes((pictures / "green" / "0.png").read_bytes())
    data = Folder(path=str(pictures)).read()
    assert data.classes == ("blue", "green", "red")
    assert len(data.train) + len(data.val) + len(data.test) == 31
    assert data.notes == (f"2 files in {pictures} are not pictures and are left out, such as green/labels.csv.",)


def test_two_spellings_of_a_name_are_one_class(tmp_path: Path) -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    coloured(tmp_path / composed, 2, 10)
    coloured(tmp_path / decomposed, 2, 10)
    coloured(tmp_path / "tea", 3, 200)
    data = Folder(path=str(tmp_path), size=8).read()
    assert data.classes == (composed, "tea")
    assert len(data.train) + len(data.val) + len(data.test) == 7


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_names_that_are_not_utf_8_are_read_as_windows_wrote_them(tmp_path: Path) -> None:
    coloured(Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")), 3, 10)
    coloured(tmp_path / "tea", 3, 200)
    data = Folder(path=str(tmp_path), size=8).read()
    assert data.classes == ("caf\u00e9", "tea")
    assert len(data.fingerprint) == 64


def test_the_fingerprint_is_of_the_images_and_not_of_the_place(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    first = Folder(path=str(pictures)).read()
    moved = tmp_path_factory.mktemp("moved") / "data"
    shutil.copytree(pictures, moved)
    assert Folder(path=str(moved), seed=3).read().fingerprint == first.fingerprint
    first.check(first.image, first.classes, first.fingerprint)
    first.check(first.image, first.classes, None)
    Image.new("RGB", (20, 40), (0, 0, 254)).save(moved / "blue" / "0.png")
    with pytest.raises(DataError, match="files were added, removed or changed"):
        Folder(path=str(moved)).read().check(first.image, first.classes, first.fingerprint)


def test_what_the_fingerprint_notices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to 64 images, any content that differs in its first 64 KB; beyond, the sampled ones'. Names and sizes, always."""
    sampled, most = 8, 10  # in place of the 64 images and the 64 KB
    monkeypatch.setattr("core.datasets.sources.class_folders.SAMPLED_FILES", sampled)
    monkeypatch.setattr("core.datasets.sources.class_folders.SAMPLED_BYTES", most)
    for count in (sampled, 3 * sampled):
        root = tmp_path / str(count)
        for number in range(count):
            file = root / f"class {number % 2}" / f"{number:03d}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(bytes(most + 1))
        first = list_folder(root).fingerprint()
        noticed = []
        for file in sorted(root.rglob("*.png")):
            for changed in (b"x" + bytes(most), bytes(most) + b"x", bytes(most + 2)):
                file.write_bytes(changed)
                noticed.append(list_folder(root).fingerprint() != first)
            file.write_bytes(bytes(most + 1))
        assert noticed == [value for index in range(count) for value in (index % (count // sampled) == 0, False, True)]
        file.rename(file.with_name("other.png"))
        assert list_folder(root).fingerprint() != first


def test_paths_are_stored_whole(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pictures.parent)
    for text in (pictures.name, f' "{pictures}" ', f"\u202a{pictures}", pictures.as_uri(), f"./{pictures.name}/"):
        assert Folder(path=text).path == str(pictures)
    assert Folder().path == ""


@pytest.mark.parametrize("path", ["~nouser/data", "https://example.org/data.zip", "a" * 5000, "a" * 300, "a\0b"])
def test_paths_that_cannot_be_are_refused_in_a_line(path: str) -> None:
    assert fault(Folder(path=path))
