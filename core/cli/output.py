"""How commands print: tables, JSON, a progress bar, and figures as text."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from core.cli.failure import printable
from core.scale import mean_cost_share

NOTHING = "–"  # in a cell that has no value


class PlainConsole(Console):
    """A console to which texts give no orders: their control characters are escaped, and their brackets are no markup."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a text as it is shown."""
        return super().render_str(printable_lines(text), **options)


def console(*, errors: bool = False) -> Console:
    """Return the console: a terminal at its width; a file or a pipe at a width that cuts no table."""
    there = PlainConsole(stderr=errors, highlight=False, markup=False)
    return there if there.is_terminal else PlainConsole(stderr=errors, highlight=False, markup=False, width=1000)


def bar() -> Progress:
    """Return a progress bar on standard error, so that standard output holds results alone."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TimeRemainingColumn())
    return Progress(*columns, console=console(errors=True), transient=True)


def print_table(table: Table) -> None:
    """Print a table on standard output."""
    console().print(table)


def print_json(result: object) -> None:
    """Print a result as JSON on standard output. Numbers that JSON cannot hold are null.

    Letters that a terminal may obey are escaped as JSON escapes them.
    """
    from core.store.models import plain

    text = json.dumps(plain(result), ensure_ascii=False, indent=2)
    print("".join(letter if letter.isprintable() or letter == "\n" else json.dumps(letter)[1:-1] for letter in text))


def say(text: str) -> None:
    """Print a text of lines on standard output, its control characters escaped."""
    print(printable_lines(text), flush=True)


def printable_lines(text: str) -> str:
    """Return a text with its control characters escaped, except line breaks and tabs."""
    return "".join(letter if letter in "\n\t" else printable(letter) for letter in text)


def counted(macs: Sequence[float]) -> list[str]:
    """Return multiply-adds as text, all in one unit: in millions, "1.23 M", unless one of them is below 10,000."""
    return [f"{one / 1e6:.2f} M" if min(macs) >= 1e4 else f"{one:,.0f}" for one in macs]


def lam_text(lam: float | None) -> str:
    """Return λ with two digits, or a dash for a network without one."""
    return NOTHING if lam is None else f"{lam:.2f}"


def epoch_text(epoch: float) -> str:
    """Return the epochs done, with one decimal within an epoch."""
    return f"{epoch:.0f}" if epoch == int(epoch) else f"{epoch:.1f}"


def cost_cells(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return the mean multiply-adds of each evaluation, all in one unit, and their share of the static network's."""
    return list(zip(counted([row["macs_mean"] for row in rows]), (f"{mean_cost_share(row):.1%}" for row in rows), strict=True))
