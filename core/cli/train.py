"""`train`: train one network."""

import shlex
from contextlib import suppress
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
    Seed,
    Settings,
    opened,
)
from core.cli.output import bar, console, cost_cells, epoch_text, lam_text, print_json, print_table, say
from core.cli.settings import check_one_lam, configuration
from core.datasets import Dataset
from core.registry import ConfigError
from core.store import Run, Store, StoreError
from core.trackers import check_tracker


def train(
    architecture: ArchitectureName,
    dataset: DatasetName = "cluttered_digits",
    method: MethodName = "d2nn",
    lam: Annotated[
        float | None, typer.Option(help="λ, from 0 (cheap) to 1 (accurate); without it, one network is trained for every λ.")
    ] = None,
    epochs: Epochs = None,
    seed: Seed = 0,
    recipe: RecipeName = None,
    published: Published = False,
    sets: Settings = None,
    name: Annotated[str | None, typer.Option(help="Name of the run (optional; generated if empty).")] = None,
    log: Log = None,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Train a network and keep it as a run. Ctrl-C stops the training; `resume` continues it.

    The sections below list every option that --set takes, and what can be trained. With ARCHITECTURE, --dataset NAME or
    --method NAME beside --help, only what goes with them is listed.
    """
    check_tracker(log)
    config = configuration(architecture, dataset, method, lam, epochs, seed, sets, recipe, published=published)
    if published:
        check_one_lam(config, (lam,), "--lam")
    if not config.architecture.by_form:
        raise ConfigError(f"{architecture} is trained by a command of its own: python -m core {config.architecture.command.split()[0]}")
    store = opened(db, writes=True)
    train_new(store, store.runs.create(config.record(), name=name), as_json=as_json, log=log)


def train_new(store: Store, run: Run, *, as_json: bool, log: str | None = None) -> None:
    """Train a new run. If nothing was trained, remove it, so that its name is free for the corrected command."""
    try:
        train_run(store, run, as_json=as_json, log=log)
    except BaseException as error:
        with suppress(StoreError):  # the first error says what to do
            unclaimed = store.runs.get(run.id).status == "queued"
            if unclaimed or (isinstance(error, Exception) and store.checkpoints.latest(run.id) is None):
                store.runs.purge(run.id)
        raise


def train_run(store: Store, run: Run, *, as_json: bool, dataset: Dataset | None = None, log: str | None = None) -> None:
    """Train a run to its end, with a progress bar, and print its test figures. Raises UserError.

    `dataset`: the run's, whose files have moved. `log`: the tracker that also gets the figures. The run is announced with its first step,
    once nothing speaks against its options.
    """
    from core.evaluation.report import warnings
    from core.training.worker import work

    notices = console(errors=True)
    announcement = [f"Training run {run.id}, {run.name}. Ctrl-C stops it; `python -m core resume {shlex.quote(run.name)}` continues it."]
    with bar() as progress:
        task = progress.add_task("starting", total=1.0)

        def listen(what: str, share: float) -> None:
            if what == "training" and announcement:
                progress.console.print(announcement.pop())
            progress.update(task, description=what, completed=share)

        done = work(store, run.id, listen, notices.print, dataset, log)
    if as_json:
        print_json(
            {"id": done.id, "run": done.name, "status": done.status, "figures": done.figures, "curve": store.metrics.history(done.id)}
        )
        return
    if done.status != "finished":
        notices.print(f"Stopped at epoch {epoch_text(done.epoch)} of {done.epochs}.")
        return
    table = Table("λ", "accuracy", "F1", "multiply-adds", "share of static", title=f"{done.name}: test split")
    rows = done.figures["test"]
    for row, cells in zip(rows, cost_cells(rows), strict=True):
        table.add_row(lam_text(row["lam"]), f"{row['accuracy']:.4f}", f"{row['f1']:.4f}", *cells)
    print_table(table)
    for sentence in warnings(done):
        say(sentence)
