"""Labelled pictures in Parquet files, laid out as such sets are commonly published.

A struct column holds the encoded picture under `bytes`, the column `label` its class, and the schema's metadata, under
`huggingface`, the names of the classes. The parts are told apart by their files: `train-*.parquet` and `test-*.parquet`.
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

CHUNK = 1000  # pictures decoded between two reports


@dataclass(frozen=True)
class EncodedRows:
    """The rows of one part; a picture is decoded only when it is asked for."""

    folder: Path
    encoded: pa.ChunkedArray
    labels: Tensor  # (N,) int64
    classes: tuple[str, ...]  # empty where the files do not name them

    def images(self, rows: Tensor, image: tuple[int, int, int], report: ProgressCallback) -> Tensor:
        """The pictures of some rows, (N, C, H, W) uint8. Raises DataError for one that is damaged or has another size."""
        decoded = torch.empty((len(rows), *image), dtype=torch.uint8)
        wanted = self.encoded.take(pa.array(rows.numpy()))
        for position, data in enumerate(wanted):
            decoded[position] = self._decode(data.as_py(), image, int(rows[position]))
            if position % CHUNK == 0:
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
            reason = str(error) if data and not isinstance(error, UnidentifiedImageError) else "not a picture"
            raise DataError(f"{self.folder}: the picture in row {row} cannot be read ({reason}); get the files anew") from None
        return torch.from_numpy(values).reshape(height, width, channels).permute(2, 0, 1)


def find(folder: Path, part: str) -> list[Path]:
    """The files of one part ("train" or "test") in a folder, in their order; none where there are none."""
    return sorted(folder.glob(f"{part}-*.parquet"))


def read(files: list[Path]) -> EncodedRows:
    """The rows of some files, one after the other. Raises DataError naming the file that has another layout."""
    tables = [_table(file) for file in files]
    table = pa.concat_tables([table.replace_schema_metadata() for table in tables])
    labels = torch.from_numpy(table["label"].to_numpy().astype(np.int64))
    return EncodedRows(files[0].parent, table["bytes"], labels, _classes(tables[0].schema))


def _table(file: Path) -> pa.Table:
    """The columns `bytes` and `label` of a file, with its metadata."""
    try:
        table = pq.ParquetFile(file).read()
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{file}: not a readable Parquet file ({str(error).splitlines()[0]}); get it anew") from None
    pictures = [field.name for field in table.schema if pa.types.is_struct(field.type) and field.type.get_field_index("bytes") >= 0]
    if not pictures or "label" not in table.column_names or table["label"].null_count:
        raise DataError(f"{file}: needs a struct column of pictures with `bytes` and a full column `label`")
    encoded = pa.chunked_array([chunk.field("bytes") for chunk in table[pictures[0]].chunks], type=pa.binary())
    columns = pa.table({"bytes": encoded, "label": table["label"].cast(pa.int64())})
    return columns.replace_schema_metadata(table.schema.metadata)


def _classes(schema: pa.Schema) -> tuple[str, ...]:
    """The class names in a schema's metadata."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return tuple(str(name) for name in features["label"]["names"])
    except (KeyError, TypeError, ValueError):
        return ()
