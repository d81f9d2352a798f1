"""A run as one file: its weights as safetensors, and all else that is known of it in the file's header."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load, save

from core.scale import cost_share
from core.store.catalogue import REFERENCE
from core.store.database import StoreError, one_line
from core.store.models import Run
from core.store.store import Store
from core.store.weights import write_all

HEADER = "gatescope"  # the header's entry that holds the run
WEIGHTS = "graph."  # how the names of a network's own tensors begin
EXCHANGE_RATE = f"{WEIGHTS}exchange_rate"

Number = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]  # JSON has no word for NaN
Side = Annotated[int, Field(ge=1, le=65_536)]


class Row(BaseModel):
    """The figures of one part of the data at one λ, and whatever else was measured there."""

    model_config = ConfigDict(frozen=True, extra="allow")

    lam: float | None
    n: int = Field(ge=1)
    accuracy: float
    f1: float
    macs_mean: float
    macs_static: int = Field(ge=1)

    @property
    def cost_share(self) -> float:
        """The mean cost as a share of the static network's."""
        return cost_share(self.macs_mean, self.macs_static)


class Figures(BaseModel):
    """What a trained network reaches."""

    model_config = ConfigDict(frozen=True)

    val: list[Row] = Field(min_length=1)
    test: list[Row] = Field(min_length=1)
    baselines: dict[str, dict[str, list[dict[str, float]]]] = {}  # of each split, the points of what the network has to beat
    collapsed: list[dict[str, Any]] = []  # control nodes that do not decide


class Header(BaseModel):
    """What an exported file tells of its run."""

    model_config = ConfigDict(frozen=True)

    name: str
    config: dict[str, Any]
    architecture: str
    dataset: str
    method: str
    lam: float | None = Field(ge=0, le=1)
    seed: int = Field(ge=0, lt=2**31)
    epochs: int = Field(ge=1, lt=2**31)
    image: tuple[Side, Side, Side]
    classes: list[str] = Field(min_length=1)
    figures: Figures
    curve: dict[str, list[tuple[float, Number]]]
    seconds: float | None = None  # of training; none where that is not known
    machine: str | None = Field(None, max_length=255)  # what it was trained on
    exchange_rate: float | None = None  # κ

    def columns(self) -> dict[str, Any]:
        """What a store keeps of the run in its row."""
        columns = ("config", "architecture", "dataset", "method", "lam", "seed", "epochs", "classes", "machine")
        figures = self.figures.model_dump(exclude_unset=True)  # what was not measured is not there
        return self.model_dump(include=set(columns)) | {"figures": figures, "image": list(self.image), "seconds": self.seconds or 0.0}


def export_run(
    store: Store, id_or_name: int | str, file: Path, *, describe: Callable[[Header], str] | None = None, force: bool = False
) -> Run:
    """Writes a trained run to a file and, where `describe` makes one, a text about it beside it, called the same but for .md.

    Raises StoreError if the run is not trained, the name does not end in .safetensors, there is such a file without `force`, or it
    cannot be written.
    """
    if file.suffix != ".safetensors":
        raise StoreError(f"{file}: the name of an exported run ends in .safetensors")
    texts = [file.with_suffix(".md")] if describe else []
    there = [path for path in (file, *texts) if path.exists()]
    if there and not force:
        raise StoreError(f"{there[0]} is there already: choose another name, or overwrite it with --force")
    run = store.run(id_or_name)
    tensors = weights_of(store, run)
    header = header_of(store, run, tensors)
    metadata = {HEADER: header.model_dump_json(exclude_unset=True)}
    try:
        write_all({file: save(tensors, metadata=metadata)} | {path: describe(header).encode() for path in texts if describe})
    except (OSError, SafetensorError) as error:
        raise StoreError(f"{file} cannot be written: {reason(error)}") from error
    return run


def weights_of(store: Store, run: Run) -> dict[str, Any]:
    """The network's tensors of a run that is trained. Raises StoreError."""
    if run.status != "finished":
        raise StoreError(f"run {run.name} is not trained to its end: {run.state}")
    latest = store.read_weights(run.id)
    if latest is None:
        raise StoreError(f"run {run.name} has lost its weights: their file is missing or damaged")
    try:
        return {name: tensor for name, tensor in load(latest[1]).items() if name.startswith(WEIGHTS)}
    except SafetensorError as error:
        raise StoreError(f"run {run.name}: its weights cannot be read: {reason(error)}") from error


def header_of(store: Store, run: Run, tensors: Mapping[str, Any]) -> Header:
    """What an exported run tells of itself. Raises StoreError if something of it is missing."""
    told = {name: getattr(run, name) for name in Header.model_fields if hasattr(run, name)}
    rate = tensors.get(EXCHANGE_RATE)
    return checked(told | {"curve": store.curve(run.id), "exchange_rate": None if rate is None else float(rate)}, f"run {run.name}")


def read_header(file: Path) -> Header:
    """What an exported file tells of its run; κ, where the header is silent, from the weights. Raises StoreError if it is no such file."""
    try:
        with safe_open(file, framework="numpy") as opened:
            header: dict[str, str] = opened.metadata() or {}
            rate = float(opened.get_tensor(EXCHANGE_RATE)) if EXCHANGE_RATE in opened.keys() else None  # noqa: SIM118
    except (OSError, SafetensorError, TypeError) as error:
        raise StoreError(f"{file}: cannot be read as safetensors: {reason(error)}") from error
    try:
        told = json.loads(header[HEADER])
    except (KeyError, ValueError) as error:
        raise StoreError(f"{file}: holds weights but no run: export it with `python -m core export`") from error
    return checked({"exchange_rate": rate} | told if isinstance(told, dict) else told, str(file))


def checked(told: object, where: str) -> Header:
    """The header that these are the contents of. Raises StoreError with the first fault."""
    try:
        return Header.model_validate(told)
    except ValidationError as error:
        fault = error.errors()[0]
        entry = ".".join(str(part) for part in fault["loc"])
        raise StoreError(one_line(f"{where}: what is told of the run does not hold: {entry}: {fault['msg']}")) from None


def import_run(store: Store, file: Path, name: str | None = None, *, check: Callable[[Header, bytes], None] | None = None) -> Run:
    """Adds an exported run to a store, under its own or another name: all of it or nothing.

    `check` may refuse it by raising. Raises StoreError if the name is taken or cannot be one, or the file is no run.
    """
    header = read_header(file)
    if name is None and header.name.startswith(REFERENCE):
        raise StoreError(f"{header.name} is the name of a run that ships with the project: give it another with --name")
    try:
        tensors = file.read_bytes()
    except OSError as error:
        raise StoreError(f"{file} cannot be read: {reason(error)}") from error
    if check:
        check(header, tensors)
    return store.add_trained(header.name if name is None else name, header.columns(), curve=header.curve, tensors=tensors)


def reason(error: Exception) -> str:
    """What went wrong, on one line."""
    return one_line(getattr(error, "strerror", None) or error)
