"""Commands about many runs at once, and about what a run has to beat: sweep, baselines."""

from contextlib import suppress
from functools import partial
from typing import Annotated, Any, Literal

import typer
from rich.table import Table

from core.cli.options import AsJson, Database, Settings, bar, configuration, console, opened, print_json
from core.registry import ConfigError
from core.store import Run


def sweep(
    architecture: Annotated[str, typer.Argument(help="What is trained.")],
    name: Annotated[str, typer.Option(help="The sweep's name; given again, it goes on with what is not finished.")],
    dataset: Annotated[str, typer.Option(help="What it learns from.")] = "cluttered_digits",
    method: Annotated[str, typer.Option(help="How it learns.")] = "d2nn",
    lams: Annotated[str, typer.Option(help="Values of λ, with commas; 'every' is one network for every λ.")] = "every",
    seeds: Annotated[str, typer.Option(help="Seeds, with commas.")] = "0",
    epochs: Annotated[int | None, typer.Option(help="Times that every image is seen.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Runs trained at the same time.")] = 1,
    sets: Settings = None,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Train a network for several λ and seeds. Interrupted by Ctrl-C, the same command goes on with it."""
    from core.training.sweep import enlist, planned
    from core.training.sweep import sweep as train_all

    config = configuration(architecture, dataset, method, None, epochs, 0, sets)
    plans = planned(config, [_lam(word) for word in lams.split(",")], [_seed(word) for word in seeds.split(",")])
    store = opened(db)
    runs = enlist(store, plans, name)
    with bar() as progress:
        tasks = [progress.add_task(run.name, total=run.epochs) for run in runs]
        for now in train_all(store, runs, jobs):
            for task, run in zip(tasks, now, strict=True):
                progress.update(task, completed=run.epoch, description=f"{run.name} ({run.state})")
            runs = now
    if as_json:
        print_json([{"id": run.id, "run": run.name, "state": run.state, "error": run.error, "figures": run.figures} for run in runs])
        return
    _print_runs(runs, name)


def baselines(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's id or name.")],
    split: Annotated[Literal["val", "test"], typer.Option(help="Which images: val to choose by, test to report.")] = "val",
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """What a gated network has to beat on its own modules: random gates, its fixed routes and, for cascades, a confidence threshold."""
    from core.baselines import RATES, ROUTES, confidence_front, gated_front, random_front, routes, routes_front
    from core.front import hull, mean_difference
    from core.inference.model import load_model
    from core.network.node import GraphError

    model = load_model(opened(db), run)
    if not model.graph.controls:
        raise ConfigError(f"run {run} has no gates: there is nothing to compare it with on its own modules")
    lams: list[float | None] = [step / 20 for step in range(21)] if model.graph.every_lam else [model.lam]
    with bar() as progress:
        task = progress.add_task("reading", total=1.0)
        data = model.config.dataset.read(lambda what, share: progress.update(task, description=what, completed=share))
        part = data.val if split == "val" else data.test
        try:
            tried = len(routes(model.graph))
        except GraphError:
            tried = 0
        progress.update(task, description="evaluating", total=len(part) * (len(lams) + len(RATES) + tried), completed=0)
        told = partial(progress.advance, task)
        fronts = {"gated": gated_front(model.graph, part, lams, told), "random gates": random_front(model.graph, part, 0, told)}
        if tried:
            fronts["fixed routes"] = routes_front(model.graph, part, told)
        with suppress(GraphError):  # only cascades can leave by confidence
            fronts["confidence"] = confidence_front(model.graph, part)
    gains = {name: mean_difference(fronts["gated"], front, 0.3, 0.7) for name, front in fronts.items() if name != "gated"}
    if as_json:
        points = {name: [{"cost": point.cost, "accuracy": point.accuracy} for point in front] for name, front in fronts.items()}
        print_json({"run": model.run, "split": split, "n": len(part), "fronts": points, "gains": gains})
        return
    table = Table("against", "gain in points, mean over 30–70% of the static cost", title=f"{model.run}: {split} split, {len(part)} images")
    for name, gain in gains.items():
        table.add_row(name, f"{100 * gain:+.2f}")
    console().print(table)
    costs = [point.cost for point in hull(fronts["gated"])]
    print(
        f"its own front runs from {costs[0]:.1%} to {costs[-1]:.1%}; beyond, its best accuracy is compared with what the others reach there"
    )
    if not tried:
        print(f"fixed routes were left out: there are more than {ROUTES} combinations of options")
    if gains["random gates"] <= 0:
        print("the gates do not beat random ones: this network has learnt nothing about when to skip")


def _print_runs(runs: list[Run], name: str) -> None:
    table = Table("run", "state", "λ", "test accuracy", "share of static", title=name)
    for run in runs:
        rows: list[dict[str, Any]] = run.figures.get("test", [])
        for row in rows or [{}]:
            lam = "–" if row.get("lam") is None else f"{row['lam']:.2f}"
            shown = (f"{row['accuracy']:.4f}", f"{row['macs_mean'] / row['macs_static']:.1%}") if row else ("–", run.error or "–")
            table.add_row(run.name, run.state, lam, *shown)
    console().print(table)


def _lam(word: str) -> float | None:
    if word.strip() == "every":
        return None
    try:
        return float(word)
    except ValueError:
        raise ConfigError(f"--lams: {word!r} is neither a number nor 'every'") from None


def _seed(word: str) -> int:
    try:
        return int(word)
    except ValueError:
        raise ConfigError(f"--seeds: {word!r} is no whole number") from None
