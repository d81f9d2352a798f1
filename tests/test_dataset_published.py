"""MNIST and CIFAR-10 from small Parquet files and archives of the published layout, and from the real files if available."""

import gzip
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from core.datasets import Data, DataError, Dataset
from core.datasets import cifar10 as cifar10_module
from core.datasets import mnist as mnist_module
from core.datasets.cifar10 import Cifar10
from core.datasets.cluttered_digits import ClutteredDigits
from core.datasets.mnist import Mnist
from core.datasets.sources import parquet
from core.datasets.sources.archive import cache_folder

COUNTS = {"train": 60, "test": 30}


@pytest.fixture(autouse=True)
def isolated_from_real_data(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide the data and cache of whoever runs the tests, except from the test on real data."""
    if "real" not in request.node.name:
        monkeypatch.delenv("GATESCOPE_DATA", raising=False)
    monkeypatch.setenv("GATESCOPE_CACHE", str(tmp_path / "cache"))


def numbered(part: str, shape: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return images (N, C, H, W) whose first pixel holds their number (test: from 100), and labels derived from it."""
    numbers = np.arange(COUNTS[part]) + (100 if part == "test" else 0)
    images = np.random.default_rng(len(part)).integers(0, 256, (len(numbers), *shape), dtype=np.uint8)
    images[:, :, 0, 0] = numbers[:, None]
    return images, numbers % 10


def png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0).squeeze()).save(buffer, "PNG")
    return buffer.getvalue()


