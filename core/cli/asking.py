"""Commands that ask a trained network: about pictures, or about the images of its dataset."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table

from core.cli.options import AsJson, Database, bar, console, millions, opened, print_json
from core.evaluation.budget import lam_for
from core.registry import ConfigError
from core.scale import cost_share, mean_cost_share

if TYPE_CHECKING:
    from torch import Generator

    from core.graph.policy import Policy
    from core.store import Run

RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run's id or name; reference/... for those that ship.")]
Lam = Annotated[float | None, typer.Option(help="λ from 0 (cheap) to 1 (accurate).")]


def predict(
    run: RunName,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Pictures of any common format.")],
    lam: Lam = None,
    target: Annotated[
        float | None, typer.Option(help="Instead of λ: the cost share of the static network's that the mean image is to spend.")
    ] = None,
    force: Annotated[list[str] | None, typer.Option(metavar="NODE=on|off", help="Hold a node's gate open or closed.")] = None,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """What a network answers for pictures, and which of its nodes ran for each. Without --lam, λ is the network's own, or 0.5."""
    from core.datasets.sources.picture import read_picture, to_tensor
    from core.explain.model import load_model
    from core.explain.predict import predict as ask
    from core.explain.predict import thresholds
    from core.fast.stopwatch import timed

    store = opened(db)
    model = load_model(store, run)
    if target is not None:
        if lam is not None or not model.graph.every_lam:
            raise ConfigError("--target finds a λ: give it without --lam, and take a run that serves every λ")
        lam = _lam_for(store.runs.get(run), target)
    asked = 0.5 if lam is None and model.graph.every_lam else lam
    forced = _forced(force or [])
    answers: list[dict[str, Any]] = []
    static: list[float] = []  # seconds of the static network for each image
    with bar() as progress:
        for file in progress.track(images, description="asking"):
            image = to_tensor(read_picture(file), model.image)
            trace = ask(model, image[None], lam=asked, forced=forced)[0].to_json()
            took = timed(model, image, lam=asked, forced=forced)
            static.append(took.static)
            times = {"seconds": took.gated, "thresholds": thresholds(model, image, forced)}
            answers.append({"run": model.run, "image": str(file)} | trace | times)
    if as_json:
        print_json(answers)
        return
    if target is not None:
        print(f"at λ = {lam:.3g} images spend {target:.0%} of the static network's cost on average; one of them may spend less or more")
    for answer, still in zip(answers, static, strict=True):
        share = cost_share(answer["macs"], answer["macs_static"])
        sure = answer["probabilities"][answer["label"]]
        at = "" if answer["lam"] is None else f" at λ = {answer['lam']:.3g}"
        work = f"{millions(answer['macs'])} multiply-adds, {share:.0%} of the static network's"
        print(f"{answer['image']}: {answer['label']} ({sure:.0%}); {work}{at}")
        print(f"  {1e3 * answer['seconds']:.2f} ms; the static network takes {1e3 * still:.2f} ms")
        print(f"  ran: {', '.join(answer['executed'])}; skipped: {', '.join(answer['skipped']) or 'nothing'}")
        inside = {name: gates for name, gates in answer["gates"].items() if isinstance(gates, list) and name in answer["executed"]}
        if inside:
            kept = sum(gate > 0 for gates in inside.values() for gate in gates)
            empty = ", ".join(name for name, gates in inside.items() if not any(gates))
            more = f"; none of {empty}" if empty else ""
            print(f"  channels inside the blocks that ran: {kept} of {sum(map(len, inside.values()))} computed{more}")
        if answer["thresholds"]:
            print(f"  its route changes at λ = {', '.join(f'{threshold:.3f}' for threshold in answer['thresholds'])}")


