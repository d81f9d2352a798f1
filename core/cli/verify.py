"""`verify`: check what an ONNX file claims against what ONNX Runtime executes."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from core.cli.options import AsJson
from core.cli.output import bar, counted, lam_text, print_json, print_table, say
from core.registry import ConfigError
from core.scale import TENTHS

if TYPE_CHECKING:
    from core.program.session import Pixels, Program
    from core.program.verification import RouteCheck

MOST_VERIFIED = 1000  # images, or values of λ
EVERY_TENTH = ",".join(map(str, TENTHS))
MOST_DIFFERENCES = 10  # that are printed


def verify(
    file: Annotated[Path, typer.Argument(help="File written by `export RUN NAME.onnx`.")],
    images: Annotated[
        list[str] | None, typer.Argument(metavar="IMAGE...", help="Image files, folders of them or patterns (default: random images).")
    ] = None,
    lams: Annotated[
        str, typer.Option(help="Values of λ from 0 to 1, separated by commas, for a network that serves every λ.")
    ] = EVERY_TENTH,
    count: Annotated[int, typer.Option("--images", min=1, max=MOST_VERIFIED, help="Number of random images.")] = 8,
    as_json: AsJson = False,
) -> None:
    """Check an ONNX file: that it executes the nodes it claims to run, and no others, and spends the multiply-adds it claims.

    The file runs at each λ under ONNX Runtime's profiler. The exit status is 1 if anything differs.
    """
    from core.program.verification import random_images
    from core.program.verification import verify as check

    values = _lams(lams)

    def given(program: "Program") -> "list[Pixels]":
        return _pictures(images, program) if images else random_images(program, count)

    with bar() as progress:
        task = progress.add_task("verifying", total=None)
        found = check(file, given, values, lambda done: progress.advance(task, done))
    differ = any(one.differences for one in found)
    if as_json:
        print_json([asdict(one) for one in found])
    else:
        _print(found, str(file))
    if differ:
        raise typer.Exit(1)


def _lams(text: str) -> list[float]:
    """Return the values of λ. Raises ConfigError."""
    try:
        found = [float(word) for word in text.split(",") if word.strip()]
    except ValueError:
        found = []
    if not found or len(found) > MOST_VERIFIED or not all(0 <= lam <= 1 for lam in found):
        raise ConfigError(f"--lams: {text!r} must be numbers from 0 to 1, separated by commas")
    return found


def _pictures(words: list[str], program: "Program") -> "list[Pixels]":
    """Read pictures in the size that a program takes. Raises UserError for one that cannot be read."""
    from core.cli.pictures import named_pictures
    from core.datasets.sources.picture import read_picture, to_tensor

    pictures = [picture for word in words for picture in named_pictures(word)]
    return [to_tensor(read_picture(one.content(), name=one.name), program.image).numpy() for one in pictures]


def _print(found: "list[RouteCheck]", name: str) -> None:
    headings = ("λ", "images", "nodes claimed", "executed", "multiply-adds claimed", "executed", "")
    table = Table(*headings, title=f"{name}: what it claims, and what ONNX Runtime executed; means over images")
    for one in found:
        macs = counted([one.claimed_macs, one.executed_macs])
        nodes = (f"{one.claimed_nodes:.1f}", f"{one.executed_nodes:.1f}")
        table.add_row(lam_text(one.lam), str(one.images), *nodes, *macs, "differs" if one.differences else "agrees")
    print_table(table)
    uncounted = max(one.uncounted_macs for one in found)
    print(f"Up to {uncounted:,.0f} further multiply-adds prepare images, pad shortcuts and keep the account; the cost leaves them out.")
    differences = [f"λ {lam_text(one.lam)}, {text}" for one in found for text in one.differences]
    for text in differences[:MOST_DIFFERENCES]:
        say(text)
    if len(differences) > MOST_DIFFERENCES:
        print(f"and {len(differences) - MOST_DIFFERENCES} more differences")
