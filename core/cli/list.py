"""`list`: the architectures, methods and datasets that there are."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from core.cli.options import AsJson
from core.cli.output import NOTHING, print_json, print_table
from core.registry import KINDS, Kind


def list_choices(
    kind: Annotated[Kind | None, typer.Argument(metavar="KIND", help="Which to list (default: all).")] = None,
    as_json: AsJson = False,
) -> None:
    """List architectures, methods and datasets with their papers."""
    from core.choices import choices

    found = {one: choices(one) for one in ([kind] if kind else KINDS)}
    if as_json:
        print_json({one: [asdict(choice) for choice in there] for one, there in found.items()})
        return
    for one, there in found.items():
        table = Table("name", "summary", "papers", title=one.capitalize(), title_justify="left", show_lines=True)
        for choice in there:
            table.add_row(choice.name, choice.summary, "\n".join(map(str, choice.papers)) or NOTHING)
        print_table(table)
    print("`python -m core train ARCHITECTURE --dataset NAME --method NAME --help` explains the options of each.")
