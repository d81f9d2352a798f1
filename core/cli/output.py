"""How commands print: tables, JSON, a progress bar, and figures as text."""

import json
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from core.scale import mean_cost_share

NOTHING = "–"  # in a cell that has no value


def console(*, errors: bool = False) -> Console:
    """Return the console: a terminal at its width; a file or a pipe at a width that cuts no table."""
    there = Console(stderr=errors, highlight=False, markup=False)
    return there if there.is_terminal else Console(stderr=errors, highlight=False, markup=False, width=1000)


def bar() -> Progress:
    """Return a progress bar on standard error, so that standard output holds results alone."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TimeRemainingColumn())
    return Progress(*columns, console=console(errors=True), transient=True)


def print_table(table: Table) -> None:
    """Print a table on standard output."""
    console().print(table)


def print_json(result: object) -> None:
    """Print a result as JSON on standard output."""
    print(json.dumps(result, ensure_ascii=False, indent=2))


def millions(macs: float) -> str:
    """Return multiply-adds in millions, 1.23 M; below 10,000 as they are."""
    return f"{macs / 1e6:.2f} M" if macs >= 1e4 else f"{macs:.0f}"


def lam_text(lam: float | None) -> str:
    """Return λ with two digits, or a dash for a network without one."""
    return NOTHING if lam is None else f"{lam:.2f}"


def cost_cells(row: Mapping[str, Any]) -> tuple[str, str]:
    """Return the mean multiply-adds of an evaluation and their share of the static network's."""
    return millions(row["macs_mean"]), f"{mean_cost_share(row):.1%}"
