"""Commands about many runs at once, and about what a run has to beat: sweep, report."""

import math
import shlex
from typing import Annotated, Any, Literal

import typer
from rich.table import Table

from core.cli.options import AsJson, Database, Settings, bar, configuration, console, millions, opened, print_json, settings
from core.config import read_lams, read_seeds
from core.evaluation.series import APART, by_series
from core.registry import ConfigError
from core.scale import mean_cost_share
from core.store import Run, Store

MISSING = {"cost within": "not reached", "hypervolume": "theirs is nothing"}  # in place of a figure that there is not


def sweep(
    architecture: Annotated[str, typer.Argument(help="What is trained.")],
    name: Annotated[str, typer.Option(help="The sweep's name; given again, it goes on with what is not finished.")],
    dataset: Annotated[str, typer.Option(help="What it learns from.")] = "cluttered_digits",
    method: Annotated[str, typer.Option(help="How it learns.")] = "d2nn",
    lams: Annotated[str, typer.Option(help="Values of λ, with commas; 'every' is one network for every λ.")] = "every",
    seeds: Annotated[str, typer.Option(help="Seeds, with commas.")] = "0",
    epochs: Annotated[int | None, typer.Option(help="Times that every image is seen.")] = None,
    statics: Annotated[
        bool, typer.Option("--statics", help="Also train every path as a static network of its own; with --method static those alone.")
    ] = False,
    also: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME: PART.OPTION=VALUE …", help="A variant with other options, in the same sweep; may be given several times."
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Runs trained at the same time.")] = 1,
    sets: Settings = None,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Train a network for several λ and seeds. Interrupted by Ctrl-C, the same command goes on with it."""
    from core.training.sweep import enlist, planned, static_paths
    from core.training.sweep import sweep as train_all

    variants = [_variant(one) for one in also or []]
    if any("seed" in settings(some)["training"] for some in (sets, *(more for _, more in variants))):
        raise ConfigError("training.seed: the seeds of a sweep are told by --seeds")
    config = configuration(architecture, dataset, method, None, epochs, 0, sets)
    plans = planned(config, read_lams(lams), read_seeds(seeds))
    if statics:  # of which a static network of the largest path is one
        plans = (plans if config.gated else []) + static_paths(config, read_seeds(seeds))
    seen, varied = [config], {}
    for variant, more in variants:
        other = configuration(architecture, dataset, method, None, epochs, 0, [*(sets or []), *more])
        if other in seen or variant in varied:
            raise ConfigError(f"--also {variant}: it is the same as another of the sweep")
        seen.append(other)
        varied[variant] = planned(other, read_lams(lams) if other.gated else (None,), read_seeds(seeds))
    store = opened(db)
    runs = enlist(store, plans, name, varied)
    with bar() as progress:
        tasks = [progress.add_task(run.name, total=run.epochs) for run in runs]
        for now in train_all(store, runs, jobs):
            for task, run in zip(tasks, now, strict=True):
                progress.update(task, completed=run.epoch, description=f"{run.name} ({run.state})")
            runs = now
    if as_json:
        print_json([{"id": run.id, "run": run.name, "state": run.state, "error": run.error, "figures": run.figures} for run in runs])
    else:
        _print_runs(runs, name)
    if any(run.state == "failed" for run in runs):
        raise typer.Exit(1)


def report(
    name: Annotated[str, typer.Argument(metavar="RUN", help="A run or a sweep of gated networks; several seeds become means.")],
    against: Annotated[
        list[str] | None, typer.Option(metavar="RUN", help="A run or sweep to compare it with; may be given several times.")
    ] = None,
    split: Annotated[Literal["val", "test"], typer.Option(help="Which images: val to choose by, test to report.")] = "test",
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """How well a network trades accuracy for cost, and what it gains over what it has to beat, from the figures of its training."""
    from core.evaluation import report as reporting

    store = opened(db)
    there = _runs(store, name)
    seeds = sorted({run.seed for run in there if run.gated})
    if not seeds:
        raise ConfigError(f"{name} holds no gated network: give it as --against to what is to be compared with it")
    others = [run for other in against or [] for run in _runs(store, other)] or [run for run in there if not run.gated]
    figures = []
    for seed in seeds:
        group = [run for run in there if run.seed == seed and run.gated]
        peers = [run for run in others if run.seed == seed] or others
        figures.append(reporting.alone(group, split) | (reporting.against(group, peers, split) if peers else {}))
    told = reporting.over_seeds(figures)
    if as_json:
        rows = {
            name: {
                "mean": None if math.isnan(value) else value,
                "deviation": None if deviation is None or math.isnan(deviation) else deviation,
            }
            for name, (value, deviation) in told.items()
        }
        print_json({"run": name, "seeds": seeds, "against": [run.name for run in others], "split": split, "figures": rows})
        return
    over = f"{len(seeds)} seeds, mean ± standard deviation" if len(seeds) > 1 else f"seed {seeds[0]} alone"
    table = Table("figure", "value", title=f"{name}: {split} split, {there[0].figures[split][0]['n']} images, {over}")
    for figure, (value, deviation) in told.items():
        written = f"{value:.4f}" + ("" if deviation is None else f" ± {deviation:.4f}")
        missing = next((words for part, words in MISSING.items() if part in figure), "no cost in common")
        table.add_row(figure, missing + " by every seed" * (len(seeds) > 1) if math.isnan(value) else written)
    console().print(table)
    print("costs are shares of the multiply-adds of the static reference network; accuracies, gains and losses are shares of 1")
    for run in there:
        for sentence in reporting.warnings(run):
            print(f"{run.name}: {sentence}")


def _variant(text: str) -> tuple[str, list[str]]:
    """A variant's name and its settings. Raises ConfigError."""
    name, colon, choices = text.partition(":")
    if not colon or not name.strip() or "/" in name:
        raise ConfigError(f"--also {text}: write it as NAME: part.option=value, several of them with spaces between")
    if name.strip() in APART:
        raise ConfigError(f"--also {text}: {name.strip()} tells networks for every λ from those for one each; call it something else")
    try:
        return name.strip(), shlex.split(choices)
    except ValueError as error:
        raise ConfigError(f"--also {text}: {error}") from None


def _runs(store: Store, name: str) -> list[Run]:
    """The finished runs of a sweep, or of one of its series, in the order of λ, or the one run of this name.

    Raises StoreError, and ConfigError for a sweep of networks for every λ and others for one λ each, which cannot be taken together.
    """
    finished = [run for run in store.runs.all() if run.sweep and run.status == "finished"]
    known = by_series(run for run in finished if run.gated)
    if {f"{name}/every", f"{name}/each"} <= known.keys():
        raise ConfigError(f"{name} holds networks for every λ and others for one λ each: name {name}/every or {name}/each")
    sweep = known[name][0].series if name in known else name
    found = known.get(name, []) + [run for run in finished if not run.gated and run.series == sweep]
    if not found and (others := [run for run in store.runs.all() if run.sweep == name]):
        raise ConfigError(f"no run of {name} is finished: {others[0].name} is {others[0].state}")
    return sorted(found, key=lambda run: (run.seed, run.lam or 0.0, run.id)) or [store.runs.get(name)]


def _print_runs(runs: list[Run], name: str) -> None:
    table = Table("run", "state", "λ", "test accuracy", "multiply-adds", "share of static", title=name)
    for run in runs:
        rows: list[dict[str, Any]] = run.figures.get("test", [])
        for row in rows or [{}]:
            lam = "–" if row.get("lam") is None else f"{row['lam']:.2f}"
            share = f"{mean_cost_share(row):.1%}" if row and run.gated else "–"  # which would be its own
            shown = (f"{row['accuracy']:.4f}", millions(row["macs_mean"]), share) if row else ("–", "–", run.error or "–")
            table.add_row(run.name, run.state, lam, *shown)
    console().print(table)
