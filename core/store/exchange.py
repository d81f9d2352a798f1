"""A run as one file: its weights as safetensors, and all else that is known of it in the file's header."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from core.store.database import StoreError
from core.store.models import Run
from core.store.store import Store

KEPT = ("config", "architecture", "dataset", "method", "lam", "seed", "epochs", "image", "classes", "figures")
HEADER = "gatescope"  # the header's entry that holds the run


def export_run(store: Store, id_or_name: int | str, file: Path) -> Run:
    """Writes a trained run to a file. Raises StoreError if it has no weights, or the file cannot be written."""
    run = store.run(id_or_name)
    latest = store.latest(run.id)
    if latest is None or run.status != "finished":
        raise StoreError(f"run {run.name} is not trained to its end: {run.state}")
    told: dict[str, Any] = {"name": run.name} | {column: getattr(run, column) for column in KEPT}
    told["curve"] = store.curve(run.id)
    told["seconds"] = (run.finished - run.started).total_seconds() if run.finished and run.started else None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        save_file(load_file(latest[1]), file, metadata={HEADER: json.dumps(told, ensure_ascii=False, separators=(",", ":"))})
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {error.strerror or error}") from error
    return run


def read_header(file: Path) -> dict[str, Any]:
    """What an exported file tells of its run. Raises StoreError if it is none."""
    try:
        with safe_open(file, framework="numpy") as opened:
            header: dict[str, str] = opened.metadata() or {}
        told: dict[str, Any] = json.loads(header[HEADER])
    except (OSError, SafetensorError) as error:
        raise StoreError(f"{file}: cannot be read as safetensors: {' '.join(str(error).split())}") from error
    except (KeyError, ValueError) as error:
        raise StoreError(f"{file}: holds weights but no run: export it with `python -m core export`") from error
    return told


def import_run(store: Store, file: Path, name: str | None = None) -> Run:
    """Adds an exported run to a store under its own or another name. Raises StoreError if the name is taken or the file is no run."""
    told = read_header(file)
    columns = {column: told[column] for column in ("config", "architecture", "dataset", "method", "lam", "seed", "epochs")}
    run = store.add(name=name or told["name"], **columns)
    store.claim(run.id)
    store.describe_data(run.id, told["image"], told["classes"])
    for line, points in told["curve"].items():
        for epoch, value in points:
            store.record(run.id, epoch, {line: value})
    store.save(run.id, told["epochs"], file.read_bytes())
    store.finish(run.id, told["figures"])
    return store.run(run.id)
