"""`predict`: classify images."""

from pathlib import Path
from typing import Annotated, Any

import typer

from core.cli.options import AsJson, Database, Lam, RunName, opened
from core.cli.output import bar, counted, print_json
from core.registry import ConfigError
from core.scale import cost_share


def predict(
    run: RunName,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files of any common format.")],
    lam: Lam = None,
    budget: Annotated[
        float | None,
        typer.Option(min=0, max=100, help="Instead of λ: mean cost to spend, as a share of the static network's (0.5 is half)."),
    ] = None,
    force: Annotated[list[str] | None, typer.Option(metavar="NODE=on|off", help="Hold a node's gate open or closed.")] = None,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Classify images, and show which nodes ran for each. Without --lam, λ is the one trained for, or 0.5."""
    from core.datasets.sources.picture import read_picture, to_tensor
    from core.evaluation.budget import lam_of_run
    from core.explain.model import load_model
    from core.explain.predict import predict as trace
    from core.explain.predict import thresholds
    from core.fast.stopwatch import timed

    store = opened(db, run)
    model = load_model(store, run)
    if budget is not None:
        if lam is not None or not model.graph.tradeoff.every_lam:
            raise ConfigError("--budget chooses λ: leave out --lam, and name a run that serves every λ")
        lam = lam_of_run(store.runs.get(run), budget)
    lam = model.default_lam if lam is None else lam
    forced = dict(map(_forced, force or []))
    answers: list[dict[str, Any]] = []
    static: list[float] = []  # seconds of the static network for each image
    with bar() as progress:
        for file in progress.track(images, description="predicting"):
            image = to_tensor(read_picture(file), model.image)
            answer = trace(model, image[None], lam=lam, forced=forced)[0].to_json()
            taken = timed(model, image, lam=lam, forced=forced)
            static.append(taken.static)
            times = {"seconds": taken.gated, "thresholds": thresholds(model, image, forced)}
            answers.append({"run": model.run, "image": str(file)} | answer | times)
    if as_json:
        print_json(answers)
        return
    if budget is not None:
        print(f"At λ = {lam:.3g} the mean cost is {budget:.0%} of the static network's. A single image may cost less or more.")
    for answer, seconds in zip(answers, static, strict=True):
        _print_answer(answer, seconds)


def _print_answer(answer: dict[str, Any], static: float) -> None:
    """Print what the network answered for an image, what ran and how long it took; `static`: seconds of the static network."""
    share = cost_share(answer["macs"], answer["macs_static"])
    at = "" if answer["lam"] is None else f" at λ = {answer['lam']:.3g}"
    print(f"{answer['image']}: {answer['label']} ({answer['probabilities'][answer['label']]:.0%}){at}")
    print(f"  cost: {counted([answer['macs']])[0]} multiply-adds, {share:.0%} of the static network's")
    print(f"  time: {1e3 * answer['seconds']:.2f} ms; static network {1e3 * static:.2f} ms")
    print(f"  ran: {', '.join(answer['executed'])}")
    print(f"  skipped: {', '.join(answer['skipped']) or 'nothing'}")
    inside = {name: gates for name, gates in answer["gates"].items() if isinstance(gates, list) and name in answer["executed"]}
    if inside:
        kept = sum(gate > 0 for gates in inside.values() for gate in gates)
        closed = ", ".join(name for name, gates in inside.items() if not any(gates))
        none_of = f"; none of {closed}" if closed else ""
        print(f"  channels of the blocks that ran: {kept} of {sum(map(len, inside.values()))} computed{none_of}")
    if answer["thresholds"]:
        print(f"  the route changes at λ = {', '.join(f'{threshold:.3f}' for threshold in answer['thresholds'])}")


def _forced(pair: str) -> tuple[str, bool]:
    """Return the node that --force names and whether it is to run. Raises ConfigError."""
    node, _, state = pair.rpartition("=")
    if not node or state not in ("on", "off"):
        raise ConfigError(f"--force {pair}: write it as NODE=on or NODE=off")
    return node, state == "on"
