"""Labelled images in Parquet files with the layout of the Hugging Face Hub.

A struct column holds each encoded image under `bytes`, the column `label` its class index, and the schema's metadata the class names
under `huggingface`. Training and test images are in separate files: `train-*.parquet` and `test-*.parquet`.

Source: https://huggingface.co/docs/datasets/image_dataset
"""

import json
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate, chain
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from torch import Tensor

from core.datasets import DataError, ProgressCallback
from core.datasets.sources.picture import PictureError, read_picture, to_tensor

REPORT_EVERY = 1000  # decoded images
MAX_ROWS = 10_000_000  # of one file
BATCH_ROWS = 64  # read at a time
FREE_BYTES, TIMES_FILE = 50_000_000, 10  # rows may take TIMES_FILE times the bytes of their file, and FREE_BYTES
TOO_MUCH_MEMORY = "its rows take far more memory than the file. Save them without sharing values between rows."
LABEL, BYTES = "label", "bytes"


@dataclass(frozen=True)
class EncodedRows:
    """The rows of one split, whose images are decoded on demand.

    files    the files in order, each with its image column and its number of rows
    encoded  the bytes of each image file
    labels   (N,) int64
    classes  the names of the classes; empty if the files do not name them
    """

    files: tuple[tuple[Path, str, int], ...]
    encoded: pa.ChunkedArray
    labels: Tensor
    classes: tuple[str, ...]

    def images(self, rows: Tensor, image: tuple[int, int, int], report: ProgressCallback) -> Tensor:
        """Decode the images of rows (n,) int64: (n, C, H, W) uint8. Raises DataError for an image that is damaged or of another size."""
        decoded = torch.empty((len(rows), *image), dtype=torch.uint8)
        selected = self.encoded.take(pa.array(rows.numpy()))
        folder = self.files[0][0].parent.name
        for position, data in enumerate(selected):
            decoded[position] = self._decode(data.as_py(), image, int(rows[position]))
            if position % REPORT_EVERY == 0:
                report(f"decoding {folder}", position / len(rows))
        report(f"decoding {folder}", 1.0)
        return decoded

    def _decode(self, data: bytes | None, image: tuple[int, int, int], row: int) -> Tensor:
        _, height, width = image
        try:
            picture = read_picture(data or b"", name=self._place(row), detail=max(height, width))
        except PictureError as error:
            raise DataError(f"{error}. Replace the file.") from None
        if picture.size != (width, height):
            raise DataError(
                f"{self._place(row)}: the image has {picture.width}×{picture.height} pixels, not {width}×{height}. Replace the file."
            )
        return to_tensor(picture, image)

    def _place(self, row: int) -> str:
        """Return the file, the column and the row within the file in words."""
        starts = list(accumulate((count for _, _, count in self.files), initial=0))
        number = bisect_right(starts, row) - 1
        file, column, _ = self.files[number]
        return f"{file}: column {column}, row {row - starts[number]}"


def find(folder: Path, split: str) -> list[Path]:
    """Return the sorted Parquet files of a split ("train" or "test") in a folder. The list is empty if there are none."""
    return sorted(folder.glob(f"{split}-*.parquet"))


def read(files: list[Path], classes: int) -> EncodedRows:
    """Read the rows of all files in order, whose labels are below `classes`.

    Raises DataError naming a file with another layout, or the column and row of a label that is not one.
    """
    parts: list[tuple[Path, str, int]] = []
    encoded: list[pa.Array] = []
    labels: list[Tensor] = []
    for file in files:
        table, column = _table(file)
        parts.append((file, column, len(table)))
        encoded += [chunk.field(BYTES).cast(pa.large_binary()) for chunk in table[column].chunks]
        labels.append(_labels(file, table[LABEL], classes))
    names = _classes(pq.read_schema(files[0]))
    if names and len(names) != classes:
        raise DataError(f"{files[0]}: the file names {len(names)} classes, but there are {classes}. Replace the file.")
    return EncodedRows(tuple(parts), pa.chunked_array(encoded, type=pa.large_binary()), torch.cat(labels), names)


