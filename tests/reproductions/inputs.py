"""The files that reproductions make: exported runs, weights, pictures and folders of them."""

import io
import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from safetensors.numpy import load, save
from torch import Tensor

SIDE = 8000  # pixels of large pictures
SCANS = 3000  # of a JPEG that repeats one


def exported(
    source: Path,
    file: Path,
    *,
    run: Callable[[dict[str, Any]], None] = lambda run: None,
    tensors: Callable[[dict[str, Any]], None] = lambda tensors: None,
) -> Path:
    """Write an exported run without its checksum, after changes to its description and to its tensors."""
    content = source.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    description, weights = json.loads(header["__metadata__"]["gatescope"]), load(content)
    run(description)
    tensors(weights)
    file.write_bytes(save(weights, metadata={"gatescope": json.dumps(description)}))
    return file


def with_header(file: Path, header: bytes, data: bytes = b"", length: int | None = None) -> Path:
    """Write a safetensors file with any header. `length`: what it says of the header's length."""
    file.write_bytes(struct.pack("<Q", len(header) if length is None else length) + header + data)
    return file


def resnet8(head: str = "fc", classes: int = 10) -> dict[str, Tensor]:
    """Return weights of a CIFAR ResNet of 8 layers without projections, under the names of torchvision."""
    generator = torch.Generator().manual_seed(0)
    shapes: dict[str, tuple[int, ...]] = {"conv1.weight": (16, 3, 3, 3), f"{head}.weight": (classes, 64), f"{head}.bias": (classes,)}
    norms = {"bn1": 16}
    before = 16
    for number, width in enumerate((16, 32, 64), start=1):
        for conv, taken in (("conv1", before), ("conv2", width)):
            shapes[f"layer{number}.0.{conv}.weight"] = (width, taken, 3, 3)
            norms[f"layer{number}.0.bn{conv[-1]}"] = width
        before = width
    weights = {name: 0.1 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    for name, width in norms.items():
        weights |= {f"{name}.weight": torch.ones(width), f"{name}.bias": torch.zeros(width), f"{name}.running_mean": torch.zeros(width)}
        weights |= {f"{name}.running_var": torch.ones(width), f"{name}.num_batches_tracked": torch.tensor(1)}
    return weights


def saved(file: Path, content: object) -> Path:
    """Write what PyTorch saves."""
    torch.save(content, file)
    return file


def picture(file: Path, value: int = 128, size: int = 24) -> Path:
    """Write a picture of noise around a grey value."""
    noise = np.random.default_rng(value).integers(-20, 20, (size, size, 3)) + value
    Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(file)
    return file


def folder(root: Path, classes: Mapping[str, int], count: int = 12) -> Path:
    """Write a folder of classes, each with pictures around its grey value."""
    for name, value in classes.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            picture(root / name / f"{number:02d}.png", value + number % 5)
    return root


def png(value: int = 0) -> bytes:
    """Return a PNG of 28×28 grey pixels."""
    file = io.BytesIO()
    Image.new("L", (28, 28), value).save(file, "PNG")
    return file.getvalue()


def parquet(root: Path, labels: list[Any], *, pictures: Callable[[int], bytes] = png, twice: bool = False) -> Path:
    """Write MNIST's layout with these labels, repeated, in the training part. `twice`: the column of the labels stands there twice."""
    root.mkdir()
    for part, given in (("train", labels), ("test", list(range(10)))):
        images = pa.array([{"bytes": pictures(row), "path": None} for row in range(60)])
        column = pa.array((given * 60)[:60])
        names = ["image", "label", *(["label"] if twice else [])]
        pq.write_table(pa.Table.from_arrays([images, *[column] * (len(names) - 1)], names), root / f"{part}-00000-of-00001.parquet")
    return root


def jpeg_of_many_scans(file: Path) -> Path:
    """Write a small progressive JPEG whose last scan is repeated."""
    kept = io.BytesIO()
    Image.new("L", (6000, 6000), 120).save(kept, "JPEG", progressive=True)
    data = kept.getvalue()
    last = data.rindex(b"\xff\xda")
    scan = data[last:-2]
    file.write_bytes(data[:last] + scan * SCANS + data[-2:])
    return file


def png_of_16_bits(file: Path) -> Path:
    """Write a small file of 64 million pixels of 16 bits."""
    Image.fromarray(np.zeros((SIDE, SIDE), np.uint16)).save(file)
    return file


def tiff_of_32_bits(file: Path) -> Path:
    """Write a small file of 64 million pixels of 32 bits."""
    Image.fromarray(np.zeros((SIDE, SIDE), np.int32)).save(file, compression="tiff_adobe_deflate")
    return file


def qoi(file: Path) -> Path:
    """Write a QOI file of 64 million equal pixels."""
    runs = -(-SIDE * SIDE // 62)
    file.write_bytes(b"qoif" + struct.pack(">IIBB", SIDE, SIDE, 3, 0) + b"\xfd" * runs + bytes(7) + b"\1")
    return file


def ascii_ppm(file: Path) -> Path:
    """Write a PPM file of 20 million pixels as digits."""
    side = 4500
    file.write_bytes(b"P2\n%d %d\n1\n" % (side, side) + b"0 " * side * side)
    return file
