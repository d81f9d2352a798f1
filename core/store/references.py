"""The runs that ship with the project: exported files in assets/reference, each beside its model card."""

import hashlib
from pathlib import Path

from core.store import Run, Store
from core.store.exchange import read_header

SHIPPED = Path(__file__).parents[2] / "assets" / "reference"


def load_references(store: Store, folder: Path = SHIPPED) -> list[Run]:
    """Makes the runs that ship with the project known to a store; quick where they are known. Raises StoreError for a broken file."""
    runs = []
    for file in sorted(folder.glob("*.safetensors")):
        told = read_header(file)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        runs.append(store.add_reference(f"reference/{file.stem}", curve=told.curve, file=file, sha256=digest, **told.columns()))
    return runs
