"""`sweep`: train several networks, over λ, seeds and variants."""

import sys
from contextlib import closing, redirect_stdout
from typing import Annotated

import typer
from rich.table import Table

from core.cli.options import (
    ArchitectureName,
    AsJson,
    Database,
    DatasetName,
    Epochs,
    Log,
    MethodName,
    Published,
    RecipeName,
    Settings,
    opened,
)
from core.cli.output import NOTHING, bar, cost_cells, lam_text, print_json, print_table
from core.cli.settings import check_one_lam, configuration, settings, variant
from core.config import RunConfig
from core.registry import ConfigError
from core.store import Run
from core.sweep_values import read_lams, read_seeds
from core.trackers import check_tracker

MAX_BARS = 40  # runs with a progress bar each; more share one, since drawing them all would take a processor


def sweep(
    architecture: ArchitectureName,
    name: Annotated[str, typer.Option(help="Name of the sweep; the same name continues an unfinished one.")],
    dataset: DatasetName = "cluttered_digits",
    method: MethodName = "d2nn",
    lams: Annotated[str, typer.Option(help="Values of λ, separated by commas; 'every' trains one network that serves every λ.")] = "every",
    seeds: Annotated[str, typer.Option(help="Seeds, separated by commas.")] = "0",
    epochs: Epochs = None,
    statics: Annotated[
        bool,
        typer.Option("--statics", help="Also train every path as a static network; with --method static, train only those."),
    ] = False,
    variants: Annotated[
        list[str] | None,
        typer.Option("--variant", metavar="NAME: PART.OPTION=VALUE …", help="Add a variant with other options; may be repeated."),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="Number of runs trained at the same time (default: 1; with --ray, as many as have room)."),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Train on a Ray cluster, such as head:6379; 'local' starts one here. Needs core/training/ray.txt."
        ),
    ] = None,
    cpus: Annotated[float | None, typer.Option(min=0, max=1024, help="Processors for each run on a cluster (default: 1).")] = None,
    gpus: Annotated[float | None, typer.Option(min=0, max=64, help="GPUs for each run on a cluster, such as 0.5 (default: 0).")] = None,
    recipe: RecipeName = None,
    published: Published = False,
    sets: Settings = None,
    log: Log = None,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Train networks for several values of λ and several seeds. After Ctrl-C, the same command continues the sweep.

    `python -m core train --help` lists every option that --set takes.
    """
    from core.training.cluster import Cluster, check_cluster, sweep_on_cluster
    from core.training.sweep import enlist, planned, static_paths
    from core.training.sweep import sweep as train_all

    check_tracker(log)
    if ray is None and (cpus is not None or gpus is not None):
        raise ConfigError("--cpus and --gpus are for runs on a cluster: name it with --ray")
    parsed_variants = [variant(text) for text in variants or []]
    if any("seed" in settings(pairs)["training"] for pairs in (sets, *(more for _, more in parsed_variants))):
        raise ConfigError("training.seed: give the seeds of a sweep with --seeds")
    config = configuration(architecture, dataset, method, None, epochs, 0, sets, recipe, published=published)
    if published:
        check_one_lam(config, read_lams(lams), "--lams")
    plans = planned(config, read_lams(lams), read_seeds(seeds))
    if statics:  # a static network of the most expensive path is one of them
        plans = (plans if config.gated else []) + static_paths(config, read_seeds(seeds))
    varied: dict[str, list[RunConfig]] = {}
    seen = [config]
    for title, more in parsed_variants:
        other = configuration(architecture, dataset, method, None, epochs, 0, [*(sets or []), *more], recipe, published=published)
        if other in seen or title in varied:
            raise ConfigError(f"--variant {title}: it is the same as another variant of the sweep")
        seen.append(other)
        varied[title] = planned(other, read_lams(lams) if other.gated else (None,), read_seeds(seeds))
    store = opened(db, writes=True)
    cluster = None if ray is None else Cluster(ray, 1.0 if cpus is None else cpus, gpus or 0.0, jobs, log)
    if cluster is not None:
        check_cluster(store, cluster)
    runs = enlist(store, plans, name, varied)
    with bar() as progress, redirect_stdout(sys.stderr):  # Ray prints which processes it has lost
        each = len(runs) <= MAX_BARS
        tasks = [progress.add_task(run.name, total=run.epochs) for run in runs if each]
        total = progress.add_task(name, total=sum(run.epochs for run in runs), visible=not each)
        with closing(train_all(store, runs, jobs or 1, log) if cluster is None else sweep_on_cluster(store, runs, cluster)) as training:
            for now in training:
                for task, run in zip(tasks, now if each else (), strict=True):
                    progress.update(task, completed=run.epoch, description=f"{run.name} ({run.state})")
                done = sum(run.state not in ("queued", "running") for run in now)
                progress.update(
                    total, completed=sum(run.epoch for run in now), description=f"{name} ({done} of {len(now)} runs have ended)"
                )
                runs = now
    if as_json:
        print_json([{"id": run.id, "run": run.name, "state": run.state, "error": run.error, "figures": run.figures} for run in runs])
    else:
        _print_runs(runs, name)
    if any(run.state == "failed" for run in runs):
        raise typer.Exit(1)


def _print_runs(runs: list[Run], name: str) -> None:
    table = Table("run", "state", "λ", "test accuracy", "multiply-adds", "share of static", title=name)
    cells = iter(cost_cells([row for run in runs for row in run.figures.get("test", [])]))
    for run in runs:
        for row in run.figures.get("test", []):
            macs, share = next(cells)
            own = share if run.gated else NOTHING  # a static network's share is of itself
            table.add_row(run.name, run.state, lam_text(row["lam"]), f"{row['accuracy']:.4f}", macs, own)
        if not run.figures.get("test"):
            table.add_row(run.name, run.state, lam_text(run.lam), NOTHING, NOTHING, run.error or NOTHING)
    print_table(table)
