"""Paths as people paste them."""

import os
import tracemalloc
from pathlib import Path

import pytest

from core.files import PathError, pasted_path, read_regular, whole_path


@pytest.mark.parametrize(
    "text",
    [
        "  {}\n",
        '"{}"',
        "'{}'",
        "“{}”",
        "\u202a{}\u202c",
        "\ufeff{}",
        "\u200b{}",
        "file://{}",
        "file://localhost{}",
        ' "\u2068{}\u2069" ',
    ],
)
def test_marks_around_a_path_are_removed(text: str) -> None:
    assert pasted_path(text.format("/data/my cats/1.png")) == Path("/data/my cats/1.png")


def test_what_belongs_to_a_path_stays() -> None:
    for text in ("it's.png", "a'b'c", "/x/“quoted” name.png", "caf\u00e9", "50%.png", "C:\\x", "a b"):
        assert str(pasted_path(text)) == text
    assert pasted_path("file:///a%20b.png") == Path("/a b.png")
    assert pasted_path("~") == Path.home()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("https://example.org/cat.png", "addresses are not fetched"),
        ("S3://bucket/cat.png", "addresses are not fetched"),
        ("~nouser-of-this-name/cat.png", "no such user"),
        ("a" * 5000, "too long"),
        ("a\0b", "control characters"),
        ("a\nb", "control characters"),
    ],
)
def test_what_cannot_be_a_path_is_said_in_a_line(text: str, says: str) -> None:
    with pytest.raises(PathError, match=says) as caught:
        pasted_path(text)
    assert len(str(caught.value).splitlines()) == 1
    assert whole_path(text) == text


def test_a_path_is_whole_from_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert whole_path("a/../b") == str(tmp_path / "b")
    assert whole_path(" ") == ""


@pytest.mark.skipif(os.name != "posix", reason="other systems have no pipes with names")
def test_pipes_and_devices_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for file in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(OSError, match="not a regular file"):
            read_regular(file)


def test_a_path_that_exists_is_taken_as_it_is(tmp_path: Path) -> None:
    for name in ("می\u200cخواهم.png", "👨\u200d👩\u200d👧.png"):
        (tmp_path / name).touch()
        assert pasted_path(f" {tmp_path / name} ") == tmp_path / name


def test_reading_a_file_takes_as_much_memory_as_the_file(tmp_path: Path) -> None:
    file = tmp_path / "some"
    file.write_bytes(b"x" * 1000)
    tracemalloc.start()
    try:
        assert read_regular(file) == b"x" * 1000
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
