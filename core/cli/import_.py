"""`import`: add an exported run to the database."""

from pathlib import Path
from typing import Annotated

import typer

from core.cli.options import Database, opened


def import_file(
    file: Annotated[Path, typer.Argument(help="File written by `export`.")],
    name: Annotated[str | None, typer.Option(help="Name of the run (default: the name in the file).")] = None,
    db: Database = None,
) -> None:
    """Add an exported run to the database. Weights that do not fit the run's configuration are refused."""
    from core.config import run_config
    from core.graph.checkpoint import unpack
    from core.store.exchange import Header, import_run
    from core.training.assembly import assemble

    def check(header: Header, weights: bytes) -> None:
        unpack(weights, assemble(run_config(**header.config), header.image, len(header.classes)))

    print(f"Imported as {import_run(opened(db), file, name, check=check).name}.")
