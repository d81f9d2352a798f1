"""`report`: how well networks trade accuracy for cost."""

import math
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from core.cli.options import AsJson, Database, SplitName, opened
from core.cli.output import print_json, print_table, say

if TYPE_CHECKING:
    from core.evaluation.report import Report

MISSING = {"cost within": "not reached", "hypervolume": "the compared runs span none"}  # instead of a figure that does not exist


def report(
    name: Annotated[str, typer.Argument(metavar="RUN", help="A run or a sweep of gated networks; figures of several seeds are averaged.")],
    against: Annotated[list[str] | None, typer.Option(metavar="RUN", help="A run or a sweep to compare it with; may be repeated.")] = None,
    split: SplitName = "test",
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Report accuracy, cost and gains over baselines.

    The figures are those that were measured at the end of the training. A sweep is compared with its own static
    networks unless --against names others.
    """
    from core.evaluation.report import report as gather

    result = gather(opened(db, name, *against or []), name, against or [], split)
    if as_json:
        print_json(
            {
                "run": result.name,
                "seeds": result.seeds,
                "against": result.against,
                "split": result.split,
                "figures": {
                    figure: {"mean": _finite(mean), "deviation": _finite(deviation)} for figure, (mean, deviation) in result.figures.items()
                },
            }
        )
        return
    _print(result)


def _print(result: "Report") -> None:
    several = len(result.seeds) > 1
    over = f"{len(result.seeds)} seeds, mean ± standard deviation" if several else f"seed {result.seeds[0]} alone"
    table = Table("figure", "value", title=f"{result.name}: {result.split} split, {result.images} images, {over}")
    for figure, (mean, deviation) in result.figures.items():
        missing = next((words for part, words in MISSING.items() if part in figure), "no cost in common")
        value = f"{mean:z.4f}" + ("" if deviation is None else f" ± {deviation:.4f}")
        table.add_row(figure, missing + " for every seed" * several if math.isnan(mean) else value)
    print_table(table)
    print("Costs are shares of the static network's multiply-adds. Accuracies, gains and losses are fractions of 1.")
    for run, sentence in result.warnings:
        say(f"{run}: {sentence}")


def _finite(value: float | None) -> float | None:
    """Return a figure as JSON has it: no value in place of not-a-number."""
    return None if value is None or math.isnan(value) else value
