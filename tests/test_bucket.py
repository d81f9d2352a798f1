"""Weights in an object store: the same promises as in a folder, on fsspec's store in memory."""

import hashlib
import itertools
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from core.store import Store, StoreError
from core.store.weights import Weights, shipped_name
from tests.records import record

SERVER = make_url("postgresql+psycopg://me@host/db")
_numbers = itertools.count()


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty object store, where the weights are."""
    pytest.importorskip("fsspec")
    address = f"memory://bucket-{next(_numbers)}/weights"
    monkeypatch.setenv("GATESCOPE_WEIGHTS", address)
    return address


@pytest.fixture
def store(place: str, tmp_path: Path) -> Store:
    """A store in a file whose weights are in the object store."""
    opened = Store(f"sqlite:///{tmp_path / 'runs.db'}")
    opened.weights.__init__(SERVER)
    return opened


def left(store: Store) -> list[str]:
    return sorted(store.weights._files.checkpoints(1))


def test_weights_come_back_from_an_object_store(store: Store, place: str) -> None:
    run = store.runs.create(record(epochs=3))
    assert store.checkpoints.latest(run.id) is None
    for epoch, tensors in ((1, b"one"), (2, b"two"), (2, b"two again")):
        store.checkpoints.save(run.id, epoch, tensors)
        checkpoint, where = store.checkpoints.latest(run.id)
        assert (checkpoint.epoch, store.checkpoints.read(run.id)[1]) == (epoch, tensors)
        assert where == f"{place}/{checkpoint.file}"
    assert len(left(store)) == 2  # that before stays for whoever reads it
    store.lifecycle.claim(run.id)
    store.lifecycle.finish(run.id, {}, weights=b"last")
    assert (store.checkpoints.read(run.id)[1], left(store)) == (b"last", ["1/epoch-0003.safetensors"])
    store.runs.purge(run.id)
    assert left(store) == []


@pytest.mark.parametrize("harm", [lambda files, name: files.delete(name), lambda files, name: files.write(name, b"tensorz")])
def test_a_missing_or_altered_object_is_no_checkpoint(store: Store, harm: Any) -> None:
    run = store.runs.create(record())
    store.checkpoints.save(run.id, 1, b"first")
    store.checkpoints.save(run.id, 2, b"tensors")
    assert store.checkpoints.latest(run.id)[0].epoch == 2
    harm(store.weights._files, "1/epoch-0002.safetensors")
    assert store.checkpoints.latest(run.id)[0].epoch == 1
    assert store.checkpoints.read(run.id)[1] == b"first"


def test_an_object_is_hashed_again_once_it_has_changed_alone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = store.runs.create(record())
    store.checkpoints.save(run.id, 1, b"tensors")
    assert store.checkpoints.latest(run.id) is not None
    monkeypatch.setattr(type(store.weights._files), "read", lambda *_: pytest.fail("read what has not changed"))
    assert store.checkpoints.latest(run.id) is not None


def test_a_store_that_refuses_is_a_clear_error(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = store.runs.create(record())

    def refused(*_: object, **__: object) -> None:
        raise RuntimeError("no\ncredentials")

    monkeypatch.setattr(store.weights._files._system, "pipe_file", refused)
    with pytest.raises(StoreError, match=r"memory://.*: no credentials"):
        store.checkpoints.save(run.id, 1, b"tensors")
    assert store.checkpoints.read(run.id) is None


def test_where_weights_are_is_a_folder_or_a_known_kind_of_object_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATESCOPE_WEIGHTS", "ftp://host/weights")
    with pytest.raises(StoreError, match=r"GATESCOPE_WEIGHTS must be a folder, or an address that begins with s3, .*ftp://host/weights"):
        Weights(SERVER)
    assert Weights(make_url("sqlite:///runs.db")).address == str(tmp_path / "runs.weights")  # a file's weights are beside it
    monkeypatch.setenv("GATESCOPE_WEIGHTS", "weights")
    assert Weights(SERVER).address == str(tmp_path / "weights")


def test_what_ships_with_the_project_is_found_wherever_the_project_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = tmp_path / "project" / "assets" / "some.safetensors"
    shipped.parent.mkdir(parents=True)
    shipped.write_bytes(b"shipped")
    monkeypatch.setattr("core.store.weights.PROJECT_ROOT", tmp_path / "project")
    name = shipped_name(shipped)
    assert name == "project:assets/some.safetensors"
    (tmp_path / "project").rename(tmp_path / "moved")
    monkeypatch.setattr("core.store.weights.PROJECT_ROOT", tmp_path / "moved")
    digest = hashlib.sha256(b"shipped").hexdigest()
    assert Weights(make_url(f"sqlite:///{tmp_path / 'runs.db'}")).read(name, digest, 7) == b"shipped"
