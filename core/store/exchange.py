"""A run as one file: its weights as safetensors, and everything else in the file's header. A folder may stand for its file."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from safetensors import SafetensorError, deserialize
from safetensors.numpy import load, save

from core.files import MAX_HEADER_BYTES, has_long_header, read_regular, weights_file
from core.store.database import StoreError, one_line
from core.store.folder import write_all
from core.store.models import Run
from core.store.record import TrainedRecord
from core.store.renamed import with_current_names
from core.store.runs import REFERENCE, no_weights
from core.store.store import Store

HEADER = "gatescope"  # the header's entry that holds the run
MAX_HEADER = 4_000_000  # characters of it: every page reads the figures of every run
CHECKSUM_ENTRY = "checksum"  # the header's entry that holds the checksum of everything else; older files have none
ENTRIES = (HEADER, CHECKSUM_ENTRY, "format")  # "format" is what other programs add as they copy a file
WEIGHTS = "graph."  # the names of the network's own tensors begin with it
EXCHANGE_RATES = (f"{WEIGHTS}tradeoff.exchange_rate", f"{WEIGHTS}exchange_rate")  # today's name of κ, and that in older files

Number = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]  # JSON cannot hold NaN
Metric = Annotated[str, Field(min_length=1, max_length=100)]
Epoch = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def one_point_each(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points of a metric as they are. Raises ValueError if an epoch has several."""
    if len({epoch for epoch, _ in points}) < len(points):
        raise ValueError("an epoch has several points")
    return points


class Header(TrainedRecord):
    """What an exported file holds besides the weights."""

    name: str
    curve: dict[Metric, Annotated[list[tuple[Epoch, Number]], AfterValidator(one_point_each)]]
    exchange_rate: float | None = Field(None, allow_inf_nan=False)  # κ


def export_run(
    store: Store, id_or_name: int | str, file: Path, *, describe: Callable[[Header], str] | None = None, force: bool = False
) -> Run:
    """Write a trained run to a file, and the text that `describe` makes of it to a file of the same name that ends in .md.

    `force`: overwrite existing files. Raises StoreError if the run is not trained, the name does not end in .safetensors, a file exists
    and `force` is not set, or a file cannot be written.
    """
    if file.suffix != ".safetensors":
        raise StoreError(f"{file}: the name of an exported run must end in .safetensors")
    texts = [file.with_suffix(".md")] if describe else []
    if not file.absolute().parent.is_dir():
        raise StoreError(f"{file} cannot be written: there is no folder {file.parent}. Make it first, or choose another")
    existing = [path for path in (file, *texts) if path.exists()]
    if existing and not force:
        raise StoreError(f"{existing[0]} exists already: choose another name, or overwrite it with --force")
    run = store.runs.get(id_or_name)
    header, content = content_of(store, run)
    try:
        write_all({file: content} | {path: describe(header).encode() for path in texts if describe})
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {reason(error)}") from error
    return run


def content_of(store: Store, run: Run) -> tuple[Header, bytes]:
    """Return the header of a trained run and the contents of its exported file. Raises StoreError."""
    tensors = weights_of(store, run)
    header = header_of(store, run, tensors)
    try:
        return header, packed(tensors, {HEADER: header.model_dump_json(exclude_unset=True)})
    except SafetensorError as error:
        raise StoreError(f"run {run.name} cannot be exported: {reason(error)}") from error


def packed(tensors: Mapping[str, Any], metadata: dict[str, str]) -> bytes:
    """Return a safetensors file with its checksum."""
    bare: bytes = save(dict(tensors), metadata=metadata)
    whole: bytes = save(dict(tensors), metadata=metadata | {CHECKSUM_ENTRY: digest(bare)})
    return whole


def digest(content: bytes) -> str:
    """Return the SHA-256 of a safetensors file without its checksum. Raises ValueError if it is none."""
    length = int.from_bytes(content[:8], "little")
    entries = json.loads(content[8 : 8 + length])
    metadata = {name: text for name, text in entries.pop("__metadata__").items() if name == HEADER}
    found = hashlib.sha256(json.dumps([metadata, entries], sort_keys=True).encode())
    found.update(memoryview(content)[8 + length :])
    return found.hexdigest()


def verify(content: bytes, file: Path) -> None:
    """Raise StoreError if an exported file has changed since it was written. A file without a checksum is taken as it is.

    Weights in other formats have none: only the header of a safetensors file, JSON behind its length, can hold one.
    """
    if content[8:9] != b"{":
        return
    try:
        metadata = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")]).get("__metadata__", {})
        if HEADER not in metadata:
            return
        sound = metadata.keys() <= set(ENTRIES) and metadata.get(CHECKSUM_ENTRY) in (None, digest(content))
    except (ValueError, AttributeError, TypeError, KeyError, RecursionError):
        sound = False
    if not sound:
        raise StoreError(f"{file} is damaged: its contents do not fit its checksum. Copy it again, or export the run again")


