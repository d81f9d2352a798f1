"""The runs that ship with the project: exported files in assets/reference, each beside its model card."""

import hashlib
from pathlib import Path

from core.store import Run, Store, StoreError
from core.store.exchange import read_header, reason
from core.store.runs import REFERENCE

SHIPPED = Path(__file__).parents[2] / "assets" / "reference"


def shipped(folder: Path = SHIPPED) -> list[str]:
    """Return the names of the runs that ship with the project."""
    return [f"{REFERENCE}{file.stem}" for file in sorted(folder.glob("*.safetensors"))]


def load_references(store: Store, folder: Path = SHIPPED) -> list[Run]:
    """Add the runs that ship with the project to a store and return them; fast if it has them. Raises StoreError for a broken file."""
    runs = []
    for file in sorted(folder.glob("*.safetensors")):
        header = read_header(file)
        try:
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
        except OSError as error:
            raise StoreError(f"{file} cannot be read: {reason(error)}") from error
        runs.append(store.imports.put_reference(f"{REFERENCE}{file.stem}", header, history=header.curve, file=file, sha256=digest))
    return runs
