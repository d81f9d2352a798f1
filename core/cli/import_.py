"""`import`: add an exported run to the database."""

from pathlib import Path
from typing import Annotated

import typer

from core.cli.options import Database, opened
from core.registry import ConfigError


def import_file(
    file: Annotated[Path, typer.Argument(help="File written by `export`.")],
    name: Annotated[str | None, typer.Option(help="Name of the run (default: the name in the file).")] = None,
    db: Database = None,
) -> None:
    """Add an exported run to the database. Weights that do not fit the run's configuration are refused."""
    from core.config import run_config
    from core.graph.allocation import no_larger_than
    from core.graph.checkpoint import unpack
    from core.store.exchange import Header, import_run
    from core.training.assembly import assemble

    def check(header: Header, weights: bytes) -> None:
        config = run_config(**header.config)
        for column, value in config.record():
            if column != "config" and value != getattr(header, column):
                raise ConfigError(f"{file}: the description of the run is invalid: {column} is not that of its configuration")
        with no_larger_than(weights):
            graph = assemble(config, header.image, len(header.classes))
        if header.figures.test[0].execution_rates.keys() != graph.by_name.keys():
            raise ConfigError(f"{file}: the description of the run is invalid: its execution rates are those of other nodes")
        unpack(weights, graph)

    print(f"Imported as {import_run(opened(db), file, name, check=check).name}.")
