"""`copy-store`: copy all runs from one database to another."""

from typing import Annotated

import typer

from core.cli.output import bar
from core.store import Store, StoreError
from core.store.database import exists


def copy_store(
    source: Annotated[str, typer.Argument(metavar="FROM", help="Database to copy, as in --db.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="Database without runs, as in --db; its tables are made.")],
) -> None:
    """Copy a whole store to another database, for example from SQLite to PostgreSQL or back: runs with their ids, metrics and weights.

    The weights of a database that is not a file are where GATESCOPE_WEIGHTS says. Logs and uploaded pictures stay where they are.
    """
    from core.store.copying import copy_store as copied

    if not exists(source):
        raise StoreError(f"there is no database {source}: name the one to copy")
    opened = Store(source), Store(target)
    with bar() as progress:
        task = progress.add_task("copying", total=1.0)
        done = copied(*opened, lambda share: progress.update(task, completed=share))
    print(f"Copied {done.runs} runs, {done.points} points and {done.files} files of weights ({done.bytes / 1e6:.1f} MB).")
    if done.damaged:
        print(f"{done.damaged} damaged runs were left out: `python -m core runs` lists them.")
    if done.lost:
        print(f"{done.lost} files of weights were missing or damaged already.")
