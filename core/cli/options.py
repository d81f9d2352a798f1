"""The arguments and options that several commands share, and the store that they open."""

import os
import sys
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from core.cli.settings import KIND_OF_PART
from core.config import MAX_EPOCHS, Training
from core.files import pasted_path
from core.registry import ConfigError, names
from core.store import Run, Store
from core.store.database import exists
from core.store.runs import MissingRunError, missing
from core.trackers import TRACKER, trackers

if TYPE_CHECKING:
    from core.explain.model import Model


def _without_names(pairs: list[str] | None) -> list[str] | None:
    """Return what --set was given. Raises ConfigError where it would choose a component."""
    for pair in pairs or []:
        if pair.partition("=")[0] in [f"{part}.name" for part in KIND_OF_PART]:
            raise ConfigError(
                f"--set {pair}: name the architecture as the command's argument, and choose the others with --dataset and --method"
            )
    return pairs


Database = Annotated[str | None, typer.Option("--db", metavar="URL", help="Database of the runs (default: runs.db in the project folder).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="Id or name of a run; names of shipped runs begin with reference/.")]
RunOrFile = Annotated[
    str,
    typer.Argument(metavar="RUN", help="Id or name of a run, or an exported file or folder; names of shipped runs begin with reference/."),
]
RunOrArchitecture = Annotated[str, typer.Argument(metavar="RUN|ARCHITECTURE", help="A run, or an architecture with random weights.")]
Lam = Annotated[float | None, typer.Option(help="λ, from 0 (cheap) to 1 (accurate).")]
Seed = Annotated[int, typer.Option(help="Seed of every random choice, from 0 to 2147483647.")]
SplitName = Annotated[Literal["val", "test"], typer.Option(help="Images: val to choose by, test to report.")]
ArchitectureName = Annotated[str, typer.Argument(metavar="ARCHITECTURE", help="Architecture to train; `python -m core list` names all.")]
DatasetName = Annotated[str, typer.Option(metavar="NAME", help="Dataset to train on.")]
MethodName = Annotated[str, typer.Option(metavar="NAME", help="Training method.")]
RecipeName = Annotated[
    str | None,
    typer.Option("--recipe", metavar="NAME", help="Named set of options, applied before --set; `python -m core list recipes` shows them."),
]
Published = Annotated[
    bool,
    typer.Option("--published", help="Train as the papers did where the defaults differ (one λ each); applied before --set."),
]
Epochs = Annotated[
    int | None,
    typer.Option(help=f"Passes over the training images, from 1 to {MAX_EPOCHS} (default: {Training.model_fields['epochs'].default})."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PART.OPTION=VALUE",
        help="Set an option of the architecture, dataset, method or training; may be repeated.",
        callback=_without_names,
    ),
]
Log = Annotated[
    str | None,
    typer.Option(
        "--log",
        metavar="NAME",
        envvar=TRACKER,
        show_envvar=False,
        help=f"Also log settings and figures to a tracker whose package is installed: {', '.join(trackers())} (default: the one that "
        f"{TRACKER} names).",
    ),
]
MovedData = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="dataset.path=FOLDER", help="Folder of the images, where they have moved since the training."),
]


def opened(url: str | None, *runs: str, writes: bool = False) -> Store:
    """Return the store of the runs, including those that ship with the project. Raises StoreError.

    `runs`: the ids or names of runs that must exist. No database is created where they cannot. `writes`: the command cannot go on
    without writing, so a database that is read-only is refused; other commands only say that it is.
    """
    from core.store.references import load_references, shipped

    for run in runs:
        if not run.isdecimal() and run not in shipped() and not exists(url):
            raise missing(repr(run), get_close_matches(run, shipped(), 1))
    store = Store(url)
    load_references(store)
    if writes:
        store.database.check_writable()
    elif store.database.read_only:
        print(f"note: {store.database.name} is read-only: nothing can be saved", file=sys.stderr)
    return store


def network_of(url: str | None, name: str) -> "tuple[Model, Run]":
    """Return a trained network and its run's row: a run of the database, or an exported file or folder, which is not added to it.

    A run comes before a file of the same name. Raises UserError.
    """
    from core.explain.incoming import load_checked
    from core.explain.model import load_model

    try:
        store = opened(url, name)
        return load_model(store, name), store.runs.get(name)
    except MissingRunError:
        if not os.path.exists(name):
            raise
        return load_checked(pasted_path(name))


def network_of_run(url: str | None, name: str) -> "Model":
    """Return the network of a run, where a command also takes architectures. Raises UserError."""
    try:
        return network_of(url, name)[0]
    except MissingRunError as error:
        raise MissingRunError(f"{error}; architectures are {', '.join(names('architectures'))}") from None
