"""The arguments and options that several commands share, and the store that they open."""

from typing import Annotated, Literal

import typer

from core.cli.settings import KIND_OF_PART
from core.config import Training
from core.registry import ConfigError
from core.store import Store


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
RunOrArchitecture = Annotated[str, typer.Argument(metavar="RUN|ARCHITECTURE", help="A run, or an architecture with random weights.")]
Lam = Annotated[float | None, typer.Option(help="λ, from 0 (cheap) to 1 (accurate).")]
SplitName = Annotated[Literal["val", "test"], typer.Option(help="Images: val to choose by, test to report.")]
ArchitectureName = Annotated[str, typer.Argument(metavar="ARCHITECTURE", help="Architecture to train; `python -m core list` names all.")]
DatasetName = Annotated[str, typer.Option(metavar="NAME", help="Dataset to train on.")]
MethodName = Annotated[str, typer.Option(metavar="NAME", help="Training method.")]
Epochs = Annotated[
    int | None,
    typer.Option(help=f"Passes over the training images (default: {Training.model_fields['epochs'].default})."),
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


def opened(url: str | None) -> Store:
    """Return the store of the runs, including those that ship with the project. Raises StoreError."""
    from core.store.references import load_references

    store = Store(url)
    load_references(store)
    return store
