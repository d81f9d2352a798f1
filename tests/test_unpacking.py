"""Pictures that arrive in a zip or an uploaded folder: where they are written, and what is refused."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from PIL import Image

from core.datasets import DataError
from core.datasets.folder import Folder
from core.datasets.sources import unpacking
from core.datasets.sources.unpacking import Arrived, unpack_zip, write_folder


def picture(shade: int = 0) -> bytes:
    file = io.BytesIO()
    Image.new("L", (8, 8), shade).save(file, "PNG")
    return file.getvalue()


def zipped(files: Mapping[str, bytes]) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file


def written(folder: Path) -> list[str]:
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


SHAPES = {f"shapes/{name}/{number}.png": picture(number) for name in ("a", "b") for number in range(6)}


def test_a_zip_becomes_a_dataset_with_a_class_for_each_folder(tmp_path: Path) -> None:
    left_behind = {"__MACOSX/shapes/a/._0.png": b"x", "shapes/readme.txt": b"x", "shapes/a/Thumbs.db": b"x"}
    made = unpack_zip(zipped(SHAPES | left_behind), tmp_path)
    assert written(made) == sorted(name.removeprefix("shapes/") for name in SHAPES)
    folder = Folder(path=str(made), size=8)
    data = folder.read()
    assert data.classes == ("a", "b")
    assert folder.sizes() == (len(data.train), len(data.val), len(data.test))
    assert sum(folder.per_class()["train"].values()) == len(data.train)
    assert unpack_zip(zipped(SHAPES), tmp_path) == made, "the same pictures are kept once"
    assert [entry.name for entry in tmp_path.iterdir()] == [made.name], "nothing is left of the unpacking"


def test_an_uploaded_folder_is_written_like_a_zip(tmp_path: Path) -> None:
    made = write_folder([Arrived(name, io.BytesIO(content)) for name, content in SHAPES.items()], tmp_path)
    assert made == unpack_zip(zipped(SHAPES), tmp_path)


def test_folders_of_splits_stay(tmp_path: Path) -> None:
    files = {f"data/{split}/{name}/deep/{number}.png": picture(number) for split in ("train", "test") for name in "ab" for number in (0, 1)}
    made = unpack_zip(zipped(files), tmp_path)
    assert written(made)[0] == "test/a/deep-0.png"
    assert {path.split("/")[0] for path in written(made)} == {"train", "test"}


@pytest.mark.parametrize(
    "name", ["../../outside/x.png", "/etc/outside/x.png", "a/../../outside/x.png", "C:\\outside\\x.png", "..\\x\\y.png"]
)
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "inside"
    made = unpack_zip(zipped({"cat/1.png": picture(), name: picture(1)}), folder)
    assert len(written(made)) == 2
    assert [entry.name for entry in tmp_path.iterdir()] == ["inside"]


def test_names_that_differ_in_case_or_depth_do_not_overwrite_each_other(tmp_path: Path) -> None:
    made = unpack_zip(
        zipped({"cat/a.png": picture(), "cat/A.png": picture(1), "cat/x/b.png": picture(2), "cat/x-b.png": picture(3)}), tmp_path
    )
    assert len(written(made)) == 4


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"notes.txt": b"x"}, "There are no pictures in it"),
        ({"cat.png": b"x", "dog/1.png": b"x"}, "cat.png is in no folder"),
        ({"/".join("abcdefghij") + "/" + "/".join("klm") + f"/{number}.png": b"x" for number in range(2)}, "nested more than 8 deep"),
    ],
)
def test_what_is_no_folder_of_classes_is_refused(tmp_path: Path, files: Mapping[str, bytes], told: str) -> None:
    with pytest.raises(DataError, match=told):
        unpack_zip(zipped(files), tmp_path)


def test_a_file_that_is_no_zip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="The zip cannot be read"):
        unpack_zip(io.BytesIO(b"PK\x03\x04 no zip at all"), tmp_path)


@pytest.mark.parametrize(
    ("limit", "value", "told"),
    [("MAX_PICTURES", 11, "no more than 11"), ("MAX_UNPACKED_BYTES", 100, "take more than"), ("MAX_FILE_BYTES", 10, "a picture may have")],
)
def test_limits_hold_whatever_the_zip_declares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, told: str) -> None:
    monkeypatch.setattr(unpacking, limit, value)
    with pytest.raises(DataError, match=told):
        unpack_zip(zipped(SHAPES), tmp_path)
    assert list(tmp_path.iterdir()) == []
