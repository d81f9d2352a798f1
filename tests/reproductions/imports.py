"""Exported runs and weights of other people: figures, weights and headers that are wrong."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.reproductions.inputs import exported, with_header
from tests.reproductions.reproduction import Reproduction
from tests.reproductions.studio import EXPORTED, NETWORK, Studio

MAX_MB = 1000  # of an import; a small run takes half of it
FIRST = "graph.parts.N1.0.0.weight"


def _brought(studio: Studio, run: Callable[[dict[str, Any]], None]) -> None:
    """Import a run with a changed description. It has to be refused, and until that is checked, pages and lists must still work."""
    file = exported(studio.tree / EXPORTED, studio.folder / "it.safetensors", run=run)
    studio.trained("own")
    done = studio.command("import", file, "--name", "it")
    studio.works("runs")
    studio.works("report", NETWORK)
    studio.works("export", "own", studio.folder / "own.safetensors")
    studio.pages({}, {"page": "sweep"}, {"page": "runs"})
    assert done.status == 2, "it was imported"


def figures_without_execution_rates(studio: Studio) -> None:
    def run(run: dict[str, Any]) -> None:
        for row in run["figures"]["val"] + run["figures"]["test"]:
            del row["execution_rates"]

    _brought(studio, run)


def figures_of_nan(studio: Studio) -> None:
    def run(run: dict[str, Any]) -> None:
        run["figures"]["test"][0]["accuracy"] = math.nan
        run["figures"]["val"][0]["macs_mean"] = -1.0

    _brought(studio, run)


def figures_with_unknown_fields(studio: Studio) -> None:
    def run(run: dict[str, Any]) -> None:
        run["figures"]["baselines"] = [{"unknown": 1}]
        run["figures"]["collapsed"] = [{"unknown": [1]}]

    _brought(studio, run)


def rows_damaged_by_hand(studio: Studio) -> None:
    studio.trained("first")
    studio.trained("second")
    studio.change("UPDATE runs SET config = '{not json' WHERE name = 'first'")
    studio.change("UPDATE runs SET figures = '[]' WHERE name = 'second'")
    shown = studio.works("runs").out
    assert "first" in shown
    studio.pages({}, {"page": "sweep"}, {"page": "runs"})


def weights_that_are_no_numbers(studio: Studio) -> None:
    changes: dict[str, Callable[[Any], Any]] = {
        "NaN": lambda tensor: np.full_like(tensor, np.nan),
        "infinity": lambda tensor: np.full_like(tensor, np.inf),
        "whole numbers": lambda tensor: np.ones(tensor.shape, np.int64),
    }
    for name, change in changes.items():

        def tensors(weights: dict[str, Any], change: Callable[[Any], Any] = change) -> None:
            first = next(name for name in weights if weights[name].ndim > 1)
            weights[first] = change(weights[first])

        file = exported(studio.tree / EXPORTED, studio.folder / f"{name}.safetensors", tensors=tensors)
        studio.refused("import", file, "--name", name)


def a_flipped_bit(studio: Studio) -> None:
    file = studio.folder / "it.safetensors"
    studio.works("export", NETWORK, file)
    content = bytearray(file.read_bytes())
    content[-40] ^= 1
    file.write_bytes(content)
    studio.refused("import", file, "--name", "it", told="damaged")


def a_description_of_a_huge_network(studio: Studio) -> None:
    def run(run: dict[str, Any]) -> None:
        run["config"]["architecture"] |= {"trunk": [4096] * 64, "head": [4096] * 64}

    file = exported(studio.tree / EXPORTED, studio.folder / "it.safetensors", run=run)
    studio.refused("import", file, "--name", "it")
    assert studio.peak <= MAX_MB, f"{studio.peak} MB"


ONE = b'"%s":{"dtype":"F32","shape":[1],"data_offsets":[%d,%d]}'
HEADERS: dict[str, Callable[[Path], Path]] = {
    "length of 2⁶³": lambda file: with_header(file, b"{}", length=2**63),
    "length of 99 MB": lambda file: with_header(file, b"{}", length=99_000_000),
    "overlapping": lambda file: with_header(file, b"{" + ONE % (b"a", 0, 4) + b"," + ONE % (b"b", 0, 4) + b"}", bytes(4)),
    "out of range": lambda file: with_header(file, b"{" + ONE % (b"a", 2**62, 2**62 + 4) + b"}", bytes(4)),
    "duplicate names": lambda file: with_header(file, b"{" + ONE % (b"a", 0, 4) + b"," + ONE % (b"a", 4, 8) + b"}", bytes(8)),
    "a huge shape": lambda file: with_header(
        file, b'{"a":{"dtype":"F32","shape":[4294967295,4294967295,4294967295],"data_offsets":[0,4]}}', bytes(4)
    ),
    "no UTF-8": lambda file: with_header(file, b'{"\xff\xfe":1}'),
    "deep metadata": lambda file: with_header(file, b'{"__metadata__":{"gatescope":' + b"[" * 100_000 + b"]" * 100_000 + b"}}"),
    "deep description": lambda file: with_header(file, b'{"__metadata__":{"gatescope":"' + b"[" * 100_000 + b'"}}'),
    "metadata of numbers": lambda file: with_header(file, b'{"__metadata__":{"gatescope":5}}'),
    "metadata as a list": lambda file: with_header(file, b'{"__metadata__":["gatescope"]}'),
    "a million tensors": lambda file: with_header(
        file, b"{" + b",".join(b'"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}' % index for index in range(10**6)) + b"}"
    ),
}


def headers_of_weights(studio: Studio) -> None:
    for name, make in HEADERS.items():
        file = make(studio.folder / "weights.safetensors")
        for words in (("import", file, "--name", "it"), ("predict", file, file), ("describe", file)):
            try:
                studio.refused(*words)
            except AssertionError as error:
                raise AssertionError(f"{name}: {error}") from None
        assert studio.peak <= 2 * MAX_MB, f"{name}: {studio.peak} MB"


REPRODUCTIONS = (
    Reproduction("1", "an imported file without execution rates", figures_without_execution_rates),
    Reproduction("1", "an imported file whose figures are NaN or below zero", figures_of_nan),
    Reproduction("1", "an imported file with unknown baselines and collapsed controllers", figures_with_unknown_fields),
    Reproduction("1", "rows of the database damaged by hand", rows_damaged_by_hand),
    Reproduction("2", "imported weights of NaN, infinity and whole numbers", weights_that_are_no_numbers),
    Reproduction("2", "one flipped bit in an exported file", a_flipped_bit),
    Reproduction("2", "a description of [4096]*64 filters", a_description_of_a_huge_network, memory=True, quick=True),
    Reproduction("2", "hostile headers of weights, to import, predict and describe", headers_of_weights, memory=True),
)
