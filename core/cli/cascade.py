"""`cascade`: make a model cascade of trained networks."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from core.cli.options import AsJson, Database, DatasetName, Seed, Settings, opened
from core.cli.output import console
from core.cli.settings import settings
from core.cli.train import train_new
from core.config import MAX_EPOCHS
from core.store import StoreError

MAX_SIDE = 4096  # pixels of an image that a member takes
MAX_PIXEL = 1e6  # largest value that a member expects for black or white


def cascade(
    members: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN_OR_FILE…",
            help="Trained runs, exported files, published weights or ONNX classifiers. FILE@SIZE: the side of the images that it takes.",
        ),
    ],
    dataset: DatasetName = "cluttered_digits",
    name: Annotated[str | None, typer.Option(help="Name of the cascade (optional; generated if empty).")] = None,
    combine: Annotated[
        Literal["last", "mean", "geometric"],
        typer.Option(help="The answer: the last member's, or the weighted mean of all that ran, arithmetic (mean) or geometric."),
    ] = "geometric",
    lam: Annotated[float | None, typer.Option(help="λ to train for, from 0 to 1; without it, the cascade serves every λ.")] = None,
    size: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MAX_SIDE,
            help="Image side that published and ONNX members take where FILE@SIZE does not say (default: the dataset's).",
        ),
    ] = None,
    low: Annotated[float, typer.Option(min=-MAX_PIXEL, max=MAX_PIXEL, help="Value that ONNX members expect for black.")] = 0.0,
    high: Annotated[float, typer.Option(min=-MAX_PIXEL, max=MAX_PIXEL, help="Value that ONNX members expect for white.")] = 1.0,
    output: Annotated[
        Literal["logits", "log-probabilities", "probabilities"] | None,
        typer.Option(help="What the scores of ONNX members are (default: recognised)."),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            help=f"Passes over the images that teach the controllers, from 1 to {MAX_EPOCHS} (default: 10, more where these are few)."
        ),
    ] = None,
    seed: Seed = 0,
    sets: Settings = None,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Make a cascade of trained networks: easy images stop at a cheap one, hard ones go on.

    The members keep their weights. Only the controllers between them are trained, in seconds, on images that no member was trained on.
    """
    from core.datasets import Dataset
    from core.registry import choose
    from core.training.cascade import compose, create_run
    from core.training.members import member_of_run, read_member

    chosen = settings(sets, dataset=dataset)
    images = choose("datasets", chosen["dataset"])
    assert isinstance(images, Dataset)
    store = opened(db, writes=True)
    given = []
    for text in members:
        file, own_size = member_file(text)
        if file is not None:
            member = read_member(file, images, size=own_size or size, low=low, high=high, output=output)
            if own_size and member.member.image[1:] != (own_size, own_size):
                sides = "×".join(map(str, member.member.image[1:]))
                raise StoreError(f"{text}: this network takes images of {sides} pixels and no others. Leave out @{own_size}")
            given.append(member)
            continue
        try:
            run = store.runs.get(text)
        except StoreError:
            raise StoreError(f"{text} is neither a file nor a run: `python -m core runs` lists the runs") from None
        given.append(member_of_run(store, run, images.outline()[1]))
    composed = compose(
        given,
        images,
        lam=lam,
        architecture={"combine": combine} | chosen["architecture"],
        method=chosen["method"],
        training={"seed": seed} | ({} if epochs is None else {"epochs": epochs}) | chosen["training"],
    )
    console(errors=True).print(composed.sentence)
    train_new(store, create_run(store, composed, name), as_json=as_json)


def member_file(text: str) -> tuple[Path | None, int | None]:
    """Return the file that FILE or FILE@SIZE names, if there is one, and the size. Raises StoreError for a size that no image has."""
    if (file := _file(text)) is not None:
        return file, None
    name, _, size = text.rpartition("@")
    if not (size.isascii() and size.isdecimal() and (file := _file(name)) is not None):
        return None, None
    if len(size) > len(str(MAX_SIDE)) or not 1 <= int(size) <= MAX_SIDE:
        raise StoreError(f"{text}: the size behind @ must be from 1 to {MAX_SIDE} pixels")
    return file, int(size)


def _file(text: str) -> Path | None:
    """Return the file of this name; none where there is none, or none can have it."""
    try:
        file = Path(text).expanduser()
        return file if file.is_file() else None
    except RuntimeError:  # the folder of an unknown user
        return None