def weights_of(store: Store, run: Run) -> dict[str, Any]:
    """Return the tensors of a trained run's network. Raises StoreError."""
    if run.damage:
        raise StoreError(f"run {run.name} cannot be exported: it is {run.damage}")
    if run.status != "finished":
        raise StoreError(f"run {run.name} has not finished training: it is {run.state}")
    latest = store.checkpoints.read(run.id)
    if latest is None:
        raise no_weights(run)
    try:
        return {name: tensor for name, tensor in load(latest[1]).items() if name.startswith(WEIGHTS)}
    except SafetensorError as error:
        raise StoreError(f"run {run.name}: its weights cannot be read: {reason(error)}") from error


def header_of(store: Store, run: Run, tensors: Mapping[str, Any]) -> Header:
    """Return the header of a run's exported file. Raises StoreError if something is missing."""
    columns = {name: getattr(run, name) for name in Header.model_fields if hasattr(run, name)}
    rate = next((tensors[name] for name in EXCHANGE_RATES if name in tensors), None)
    more = {"curve": store.metrics.history(run.id), "exchange_rate": None if rate is None else float(rate)}
    return checked(columns | more, f"run {run.name}")


def read_header(file: Path) -> Header:
    """Return the header of an exported file, with the current names. Raises StoreError if the file is not an exported run."""
    return header_in(_content(file), file)


def read_exported(file: Path) -> tuple[Header, bytes]:
    """Return the header of an exported file and the contents of the file. Raises StoreError if it is damaged or not an exported run."""
    content = _content(file)
    header = header_in(content, file)
    verify(content, file)
    return header, content


def header_in(content: bytes, file: Path) -> Header:
    """Return the header in the contents of an exported file, with the current names. Raises StoreError, which names the file.

    Older files: κ is read from the weights.
    """
    try:
        metadata, names = _entries(content)
        rates = [float(load(content)[name]) for name in EXCHANGE_RATES if name in names]
    except (SafetensorError, TypeError, KeyError) as error:
        raise StoreError(f"{file}: cannot be read as safetensors: {reason(error)}") from error
    if len(metadata.get(HEADER, "")) > MAX_HEADER:
        raise StoreError(f"{file}: the description of the run is longer than {MAX_HEADER // 1_000_000} MB: export the run again")
    try:
        found = json.loads(metadata[HEADER])
    except (KeyError, ValueError, RecursionError) as error:
        raise StoreError(f"{file}: holds weights but no run: export it with `python -m core export`") from error
    try:
        json.dumps(found, allow_nan=False)
    except (ValueError, RecursionError):
        raise StoreError(f"{file}: the description of the run is invalid: it holds NaN or infinity, which JSON has not") from None
    return checked({"exchange_rate": next(iter(rates), None)} | with_current_names(found) if isinstance(found, dict) else found, str(file))


def is_exported(content: bytes) -> bool:
    """Return whether the contents of a file are an exported run, rather than weights alone."""
    try:
        return HEADER in _entries(content)[0]
    except SafetensorError:
        return False


def _content(file: Path) -> bytes:
    """Return the contents of a file, of no more bytes than weights may have. Raises StoreError, also for pipes and devices."""
    file = weights_file(file)
    try:
        return read_regular(file)
    except FileNotFoundError:
        raise StoreError(f"{file} is not a file: name one that `python -m core export` has written") from None
    except (OSError, ValueError) as error:
        raise StoreError(f"{file} cannot be read: {reason(error)}") from error


def _entries(content: bytes) -> tuple[dict[str, str], list[str]]:
    """Return the metadata of a safetensors file and the names of its tensors. Raises SafetensorError."""
    if has_long_header(content):
        raise SafetensorError(f"its header is longer than {MAX_HEADER_BYTES // 1_000_000} MB")
    names = [name for name, _ in deserialize(content)]  # type: ignore[no-untyped-call]  # also checks the header
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return header.get("__metadata__") or {}, names


def checked(content: object, where: str) -> Header:
    """Validate the content of a header. Raises StoreError, which names the first invalid entry."""
    try:
        return Header.model_validate(content)
    except ValidationError as error:
        fault = error.errors()[0]
        entry = ".".join(str(part) for part in fault["loc"])
        raise StoreError(one_line(f"{where}: the description of the run is invalid: {entry}: {fault['msg']}")) from None


def import_run(store: Store, file: Path, name: str | None = None, *, check: Callable[[Header, bytes], None] | None = None) -> Run:
    """Add an exported run to a store, under its own or another name, all or nothing.

    `check` may raise to refuse it. Raises StoreError if the name is taken or not allowed, or if the file is not an exported run.
    """
    header, tensors = read_exported(file)
    if name is None and header.name.startswith(REFERENCE):
        raise StoreError(f"{header.name} is the name of a run that ships with the project: choose another with --name")
    if check:
        check(header, tensors)
    return store.imports.add(header.name if name is None else name, header, history=header.curve, tensors=tensors)


def reason(error: Exception) -> str:
    """Return what went wrong, on one line."""
    return one_line(getattr(error, "strerror", None) or error)
