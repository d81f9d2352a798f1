"""`export`: write a trained run to a file."""

from pathlib import Path
from typing import Annotated

import typer

from core.cli.options import Database, RunName, opened


def export(
    run: RunName,
    file: Annotated[Path, typer.Argument(help="File to write, NAME.safetensors; its model card is NAME.md beside it.")],
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False,
    db: Database = None,
) -> None:
    """Write a trained run to one file, and its model card beside it."""
    from core.evaluation.model_card import card
    from core.store.exchange import export_run
    from core.store.record import Figures

    store = opened(db, run)
    exported = store.runs.get(run)
    siblings = [Figures.model_validate(sibling.figures).test for sibling in store.runs.siblings(exported)]
    export_run(store, run, file, describe=lambda header: card(header, siblings), force=force)
    print(f"Wrote {file} and {file.with_suffix('.md')}.")