def evaluate(
    run: RunName,
    split: Annotated[Literal["val", "test"], typer.Option(help="Which images: val to choose by, test to report.")] = "val",
    lam: Lam = None,
    grid: Annotated[int | None, typer.Option(min=2, help="So many values of λ from 0 to 1.")] = None,
    targets: Annotated[
        str | None, typer.Option(help="Cost shares of the static network's, with commas: at the λ that are to spend them.")
    ] = None,
    policy: Annotated[
        Literal["greedy", "random", "open"],
        typer.Option(help="How gates are set: as the scores say, at random, or all open, which then scale nothing."),
    ] = "greedy",
    rate: Annotated[float, typer.Option(min=0, max=1, help="With --policy random: how often the dearer option is taken.")] = 0.5,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="With --policy random: of its draws.")] = 0,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Accuracy, F1, cost and routes on a run's images, at one λ or at several."""
    import torch

    from core.evaluation.evaluate import evaluations
    from core.explain.model import load_model
    from core.explain.predict import resolve_lam

    store = opened(db)
    model = load_model(store, run)
    asked = [option for option, value in (("--grid", grid), ("--lam", lam), ("--targets", targets)) if value is not None]
    if len(asked) > 1 or (asked and asked != ["--lam"] and not model.graph.every_lam):
        raise ConfigError(f"{asked[0]} asks for several values of λ: give it alone, and take a run that serves every λ")
    if policy == "random" and any(control.decides == "each" for control in model.graph.controls):
        raise ConfigError(
            f"--policy random draws gates of 0 or 1, and those of {model.run} scale: "
            f"`python -m core report {model.run}` compares it with random gates that scale as its own do"
        )
    shares = [] if targets is None else [_share(word) for word in targets.split(",")]
    lams: list[float | None]
    if targets is not None:
        lams = [_lam_for(store.runs.get(run), share) for share in shares]
    elif lam is None and model.graph.every_lam:
        points = grid or 11
        lams = [resolve_lam(model, step / (points - 1)) for step in range(points)]
    else:
        lams = [resolve_lam(model, lam)]
    with bar() as progress:
        task = progress.add_task("reading", total=1.0)
        data = model.config.dataset.read(lambda what, share: progress.update(task, description=what, completed=share))
        data.check(model.image, model.classes)
        part = data.val if split == "val" else data.test
        progress.update(task, description="evaluating", total=len(part) * len(lams), completed=0)
        settings = [(at, _policy(policy, rate, torch.Generator().manual_seed(seed))) for at in lams]
        found: list[dict[str, Any]] = [
            one.to_json() for one in evaluations(model.graph, part, settings, lambda done: progress.advance(task, done))
        ]
    for row, share in zip(found, shares, strict=False):
        row["target"] = share
    if as_json:
        print_json(found)
        return
    columns = (
        "λ",
        "accuracy",
        "F1",
        "precision",
        "recall",
        "multiply-adds",
        "share of static",
        *(["asked for"] if shares else []),
        "shares of its routes",
    )
    table = Table(*columns, title=f"{model.run}: {split} split, {len(part)} images")
    for row in found:
        routes = " ".join(f"{route['share']:.0%}" for route in row["routes"][:6])
        shown = "–" if row["lam"] is None else f"{row['lam']:.2f}"
        cost = f"{mean_cost_share(row):.1%}"
        wanted = [f"{row['target']:.1%}"] if shares else []
        scores = [f"{row[name]:.4f}" for name in ("accuracy", "f1", "precision", "recall")]
        table.add_row(shown, *scores, millions(row["macs_mean"]), cost, *wanted, routes)
    console().print(table)


def _policy(name: str, rate: float, generator: "Generator") -> "Policy":
    from core.graph.policy import Greedy, Open, Random

    choices: dict[str, Policy] = {"greedy": Greedy(), "open": Open(), "random": Random(rate, generator)}
    return choices[name]


def _lam_for(run: "Run", share: float) -> float:
    """The λ at which a run is expected to spend a share of its static network's cost. Raises ConfigError."""
    if not run.figures.get("val"):
        raise ConfigError(f"run {run.name} has no figures yet, from which λ is found: it is {run.state}")
    return lam_for(run.figures["val"], share)


def _share(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise ConfigError(f"--targets: {word!r} is no number; 0.55 stands for 55% of the static network's cost") from None


def _forced(pairs: list[str]) -> dict[str, bool]:
    forced = {}
    for pair in pairs:
        node, _, state = pair.rpartition("=")
        if not node or state not in ("on", "off"):
            raise ConfigError(f"--force {pair}: write it as NODE=on or NODE=off")
        forced[node] = state == "on"
    return forced