def write_parquet(file: Path, column: str, images: list[bytes], labels: np.ndarray, names: list[str] | None = None) -> None:
    pictures = pa.array([{"bytes": image, "path": f"{row}.png"} for row, image in enumerate(images)])
    table = pa.table({column: pictures, "label": pa.array(labels, pa.int64())})
    if names:
        features = {column: {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, file, row_group_size=7)


def parquet_folder(root: Path, kind: type[Mnist] | type[Cifar10], names: list[str] | None = None) -> Path:
    """Write a small dataset with the published layout, with the training split in two files."""
    column = "image" if kind is Mnist else "img"
    folder = root / kind().name
    for part in COUNTS:
        images, labels = numbered(part, kind.shape)
        halves = np.array_split(np.arange(len(images)), 2 if part == "train" else 1)
        for number, rows in enumerate(halves):
            file = folder / f"{part}-{number:05d}-of-{len(halves):05d}.parquet"
            write_parquet(file, column, [png(image) for image in images[rows]], labels[rows], names)
    return folder


def mnist_mirror(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Serve four small MNIST archives from file:// URLs."""
    checksums = {}
    for part, stem in (("train", "train"), ("test", "t10k")):
        images, labels = numbered(part, Mnist.shape)
        for kind, array in (("images-idx3", images.squeeze(1)), ("labels-idx1", labels.astype(np.uint8))):
            sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
            data = gzip.compress(bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes())
            name = f"{stem}-{kind}-ubyte.gz"
            (root / name).write_bytes(data)
            checksums[name] = hashlib.md5(data).hexdigest()
    monkeypatch.setattr(mnist_module, "MIRROR", root.as_uri())
    monkeypatch.setattr(mnist_module, "CHECKSUMS", checksums)


def cifar10_mirror(root: Path, monkeypatch: pytest.MonkeyPatch, lacks: str = "") -> None:
    """Serve a small CIFAR-10 archive, without the member `lacks`, from a file:// URL."""
    images, labels = numbered("train", Cifar10.shape)
    batches = {f"data_batch_{i + 1}": (images[rows], labels[rows]) for i, rows in enumerate(np.array_split(np.arange(len(images)), 5))}
    batches["test_batch"] = numbered("test", Cifar10.shape)
    file = root / "cifar-10-binary.tar.gz"
    with tarfile.open(file, "w:gz") as archive:
        for name, (pictures, classes) in batches.items():
            data = b"".join(bytes([label]) + picture.tobytes() for picture, label in zip(pictures, classes, strict=True))
            entry = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            entry.size = len(data)
            if name != lacks:
                archive.addfile(entry, io.BytesIO(data))
    monkeypatch.setattr(cifar10_module, "URL", file.as_uri())
    monkeypatch.setattr(cifar10_module, "CHECKSUM", hashlib.md5(file.read_bytes()).hexdigest())


def provide(how: str, kind: type[Mnist] | type[Cifar10], root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Make a small dataset available in one of the supported ways. Return the options that it requires."""
    if how == "archive":
        (mnist_mirror if kind is Mnist else cifar10_mirror)(root, monkeypatch)
        return {}
    folder = parquet_folder(root, kind)
    if how == "environment":
        monkeypatch.setenv("GATESCOPE_DATA", str(root))
        return {}
    return {"path": str(folder if how == "path" else root)}


def numbers(data: Data) -> dict[str, list[int]]:
    return {name: getattr(data, name).images[:, 0, 0, 0].tolist() for name in ("train", "val", "test")}


@pytest.mark.parametrize("how", ["environment", "path", "parent", "archive"])
@pytest.mark.parametrize("kind", [Mnist, Cifar10])
def test_every_source_gives_the_same_data(
    kind: type[Mnist] | type[Cifar10], how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports: list[tuple[str, float]] = []
    data = kind(val=10, **provide(how, kind, tmp_path, monkeypatch)).read(lambda what, share: reports.append((what, share)))
    assert reports
    assert all(0 <= share <= 1 for _, share in reports)
    assert data.image == kind.shape
    found = numbers(data)
    assert sorted(found["train"] + found["val"]) == list(range(60))
    assert len(found["val"]) == 10
    assert found["test"] == list(range(100, 130))
    for name, part in (("train", data.train), ("val", data.val), ("test", data.test)):
        whole, labels = numbered("test" if name == "test" else "train", kind.shape)
        rows = np.array(found[name]) - (100 if name == "test" else 0)
        assert np.array_equal(part.images.numpy(), whole[rows])
        assert np.array_equal(part.labels.numpy(), labels[rows])
        assert (part.images.dtype, part.labels.dtype) == (torch.uint8, torch.int64)


@pytest.mark.parametrize("kind", [Mnist, Cifar10])
def test_limit_and_seed(kind: type[Mnist] | type[Cifar10], tmp_path: Path) -> None:
    path = str(parquet_folder(tmp_path, kind))
    whole, few, other = (numbers(kind(path=path, val=10, **options).read()) for options in ({}, {"limit": 8}, {"seed": 1}))
    assert few["train"] == whole["train"][:8]
    assert few["val"] == whole["val"]
    assert few["test"] == other["test"] == whole["test"]
    assert other["val"] != whole["val"]


def test_class_names_come_from_the_files_that_hold_them(tmp_path: Path) -> None:
    names = [f"kind {label}" for label in range(10)]
    named, plain = parquet_folder(tmp_path / "named", Cifar10, names), parquet_folder(tmp_path / "plain", Cifar10)
    assert Cifar10(path=str(named), val=10).read().classes == tuple(names)
    assert Cifar10(path=str(plain), val=10).read().classes == Cifar10.class_names


def test_a_second_read_uses_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mnist_mirror(tmp_path, monkeypatch)
    first = numbers(Mnist(val=10).read())
    for file in tmp_path.glob("*.gz"):
        file.unlink()
    assert numbers(Mnist(val=10).read()) == first
    assert sorted(file.name for file in cache_folder().iterdir()) == sorted(mnist_module.CHECKSUMS)


@pytest.mark.parametrize("kind", [Mnist, Cifar10])
def test_without_data_or_connection_one_line_says_what_to_do(
    kind: type[Mnist] | type[Cifar10], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist_module, "MIRROR", (tmp_path / "nowhere").as_uri())
    monkeypatch.setattr(cifar10_module, "URL", (tmp_path / "nowhere.tar.gz").as_uri())
    with pytest.raises(DataError, match=f"set GATESCOPE_DATA to a folder that holds {kind().name}/") as caught:
        kind().read()
    assert len(str(caught.value).splitlines()) == 1
    assert not list(cache_folder().iterdir())


@pytest.mark.parametrize("dataset", [Mnist(), Cifar10(), ClutteredDigits(source="mnist", canvas=60)], ids=lambda dataset: dataset.name)
def test_image_shape_and_classes_need_no_download(dataset: Dataset) -> None:
    image, classes = dataset.outline()
    assert image == {"mnist": (1, 28, 28), "cifar10": (3, 32, 32), "cluttered_digits": (1, 60, 60)}[dataset.name]
    assert classes == (Cifar10 if dataset.name == "cifar10" else Mnist).class_names
    assert not cache_folder().exists()


def test_faulty_files_are_named(tmp_path: Path) -> None:
    _, labels = numbered("train", Mnist.shape)
    good = [png(image) for image in numbered("train", Mnist.shape)[0]]
    small = png(np.zeros((1, 5, 5), dtype=np.uint8))

    def fault(images: list[bytes | None]) -> str:
        for part in COUNTS:
            write_parquet(tmp_path / f"{part}-00000-of-00001.parquet", "image", images, labels)
        with pytest.raises(DataError) as caught:
            Mnist(path=str(tmp_path), val=10).read()
        assert len(str(caught.value).splitlines()) == 1
        return str(caught.value)

    assert "column image, row 17: the image has 5×5 pixels, not 28×28" in fault([*good[:17], small, *good[18:]])
    assert "column image, row 3: not an image" in fault([*good[:3], b"text", *good[4:]])
    assert "column image, row 4: the file is empty" in fault([*good[:4], None, *good[5:]])
    file = tmp_path / "train-00000-of-00001.parquet"
    pq.write_table(pa.table({"label": labels}), file)
    with pytest.raises(DataError, match=f"{file}: unexpected columns"):
        Mnist(path=str(tmp_path)).read()
    file.write_bytes(b"no table")
    with pytest.raises(DataError, match=f"{file}: not a readable Parquet file"):
        Mnist(path=str(tmp_path)).read()
    with pytest.raises(DataError, match=r"Set the data folder \(dataset\.path\)"):
        Mnist(path=str(tmp_path / "none")).read()


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (pa.array([0, 1, -1]), "column label, row 2: label -1. Labels are whole numbers from 0 to 9."),
        (pa.array([0, 10, 1]), "column label, row 1: label 10."),
        (pa.array([0, 1, 2**63], pa.uint64()), "column label, row 2: label 9223372036854775808."),
        (pa.array([0, None, 1]), "column label, row 1: no label."),
        (pa.array([0.0, 1.0, 0.5]), "column label: double values are not labels."),
        (pa.array(["0", "1", "2"]), "column label: string values are not labels."),
        (pa.array([[0], [1], [2]]), "column label: list<element: int64> values are not labels."),
        (pa.nulls(3), "column label: null values are not labels."),
    ],
)
def test_labels_that_are_none_are_named(labels: pa.Array, says: str, tmp_path: Path) -> None:
    pictures = pa.array([{"bytes": png(image)} for image in numbered("train", Mnist.shape)[0][:3]])
    for part in COUNTS:
        pq.write_table(pa.table({"image": pictures, "label": labels}), tmp_path / f"{part}-0.parquet")
    with pytest.raises(DataError) as caught:
        Mnist(path=str(tmp_path), val=1).read()
    assert str(caught.value).startswith(f"{tmp_path / 'train-0.parquet'}: {says}")
    assert len(str(caught.value).splitlines()) == 1


def test_rows_that_share_a_value_take_bounded_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "FREE_BYTES", 100_000)
    write_parquet(tmp_path / "train-0.parquet", "image", [bytes(10_000)] * 200, np.zeros(200, np.int64))
    with pytest.raises(DataError, match=r"train-0\.parquet: its rows take far more memory"):
        parquet.read([tmp_path / "train-0.parquet"], 10)


def test_a_value_that_one_batch_shares_is_never_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "FREE_BYTES", 1_000_000)
    write_parquet(tmp_path / "train-0.parquet", "image", [bytes(900_000)] * parquet.BATCH_ROWS, np.zeros(parquet.BATCH_ROWS, np.int64))
    own, pool = pa.default_memory_pool(), pa.proxy_memory_pool(pa.default_memory_pool())
    pa.set_memory_pool(pool)
    try:
        with pytest.raises(DataError, match=r"train-0\.parquet: its rows take far more memory"):
            parquet.read([tmp_path / "train-0.parquet"], 10)
    finally:
        pa.set_memory_pool(own)
    assert pool.max_memory() < 10_000_000  # a copy for each row would be 57.6 MB


def test_columns_that_are_none_are_named(tmp_path: Path) -> None:
    labels, pictures = pa.array([0, 1]), pa.array([{"bytes": b"a"}, {"bytes": b"b"}])
    tables = {
        "column label: 2 columns have this name": pa.Table.from_arrays([pictures, labels, labels], names=["image", "label", "label"]),
        "column image: `bytes` holds string, not bytes": pa.table({"image": [{"bytes": "a"}, {"bytes": "b"}], "label": labels}),
        "unexpected columns": pa.table({"image": [b"a", b"b"], "label": labels}),
    }
    for says, table in tables.items():
        for part in COUNTS:
            pq.write_table(table, tmp_path / f"{part}-0.parquet")
        with pytest.raises(DataError, match=says):
            Mnist(path=str(tmp_path), val=1).read()


def test_validation_images_must_leave_training_images(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="must be fewer than the 60 training images, not 60"):
        Mnist(path=str(parquet_folder(tmp_path, Mnist)), val=60).read()


def test_faulty_archives_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cifar10_mirror(tmp_path, monkeypatch, lacks="data_batch_3")
    with pytest.raises(DataError, match=r"data_batch_3\.bin is missing"):
        Cifar10(val=10).read()
    for content in (b"", b"\x00\x00\x08\x01\x00\x00\x00\x05abc", b"\x00\x00\x0d\x01\x00\x00\x00\x01a", b"text"):
        file = tmp_path / "a.gz"
        file.write_bytes(gzip.compress(content))
        with pytest.raises(DataError, match="not an IDX file"):
            mnist_module.read_idx(file)


def test_cluttered_digits_from_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first pixel numbers test digits from 100 and training digits from 0, so a digit in the wrong split is detected."""
    parquet_folder(tmp_path, Mnist)
    monkeypatch.setenv("GATESCOPE_DATA", str(tmp_path))
    data = ClutteredDigits(source="mnist", canvas=100, fragments=0, train=40, val=10, test=30).read()
    assert data.image == (1, 100, 100)
    whole = {name: numbered(name, Mnist.shape)[0] for name in COUNTS}
    for name, part in (("train", data.train), ("test", data.test)):
        sums = {int(image.astype(int).sum()): row for row, image in enumerate(whole[name])}
        rows = [sums[int(image.long().sum())] for image in part.images]  # KeyError: not a digit of this split
        assert [numbered(name, Mnist.shape)[1][row] for row in rows] == part.labels.tolist()
        assert len(set(rows)) == len(rows)


@pytest.mark.skipif(
    not os.environ.get("GATESCOPE_DATA"),
    reason="the real MNIST and CIFAR-10 are not part of the project: set GATESCOPE_DATA to their folder",
)
@pytest.mark.parametrize("kind", [Mnist, Cifar10])
def test_real_data(kind: type[Mnist] | type[Cifar10]) -> None:
    data = kind(limit=1000, val=500).read()
    assert (len(data.train), len(data.val), len(data.test)) == (1000, 500, 10_000)
    assert data.classes == kind.class_names
    assert data.test.labels.bincount(minlength=10).min() > 800
    assert 20 < data.train.images.float().mean() < 140


def test_samples_download_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mirror").mkdir()
    cifar10_mirror(tmp_path / "mirror", monkeypatch)
    with pytest.raises(DataError, match="cifar10 is not on this machine"):
        Cifar10(val=10).samples(4)
    monkeypatch.setenv("GATESCOPE_DATA", str(parquet_folder(tmp_path / "data", Cifar10).parent))
    stills, classes = Cifar10(val=10).samples(12)
    assert len(classes) == 10
    assert sorted(set(stills.labels.tolist())) == list(range(10))
    assert stills.images[:, 0, 0, 0].tolist() == [100 + row for row in range(12)]
