"""`import`: add an exported run to the database."""

from pathlib import Path
from typing import Annotated

import typer

from core.cli.options import Database, opened
from core.cli.output import say


def import_file(
    file: Annotated[Path, typer.Argument(help="File or folder written by `export`.")],
    name: Annotated[str | None, typer.Option(help="Name of the run (default: the name in the file).")] = None,
    db: Database = None,
) -> None:
    """Add an exported run to the database. Weights that do not fit the run's configuration are refused."""
    from core.explain.incoming import check_run
    from core.store.exchange import import_run

    run = import_run(opened(db, writes=True), file, name, check=lambda header, weights: check_run(header, weights, str(file)))
    say(f"Imported as {run.name}.")
