"""`runs`: the runs of the database."""

from rich.table import Table

from core.cli.options import AsJson, Database, opened
from core.cli.output import NOTHING, epoch_text, print_json, print_table
from core.evaluation.series import best_by_validation
from core.store import Run, TrainedRecord

KEYS = ("id", "name", "sweep", "variant", *TrainedRecord.model_fields, "epoch", "error", "tags", "notes")


def runs(db: Database = None, as_json: AsJson = False) -> None:
    """List the runs, newest first."""
    found = opened(db).runs.all()
    if as_json:
        print_json([{key: getattr(run, key) for key in KEYS} | {"state": run.state, "created": run.created.isoformat()} for run in found])
        return
    if not found:
        print("There are no runs yet: `python -m core train cascade --dataset digits` trains one.")
        return
    collapsed = any(run.figures.get("collapsed") for run in found)
    table = Table("id", "name", "state", "architecture", "dataset", "method", "λ", "epoch", "test accuracy", "at λ", title="Runs")
    if collapsed:
        table.add_column("collapsed controllers")
    for run in found:
        table.add_row(*_cells(run), *([", ".join(one["control"] for one in run.figures.get("collapsed", []))] if collapsed else []))
    print_table(table)
    for run in found:
        if run.damage:
            print(f"Run {run.id} is {run.damage}.")
    print("Test accuracy is given at the λ with the best validation accuracy.")


def _cells(run: Run) -> tuple[str, ...]:
    lam = NOTHING if not run.gated else "every" if run.lam is None else f"{run.lam:g}"
    best = best_by_validation(run.figures)
    accuracy, at = ("", None) if best is None else (f"{best['accuracy']:.4f}", best["lam"])
    return (
        *(str(run.id), run.name, run.state, run.architecture, run.dataset, run.method, lam, f"{epoch_text(run.epoch)}/{run.epochs}"),
        *(accuracy or NOTHING, NOTHING if at is None else f"{at:g}"),
    )
