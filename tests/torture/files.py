"""Trials with files: pictures, exported runs, weights of PyTorch, Parquet files and folders of images."""

import io
import random
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from core.config import run_config
from core.datasets.sources import parquet
from core.datasets.sources.picture import read_picture, to_tensor
from core.graph.checkpoint import unpack
from core.graph.initialisation import initialise_from
from core.store import Store
from core.store.exchange import Header, import_run
from core.training.assembly import assemble
from tests.torture.damage import damaged

ROOT = Path(__file__).parents[2]
EXPORTED = ROOT / "assets/reference/cascade-faces.safetensors"
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "TGA", "ICO", "JPEG2000")
MODES = ("RGB", "L", "RGBA", "P", "1", "I;16")


@cache
def _picture(format: str, mode: str) -> bytes:
    """Return a picture of noise, or nothing where the format does not have the mode."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))
    file = io.BytesIO()
    try:
        noise.convert(mode).save(file, format)
    except (OSError, ValueError, KeyError):
        return b""
    return file.getvalue()


def picture(chance: random.Random, folder: Path) -> None:
    """A damaged picture is answered or refused."""
    data = damaged(_picture(chance.choice(FORMATS), chance.choice(MODES)), chance)
    (folder / "picture").write_bytes(data)
    tensor = to_tensor(read_picture(data, name="picture"), chance.choice(((1, 8, 8), (3, 32, 32))))
    assert tensor.dtype == torch.uint8


def exported(chance: random.Random, folder: Path) -> None:
    """A damaged exported run is refused, or imported as one whose weights are finite."""
    data = EXPORTED.read_bytes()
    head = 8 + int.from_bytes(data[:8], "little")
    file = folder / "run.safetensors"
    file.write_bytes(damaged(data[:head], chance) + data[head:] if chance.random() < 0.7 else data[:head] + damaged(data[head:], chance))

    def check(header: Header, weights: bytes) -> None:
        graph = assemble(run_config(**header.config), header.image, len(header.classes))
        unpack(weights, graph)
        assert all(torch.isfinite(value).all() for value in graph.state_dict().values())

    store = Store(f"sqlite:///{folder / 'runs.db'}")
    run = import_run(store, file, "imported", check=check)
    assert store.checkpoints.read(run.id) is not None


@cache
def _state() -> tuple[bytes, ...]:
    """Return files of PyTorch with weights, wrapped and bare, and with what is not weights."""
    weights = {f"layer{index}.weight": torch.randn(4, 4) for index in range(4)}
    kinds: list[object] = [weights, {"state_dict": weights}, {"model": {"net": weights}}, [weights], 3, {"a": torch.zeros(2).to_sparse()}]
    kinds += [{"a": torch.quantize_per_tensor(torch.zeros(2), 1.0, 0, torch.qint8)}, {"a": torch.full((2,), torch.nan)}, {1: {2: []}}]
    files = []
    for kind in kinds:
        file = io.BytesIO()
        torch.save(kind, file)
        files.append(file.getvalue())
    return tuple(files)


def pth(chance: random.Random, folder: Path) -> None:
    """Weights of PyTorch, whole or damaged, initialise a network or are refused."""
    data = chance.choice(_state())
    data = damaged(data, chance) if chance.random() < 0.8 else data
    (folder / "weights.pth").write_bytes(data)
    config = run_config(architecture={"name": "plain", "widths": [4]}, dataset="digits", method="static")
    initialise_from(data, assemble(config, (1, 8, 8), 10), config.architecture.own_weights)


LABELS = (
    *([0, 1, 2], [-1, 0, 1], [0, 1, 2**40], [0.0, 1.0, 2.0], [0.5, 1.0, float("nan")], ["0", "1", "2"], ["a", "b", "c"], [None, 0, 1]),
    *([[0], [1], [2]], [True, False, True], [b"0", b"1", b"2"]),
)


def table(chance: random.Random, folder: Path) -> None:
    """A Parquet file with odd labels, odd pictures or damage is read or refused."""
    file = folder / "train-0.parquet"
    pictures = [{"bytes": chance.choice((_picture("PNG", "RGB"), b"", b"text", None)), "path": None} for _ in range(3)]
    columns = {"image": pictures, "label": chance.choice(LABELS)}
    if chance.random() < 0.2:
        del columns[chance.choice(list(columns))]
    pq.write_table(pa.table(columns), file)
    if chance.random() < 0.6:
        file.write_bytes(damaged(file.read_bytes(), chance))
    rows = parquet.read([file], 3)
    rows.images(torch.arange(len(rows.labels)), (3, 40, 60), lambda what, share: None)


NAMES = ("a", "b", "é", "e\u0301", ".hidden", "__MACOSX", "train", "test", "a b", "-x", "'", "x" * 200, "\u202e", "🂡", "Thumbs.db")


def images(chance: random.Random, folder: Path) -> None:
    """A folder of classes with odd names, odd files, loops and gaps is read or refused."""
    root = folder / "data"
    for name in chance.sample(NAMES, chance.randint(0, 5)):
        inside = root / name
        inside.mkdir(parents=True)
        for number in range(chance.randint(0, 5)):
            kind = chance.random()
            data = _picture("PNG", "RGB") if kind < 0.8 else b"" if kind < 0.9 else b"notes"
            (inside / f"{number}{chance.choice(('.png', '.txt', '', '.PNG'))}").write_bytes(data)
        if chance.random() < 0.1:
            (inside / "loop").symlink_to(chance.choice((root, inside / "loop", Path("/nowhere"))))
    data = run_config(architecture="plain", dataset={"name": "folder", "path": str(root), "size": 8}, method="static").dataset.read()
    assert len(data.classes) >= 2
