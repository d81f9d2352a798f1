"""Weights in an object store that speaks S3's protocol: the tests that they pass in a folder, on a server of this computer."""

import hashlib
import itertools
from collections.abc import Iterator

import pytest
from moto.server import ThreadedMotoServer

from core.store import Store, StoreError
from core.training.sweep import enlist, planned
from core.training.worker import work
from tests.records import record
from tests.test_sweep import CONFIG

_numbers = itertools.count()


@pytest.fixture(scope="session")
def object_store() -> Iterator[str]:
    """The address of the server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def place(object_store: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty bucket, where the weights of databases on servers are."""
    import s3fs

    for name, value in (("ENDPOINT_URL", object_store), ("ACCESS_KEY_ID", "me"), ("SECRET_ACCESS_KEY", "secret"), ("REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    bucket = f"bucket-{next(_numbers)}"
    s3fs.S3FileSystem(skip_instance_cache=True).mkdir(bucket)
    monkeypatch.setenv("GATESCOPE_WEIGHTS", f"s3://{bucket}/weights")
    return f"s3://{bucket}/weights"


@pytest.fixture
def bucket_store(url: str, place: str) -> Store:
    """A store on PostgreSQL whose weights are in the object store."""
    return Store(url)


def test_weights_go_through_the_protocol(bucket_store: Store, place: str) -> None:
    run = bucket_store.runs.create(record(epochs=3))
    for epoch, tensors in ((1, b"one"), (2, b"two"), (2, bytes(6_000_000))):
        saved = bucket_store.checkpoints.save(run.id, epoch, tensors)
        assert bucket_store.checkpoints.read(run.id)[1] == tensors
        assert bucket_store.checkpoints.latest(run.id)[1] == f"{place}/{saved.file}"
    assert saved.sha256 == hashlib.sha256(bytes(6_000_000)).hexdigest()
    other = Store(bucket_store.url)  # as on another machine
    bucket_store.checkpoints.save(run.id, 3, b"three")
    assert other.checkpoints.read(run.id)[1] == b"three"
    bucket_store.lifecycle.claim(run.id)
    bucket_store.lifecycle.finish(run.id, {}, weights=b"last")
    assert other.checkpoints.read(run.id)[1] == b"last"
    assert other.weights._files.checkpoints(run.id) == [bucket_store.checkpoints.latest(run.id)[0].file]
    bucket_store.runs.purge(run.id)
    assert other.weights._files.checkpoints(run.id) == []


def test_a_bucket_that_is_not_there_is_a_clear_error(url: str, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATESCOPE_WEIGHTS", "s3://nowhere/weights")
    store = Store(url)
    run = store.runs.create(record())
    with pytest.raises(StoreError, match=r"s3://nowhere/weights: .*bucket"):
        store.checkpoints.save(run.id, 1, b"tensors")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(StoreError, match="127\\.0\\.0\\.1:1"):
        Store(url).checkpoints.save(run.id, 1, b"tensors")


def test_a_training_keeps_its_weights_in_the_object_store(bucket_store: Store) -> None:
    (run,) = enlist(bucket_store, planned(CONFIG, [0.5], [0]), "remote")
    assert work(bucket_store, run.id).state == "finished"
    assert bucket_store.checkpoints.read(run.id) is not None
    assert not list(bucket_store.weights.folder.glob("*/*.safetensors"))
