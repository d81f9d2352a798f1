"""`predict`: classify images."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from core.cli.failure import printable
from core.cli.options import AsJson, Database, Lam, RunOrFile, network_of
from core.cli.output import bar, counted, print_json
from core.errors import UserError
from core.registry import ConfigError
from core.scale import cost_share

if TYPE_CHECKING:
    from PIL.Image import Image

    from core.cli.pictures import NamedPicture

Given = TypeVar("Given")
Found = TypeVar("Found")


class PredictionError(UserError):
    """Raised where none of the named pictures can be read."""


def predict(
    run: RunOrFile,
    images: Annotated[
        list[str],
        typer.Argument(metavar="IMAGE...", help="Image files of any common format, folders of them, patterns, or - for standard input."),
    ],
    lam: Lam = None,
    budget: Annotated[
        float | None,
        typer.Option(min=0, max=100, help="Instead of λ: mean cost to spend, as a share of the static network's (0.5 is half)."),
    ] = None,
    force: Annotated[list[str] | None, typer.Option(metavar="NODE=on|off", help="Hold a node's gate open or closed.")] = None,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Classify images, and show which nodes ran for each. Without --lam, λ is the one trained for, or 0.5.

    Images that cannot be read are named; the others are answered, and the exit status is 2.
    """
    from core.cli.pictures import named_pictures
    from core.datasets.sources.picture import SCALED, to_tensor
    from core.evaluation.budget import lam_of_run
    from core.explain.predict import predict as trace
    from core.explain.predict import thresholds
    from core.fast.stopwatch import timed

    model, row = network_of(db, run)
    if budget is not None:
        if lam is not None or not model.graph.tradeoff.every_lam:
            raise ConfigError("--budget chooses λ: leave out --lam, and name a run that serves every λ")
        lam = lam_of_run(row, budget)
    lam = model.default_lam if lam is None else lam
    forced = dict(map(_forced, force or []))
    answers: list[dict[str, Any]] = []
    static: list[float] = []  # seconds of the static network for each image
    faults: list[str] = []
    pictures = [picture for word in images for picture in _told(faults, named_pictures, word) or ()]
    with bar() as progress:
        for named in progress.track(pictures, description="predicting"):
            picture = _told(faults, _read, named)
            if picture is None:
                continue
            if picture.info.get(SCALED):
                progress.console.print(printable(f"{named.name}: {picture.info[SCALED]}."))
            image = to_tensor(picture, model.image)
            answer = trace(model, image[None], lam=lam, forced=forced)[0].to_json()
            taken = timed(model, image, lam=lam, forced=forced)
            static.append(taken.static.median)
            times = {"seconds": taken.gated, "thresholds": thresholds(model, image, forced)}
            answers.append({"run": model.run, "image": named.name} | answer | times)
    if not answers and faults:
        raise PredictionError("; ".join(faults))
    if as_json:
        print_json(answers)
    else:
        _print_answers(answers, static, lam, budget)
    for fault in faults:
        print(printable(f"error: {fault}"), file=sys.stderr)
    if faults:
        raise typer.Exit(2)


def _read(named: "NamedPicture") -> "Image":
    from core.datasets.sources.picture import read_picture

    return read_picture(named.content(), name=named.name)


def _told(faults: list[str], read: Callable[[Given], Found], given: Given) -> Found | None:
    """Return what is read, or add the fault to the others and return None."""
    try:
        return read(given)
    except UserError as error:
        faults.append(str(error))
        return None


def _print_answers(answers: list[dict[str, Any]], static: list[float], lam: float | None, budget: float | None) -> None:
    if budget is not None:
        print(f"At λ = {lam:.3g} the mean cost is {budget:.0%} of the static network's. A single image may cost less or more.")
    for answer, seconds in zip(answers, static, strict=True):
        _print_answer(answer, seconds)


def _print_answer(answer: dict[str, Any], static: float) -> None:
    """Print what the network answered for an image, what ran and how long it took; `static`: seconds of the static network."""
    share = cost_share(answer["macs"], answer["macs_static"])
    at = "" if answer["lam"] is None else f" at λ = {answer['lam']:.3g}"
    print(printable(f"{answer['image']}: {answer['label']} ({answer['probabilities'][answer['label']]:.0%}){at}"))
    print(f"  cost: {counted([answer['macs']])[0]} multiply-adds, {share:.0%} of the static network's")
    print(f"  time: {1e3 * answer['seconds']:.2f} ms; static network {1e3 * static:.2f} ms")
    print(printable(f"  ran: {', '.join(answer['executed'])}"))
    print(printable(f"  skipped: {', '.join(answer['skipped']) or 'nothing'}"))
    inside = {name: gates for name, gates in answer["gates"].items() if isinstance(gates, list) and name in answer["executed"]}
    if inside:
        kept = sum(gate > 0 for gates in inside.values() for gate in gates)
        closed = ", ".join(name for name, gates in inside.items() if not any(gates))
        none_of = f"; none of {closed}" if closed else ""
        print(f"  channels of the blocks that ran: {kept} of {sum(map(len, inside.values()))} computed{printable(none_of)}")
    if answer["thresholds"]:
        print(f"  the route changes at λ = {', '.join(f'{threshold:.3f}' for threshold in answer['thresholds'])}")


def _forced(pair: str) -> tuple[str, bool]:
    """Return the node that --force names and whether it is to run. Raises ConfigError."""
    node, _, state = pair.rpartition("=")
    if not node or state not in ("on", "off"):
        raise ConfigError(f"--force {pair}: write it as NODE=on or NODE=off")
    return node, state == "on"
