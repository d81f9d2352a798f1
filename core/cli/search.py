"""`search`: find options that are accurate and cheap."""

from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

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
    RecipeName,
    Seed,
    Settings,
    opened,
)
from core.cli.output import NOTHING, bar, console, counted, lam_text, print_json, print_table
from core.cli.settings import configuration
from core.trackers import check_tracker

if TYPE_CHECKING:
    from core.search.space import Dimension, Value
    from core.store import Run


def search(
    architecture: ArchitectureName,
    dataset: DatasetName = "cluttered_digits",
    method: MethodName = "d2nn",
    trials: Annotated[int, typer.Option(min=1, max=10_000, help="Number of trials, with those that the search has already.")] = 20,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PART.OPTION[=LOW:HIGH|=A,B]",
            help="Option to vary, within a range or among values; may be repeated (default: the sizes of the architecture, the learning "
            "rate and the weight decay, around their values).",
        ),
    ] = None,
    lam: Annotated[
        float | None, typer.Option(help="λ, from 0 (cheap) to 1 (accurate); without it, each trial is one network for every λ.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the search; the same name continues one (default: ARCHITECTURE-DATASET-search).")
    ] = None,
    no_prune: Annotated[bool, typer.Option("--no-prune", help="Train every trial to its end.")] = False,
    jobs: Annotated[int, typer.Option(min=1, max=1024, help="Number of trials trained at the same time.")] = 1,
    epochs: Epochs = None,
    seed: Seed = 0,
    recipe: RecipeName = None,
    sets: Settings = None,
    log: Log = None,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Search options for networks that are accurate and cheap, on validation images. After Ctrl-C, the same command continues it.

    Optuna suggests the values of each trial from those before it. Trials are runs; one that is worse than the better half of the others
    after a quarter or a half of its epochs is stopped. The front of all trials is printed, and drawn on the λ sweep page of the studio.
    Needs the packages of core/search/requirements.txt.
    """
    check_tracker(log)
    from core.search.sampler import check_installed
    from core.search.search import TrialSearch
    from core.search.space import space_of

    check_installed()
    config = configuration(architecture, dataset, method, lam, epochs, seed, sets, recipe)
    space = space_of(config, vary or [])
    notices = console(errors=True)
    for dimension in space:
        notices.print(f"varied: {dimension}", highlight=False, markup=False)
    found = TrialSearch(opened(db, writes=True), config, space, name or f"{architecture}-{dataset}-search", trials, prunes=not no_prune)
    runs = found.runs()
    with bar() as progress, closing(found.run(jobs, log)) as trained:
        task = progress.add_task(found.name, total=trials * config.training.epochs)
        for runs in trained:
            training = ", ".join(run.name.rpartition("/")[2] for run in runs if run.state == "running")
            done = sum(run.epochs if run.state in ("finished", "stopped", "failed") else run.epoch for run in runs)
            progress.update(task, completed=done, description=f"{found.name} ({training or 'no trial'})")
    if len(runs) < trials:
        notices.print(f"The search ended after {len(runs)} trials: {found.refusal}", highlight=False, markup=False)
    _print(found.name, runs, space, as_json=as_json)


def _print(name: str, runs: "list[Run]", space: "list[Dimension]", *, as_json: bool) -> None:
    """Print the front of the trials, or all of them as JSON."""
    from core.evaluation.trials import front, points, pruned
    from core.search.space import values_in

    best = front(points(runs))
    if as_json:
        print_json(
            [
                {
                    **{"id": run.id, "run": run.name, "state": run.state, "pruned": pruned(run), "error": run.error},
                    **{"values": values_in(run.config, space), "figures": run.figures},
                    "front": [point.lam for point in best if point.run.id == run.id],
                }
                for run in runs
            ]
        )
        return
    finished, stopped = sum(run.status == "finished" for run in runs), sum(map(pruned, runs))
    title = f"{name}: front of {finished} finished trials, {stopped} stopped early"
    table = Table("run", "λ", "val accuracy", "test accuracy", "multiply-adds", "values", title=title)
    for point, macs in zip(best, counted([point.macs for point in best]), strict=True):
        test = f"{point.test['accuracy']:.4f}"
        table.add_row(point.run.name, lam_text(point.lam), f"{point.accuracy:.4f}", test, macs, _text(values_in(point.run.config, space)))
    print_table(table)


def _text(values: "dict[str, Value] | None") -> str:
    """Return the values of a trial in short: the names of the options without their parts."""
    if values is None:
        return NOTHING
    return ", ".join(f"{name.partition('.')[2]} {_short(value)}" for name, value in values.items())


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
