"""Labelled images in Parquet files with the layout of the Hugging Face Hub.

A struct column holds each encoded image under `bytes`, the column `label` its class index, and the schema's metadata the class names
under `huggingface`. Training and test images are in separate files: `train-*.parquet` and `test-*.parquet`.

Source: https://huggingface.co/docs/datasets/image_dataset
"""

import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from core.datasets import DataError, ProgressCallback

REPORT_EVERY = 1000  # decoded images


@dataclass(frozen=True)
class EncodedRows:
    """The rows of one split, whose images are decoded on demand."""

    folder: Path
    encoded: pa.ChunkedArray
    labels: Tensor  # (N,) int64
    classes: tuple[str, ...]  # empty if the files do not name them

    def images(self, rows: Tensor, image: tuple[int, int, int], report: ProgressCallback) -> Tensor:
        """Decode the images of rows (n,) int64: (n, C, H, W) uint8. Raises DataError for an image that is damaged or of another size."""
        decoded = torch.empty((len(rows), *image), dtype=torch.uint8)
        selected = self.encoded.take(pa.array(rows.numpy()))
        for position, data in enumerate(selected):
            decoded[position] = self._decode(data.as_py(), image, int(rows[position]))
            if position % REPORT_EVERY == 0:
                report(f"decoding {self.folder.name}", position / len(rows))
        report(f"decoding {self.folder.name}", 1.0)
        return decoded

    def _decode(self, data: bytes | None, image: tuple[int, int, int], row: int) -> Tensor:
        channels, height, width = image
        try:
            with Image.open(io.BytesIO(data or b"")) as picture:
                if picture.size != (width, height):
                    raise ValueError(f"{picture.width}×{picture.height}, not {width}×{height}")
                values = np.array(picture.convert("L" if channels == 1 else "RGB"))
        except (OSError, ValueError, SyntaxError) as error:
            reason = str(error) if data and not isinstance(error, UnidentifiedImageError) else "not an image"
            raise DataError(f"{self.folder}: the image in row {row} cannot be read ({reason}). Replace the Parquet files.") from None
        return torch.from_numpy(values).reshape(height, width, channels).permute(2, 0, 1)


def find(folder: Path, split: str) -> list[Path]:
    """Return the sorted Parquet files of a split ("train" or "test") in a folder. The list is empty if there are none."""
    return sorted(folder.glob(f"{split}-*.parquet"))


def read(files: list[Path]) -> EncodedRows:
    """Read the rows of all files in order. Raises DataError naming a file with another layout."""
    tables = [_table(file) for file in files]
    table = pa.concat_tables([table.replace_schema_metadata() for table in tables])
    labels = torch.from_numpy(table["label"].to_numpy().astype(np.int64))
    return EncodedRows(files[0].parent, table["bytes"], labels, _classes(tables[0].schema))


def _table(file: Path) -> pa.Table:
    """Read the columns `bytes` and `label` of a file, with its metadata."""
    try:
        table = pq.ParquetFile(file).read()
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{file}: not a readable Parquet file ({str(error).splitlines()[0]}). Replace the file.") from None
    image_columns = [field.name for field in table.schema if pa.types.is_struct(field.type) and field.type.get_field_index("bytes") >= 0]
    if not image_columns or "label" not in table.column_names or table["label"].null_count:
        raise DataError(
            f"{file}: unexpected columns. The file needs a struct column with the field `bytes`, and a column `label` without nulls."
        )
    encoded = pa.chunked_array([chunk.field("bytes") for chunk in table[image_columns[0]].chunks], type=pa.binary())
    columns = pa.table({"bytes": encoded, "label": table["label"].cast(pa.int64())})
    return columns.replace_schema_metadata(table.schema.metadata)


def _classes(schema: pa.Schema) -> tuple[str, ...]:
    """Return the class names in a schema's metadata. The tuple is empty if there are none."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return tuple(str(name) for name in features["label"]["names"])
    except (KeyError, TypeError, ValueError):
        return ()
