"""Downloads are verified and cached, and a failed one leaves nothing behind."""

import hashlib
from pathlib import Path

import pytest

from core.datasets import DataError
from core.datasets.sources.archive import cache_folder, fetch

ADVICE = "Do something."


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GATESCOPE_CACHE", str(tmp_path / "cache"))


def test_a_damaged_download_leaves_nothing_behind(tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(b"damaged")
    with pytest.raises(DataError, match=rf"wrong checksum\). Try again\. {ADVICE}"):
        fetch(file.as_uri(), hashlib.md5(b"whole").hexdigest(), lambda what, share: None, ADVICE)
    assert not list(cache_folder().iterdir())


def test_a_damaged_file_in_the_cache_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(bytes(600_000))
    cache_folder().mkdir()
    (cache_folder() / "a.bin").write_bytes(b"truncated")
    shares: list[float] = []
    found = fetch(file.as_uri(), hashlib.md5(bytes(600_000)).hexdigest(), lambda what, share: shares.append(share), ADVICE)
    assert found.read_bytes() == bytes(600_000)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert [path.name for path in cache_folder().iterdir()] == ["a.bin"]


def test_an_interrupted_download_leaves_nothing_behind(tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(bytes(10))

    def stop(what: str, share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(file.as_uri(), hashlib.md5(bytes(10)).hexdigest(), stop, ADVICE)
    assert not list(cache_folder().iterdir())