def _table(file: Path) -> tuple[pa.Table, str]:
    """Read the column of images and the column `label` of a file. Return the table and the name of the former."""
    try:
        opened = pq.ParquetFile(file)
        rows = opened.metadata.num_rows
        column = _image_column(file, opened.schema_arrow)
        if rows > MAX_ROWS:
            raise DataError(f"{file}: {rows:,} rows are too many for one file. Divide it.")
        table = _bounded(file, column)
    except (OSError, ValueError, TypeError, MemoryError, pa.ArrowException) as error:
        if isinstance(error, DataError):
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{file}: not a readable Parquet file ({reason}). Replace the file.") from None
    return table, column


def _bounded(file: Path, column: str) -> pa.Table:
    """Read the bytes of the images and the labels. Raises DataError where they take far more memory than the file.

    Values that rows share are read once, and counted for each row before they are copied.
    """
    size, most = 0, TIMES_FILE * file.stat().st_size + FREE_BYTES
    names = [f"{column}.{BYTES}", LABEL]
    opened, batches = pq.ParquetFile(file, read_dictionary=names[:1]), []
    groups = range(opened.metadata.num_row_groups)
    # of all columns: to ask for those of one ends the process where a file's statistics are damaged (pyarrow 26)
    if sum(opened.metadata.row_group(group).total_byte_size for group in groups) > most:
        raise DataError(f"{file}: {TOO_MUCH_MEMORY}")
    for batch in chain.from_iterable(opened.iter_batches(BATCH_ROWS, row_groups=[group], columns=names) for group in groups):
        images = batch[column].field(BYTES)
        lengths = pc.binary_length(images.dictionary).take(images.indices)
        size += (pc.sum(lengths).as_py() or 0) + batch[LABEL].nbytes
        if size > most:
            raise DataError(f"{file}: {TOO_MUCH_MEMORY}")
        copied = pa.StructArray.from_arrays([images.cast(pa.large_binary())], [BYTES])
        batches.append(pa.record_batch({column: copied, LABEL: batch[LABEL]}))
    return pa.Table.from_batches(batches) if batches else opened.read(columns=names)


def _image_column(file: Path, schema: pa.Schema) -> str:
    """Return the name of the first column of images. Raises DataError for another layout."""
    for name in schema.names:
        if schema.names.count(name) > 1:
            raise DataError(f"{file}: column {name}: {schema.names.count(name)} columns have this name. Keep one of them.")
    images = [field.name for field in schema if pa.types.is_struct(field.type) and field.type.get_field_index(BYTES) >= 0]
    if not images or LABEL not in schema.names:
        raise DataError(f"{file}: unexpected columns. The file needs a struct column with the field `{BYTES}`, and a column `{LABEL}`.")
    kind = schema.field(images[0]).type.field(BYTES).type
    if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        raise DataError(f"{file}: column {images[0]}: `{BYTES}` holds {kind}, not bytes. Replace the file.")
    return str(images[0])


def _labels(file: Path, column: pa.ChunkedArray, classes: int) -> Tensor:
    """Return a column of class indices, (N,) int64. Raises DataError naming the first row that is not one."""
    place = f"{file}: column {LABEL}"
    if not pa.types.is_integer(column.type):
        raise DataError(f"{place}: {column.type} values are not labels. Labels are whole numbers from 0 to {classes - 1}.")
    kind = pa.uint64() if column.type == pa.uint64() else pa.int64()
    bounds = pc.and_(pc.greater_equal(column, pa.scalar(0, kind)), pc.less(column, pa.scalar(classes, kind)))
    row = pc.index(pc.fill_null(bounds, False), False).as_py()
    if row >= 0:
        value = column[row].as_py()
        raise DataError(
            f"{place}, row {row}: {'no label' if value is None else f'label {value}'}. Labels are whole numbers from 0 to {classes - 1}."
        )
    return torch.from_numpy(column.cast(pa.int64()).to_numpy().copy())


def _classes(schema: pa.Schema) -> tuple[str, ...]:
    """Return the class names in a schema's metadata. The tuple is empty if there are none."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return tuple(str(name) for name in features["label"]["names"])
    except (KeyError, TypeError, ValueError):
        return ()
