"""Commands that only look: runs, describe, predict, evaluate."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table

from core.budget import lam_for
from core.cli.options import AsJson, Database, Settings, bar, console, millions, opened, print_json, refuse_unused, settings
from core.notation import dot_source
from core.registry import ConfigError, names

if TYPE_CHECKING:
    from torch import Generator

    from core.network.policy import Policy
    from core.store import Run

RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run's id or name; reference/... for those that ship.")]
Lam = Annotated[float | None, typer.Option(help="λ from 0 (cheap) to 1 (accurate).")]


def runs(db: Database = None, as_json: AsJson = False) -> None:
    """List the runs, newest first."""
    found = opened(db).runs()
    if as_json:
        keys = ("id", "name", "architecture", "dataset", "method", "lam", "seed", "epoch", "epochs", "error", "tags", "notes", "figures")
        print_json([{key: getattr(run, key) for key in keys} | {"state": run.state, "created": run.created.isoformat()} for run in found])
        return
    table = Table("id", "name", "state", "architecture", "dataset", "method", "λ", "epoch", "test accuracy", "at the λ best on val")
    if any(run.figures.get("collapsed") for run in found):
        table.add_column("same for all images")
    for run in found:
        lam = "every" if run.lam is None and run.method != "static" else "–" if run.lam is None else f"{run.lam:g}"
        best = _best_by_validation(run.figures)
        shown = ("–", "–") if best is None else (f"{best['accuracy']:.4f}", "–" if best["lam"] is None else f"{best['lam']:g}")
        epoch = f"{run.epoch:g}/{run.epochs}"
        idle = ", ".join(control["control"] for control in run.figures.get("collapsed", []))
        table.add_row(str(run.id), run.name, run.state, run.architecture, run.dataset, run.method, lam, epoch, *shown, idle)
    if found:
        console().print(table)
    else:
        print("no runs yet: `python -m core train cascade --dataset digits` makes one")


def _best_by_validation(figures: dict[str, Any]) -> dict[str, Any] | None:
    """The test figures at the λ of the best validation accuracy: the test part chooses nothing."""
    if not figures.get("val") or not figures.get("test"):
        return None
    chosen = max(range(len(figures["val"])), key=lambda row: figures["val"][row]["accuracy"])
    best: dict[str, Any] = figures["test"][chosen]
    return best


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
    from core.inference.clock import timed
    from core.inference.model import load_model
    from core.inference.predict import predict as ask
    from core.inference.predict import thresholds
    from core.sources.picture import read_picture, to_tensor

    store = opened(db)
    model = load_model(store, run)
    if target is not None:
        if lam is not None or not model.graph.every_lam:
            raise ConfigError("--target finds a λ: give it without --lam, and take a run that serves every λ")
        lam = _lam_for(store.run(run), target)
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
    for answer, still in zip(answers, static, strict=True):
        share = answer["macs"] / answer["macs_static"]
        sure = answer["probabilities"][answer["label"]]
        work = f"{millions(answer['macs'])} multiply-adds, {share:.0%} of the static network's"
        print(f"{answer['image']}: {answer['label']} ({sure:.0%}); {work}")
        print(f"  {1e3 * answer['seconds']:.2f} ms; the static network takes {1e3 * still:.2f} ms")
        print(f"  ran: {', '.join(answer['executed'])}; skipped: {', '.join(answer['skipped']) or 'nothing'}")
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

    from core.evaluation import evaluations
    from core.inference.model import load_model
    from core.inference.predict import asked_lam

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
        lams = [_lam_for(store.run(run), share) for share in shares]
    elif lam is None and model.graph.every_lam:
        points = grid or 11
        lams = [asked_lam(model, step / (points - 1)) for step in range(points)]
    else:
        lams = [asked_lam(model, lam)]
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
        cost = f"{row['macs_mean'] / row['macs_static']:.1%}"
        wanted = [f"{row['target']:.1%}"] if shares else []
        scores = [f"{row[name]:.4f}" for name in ("accuracy", "f1", "precision", "recall")]
        table.add_row(shown, *scores, millions(row["macs_mean"]), cost, *wanted, routes)
    console().print(table)


def _policy(name: str, rate: float, generator: "Generator") -> "Policy":
    from core.network.policy import Greedy, Open, Random

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


def describe(
    what: Annotated[str, typer.Argument(metavar="RUN|ARCHITECTURE", help="A run, or an architecture to be built for a dataset.")],
    dataset: Annotated[str, typer.Option(help="For an architecture: whose images.")] = "digits",
    sets: Settings = None,
    dot: Annotated[bool, typer.Option("--dot", help="Print Graphviz source instead.")] = False,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """The graph: its nodes, edges and costs."""
    from core.description import describe as tell
    from core.inference.model import load_model
    from core.registry import choose

    if what in names("architectures"):
        parts = settings(sets, architecture=what, dataset=dataset)
        refuse_unused(what, parts["method"] | parts["training"])
        architecture: Any = choose("architectures", parts["architecture"])
        source: Any = choose("datasets", parts["dataset"])
        image, classes = source.outline()
        graph = architecture.build(image, len(classes), every_lam=True)
    else:
        refuse_unused(what, sets)
        graph = load_model(opened(db), what).graph
    if dot:
        print(dot_source(graph.nodes))
        return
    told = tell(graph)
    if as_json:
        print_json(told)
        return
    table = Table("node", "kind", "reads", "opened by", "shape", "parameters", "multiply-adds")
    for node in told["nodes"]:
        reads = [e["source"] + (f" (default {e['default']:g})" if e["default"] is not None else "") for e in _into(told, node, "data")]
        opened_by = [f"{edge['source']}: {edge['option']}" for edge in _into(told, node, "control")]
        shape = "×".join(map(str, node["shape"]))
        table.add_row(
            node["name"], node["kind"], ", ".join(reads), ", ".join(opened_by), shape, f"{node['parameters']:,}", f"{node['macs']:,}"
        )
    console().print(table)
    total, static = millions(told["macs_full"]), millions(told["macs_static"])
    print(f"all nodes {total}, static network {static} multiply-adds; controllers {told['controllers_share']:.2%} of the static network")
    if told["every_lam"] and any(control.decides == "one" for control in graph.controls):
        print(f"exchange rate κ {told['exchange_rate']:.3g}: the static network's whole cost is worth so much accuracy")
    print(f"not counted: {', '.join(told['not_counted'])}")


def _into(told: dict[str, Any], node: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [edge for edge in told["edges"] if edge["target"] == node["name"] and edge["kind"] == kind]


def _forced(pairs: list[str]) -> dict[str, bool]:
    forced = {}
    for pair in pairs:
        node, _, state = pair.rpartition("=")
        if not node or state not in ("on", "off"):
            raise ConfigError(f"--force {pair}: write it as NODE=on or NODE=off")
        forced[node] = state == "on"
    return forced
