"""Commands that change the store: train, resume, stop, export, import."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from core.cli.options import AsJson, Database, Settings, bar, configuration, console, millions, opened, print_json
from core.datasets import DataError
from core.errors import UserError
from core.scale import mean_cost_share
from core.store import Run, Store

RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run's id or name.")]


def train(
    architecture: Annotated[str, typer.Argument(help="What is trained: high_low, cascade, plain, …")],
    dataset: Annotated[str, typer.Option(help="What it learns from.")] = "cluttered_digits",
    method: Annotated[str, typer.Option(help="How it learns.")] = "d2nn",
    lam: Annotated[float | None, typer.Option(help="λ from 0 (cheap) to 1 (accurate); without it, one network for every λ.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Times that every image is seen.")] = None,
    seed: Annotated[int, typer.Option(help="Fixes every random choice.")] = 0,
    sets: Settings = None,
    name: Annotated[str | None, typer.Option(help="The run's name; made up without it.")] = None,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Train a network and keep it as a run. Interrupted by Ctrl-C it can be resumed."""
    config = configuration(architecture, dataset, method, lam, epochs, seed, sets)
    store = opened(db)
    run = store.runs.create(config.record(), name=name)
    try:
        _work(store, run, as_json)
    except (UserError, DataError):
        if store.checkpoints.latest(run.id) is None:  # nothing was trained: the same name can be given again, with other options
            store.runs.purge(run.id)
        raise


def resume(run: RunName, db: Database = None, as_json: AsJson = False) -> None:
    """Go on with a run that was stopped, failed or was interrupted, from its last checkpoint."""
    store = opened(db)
    _work(store, store.runs.get(run), as_json)


def stop(run: RunName, db: Database = None) -> None:
    """Ask the process that trains a run to stop after its present step."""
    store = opened(db)
    asked = store.runs.get(run)
    store.lifecycle.request_stop(asked.id)
    print(f"asked run {asked.name} to stop; `python -m core resume {asked.name}` goes on with it")


def export_command(
    run: RunName,
    file: Annotated[Path, typer.Argument(help="Where to write it, NAME.safetensors; a model card, NAME.md, is written beside it.")],
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
    db: Database = None,
) -> None:
    """Write a trained run with its weights as one safetensors file, and a model card beside it."""
    from core.evaluation.model_card import card
    from core.store.exchange import export_run
    from core.store.record import Figures

    store = opened(db)
    exported = store.runs.get(run)
    siblings = [Figures.model_validate(sibling.figures).test for sibling in store.runs.siblings(exported)]
    export_run(store, run, file, describe=lambda told: card(told, siblings), force=force)
    print(f"{file} and {file.with_suffix('.md')}")


def import_command(
    file: Annotated[Path, typer.Argument(help="A file written by export.")],
    name: Annotated[str | None, typer.Option(help="A name other than its own.")] = None,
    db: Database = None,
) -> None:
    """Add an exported run to the store. One whose weights do not fit its configuration is refused."""
    from core.config import run_config
    from core.graph.checkpoint import unpack
    from core.store.exchange import Header, import_run
    from core.training.assembly import assemble

    def fits(header: Header, weights: bytes) -> None:
        unpack(weights, assemble(run_config(**header.config), header.image, len(header.classes)))

    print(f"imported as {import_run(opened(db), file, name, check=fits).name}")


def _work(store: Store, run: Run, as_json: bool) -> None:
    from core.evaluation.report import warnings
    from core.training.worker import work

    told = console(errors=True)
    told.print(f"run {run.id}, {run.name}: Ctrl-C stops it, `python -m core resume {run.name}` goes on")
    with bar() as progress:
        task = progress.add_task("starting", total=1.0)
        done = work(store, run.id, lambda what, share: progress.update(task, description=what, completed=share))
    if as_json:
        curve = store.metrics.history(done.id)
        print_json({"id": done.id, "run": done.name, "status": done.status, "figures": done.figures, "curve": curve})
        return
    if done.status != "finished":
        told.print(f"stopped at epoch {done.epoch:g} of {done.epochs}")
        return
    table = Table("λ", "test accuracy", "test F1", "multiply-adds", "share of static", title=f"{done.name}: test split")
    for row in done.figures["test"]:
        lam = "–" if row["lam"] is None else f"{row['lam']:.2f}"
        share = mean_cost_share(row)
        table.add_row(lam, f"{row['accuracy']:.4f}", f"{row['f1']:.4f}", millions(row["macs_mean"]), f"{share:.1%}")
    console().print(table)
    for sentence in warnings(done):
        print(sentence)
