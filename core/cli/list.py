"""`list`: the available architectures, methods and datasets."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from core.cli.options import AsJson
from core.cli.output import NOTHING, print_json, print_table
from core.registry import COMPONENT_KINDS, ComponentKind


def list_choices(
    kind: Annotated[ComponentKind | None, typer.Argument(metavar="KIND", help="Which to list (default: all).")] = None,
    as_json: AsJson = False,
) -> None:
    """List architectures, methods and datasets with their papers."""
    from core.choices import choices

    found = {one: choices(one) for one in ([kind] if kind else COMPONENT_KINDS)}
    if as_json:
        print_json({one: [asdict(choice) for choice in listed] for one, listed in found.items()})
        return
    for one, listed in found.items():
        table = Table("name", "title", "summary", "papers", title=one.capitalize(), title_justify="left", show_lines=True)
        for choice in listed:
            table.add_row(choice.name, choice.title, choice.summary, "\n".join(map(str, choice.papers)) or NOTHING)
        print_table(table)
    print("`python -m core train ARCHITECTURE --dataset NAME --method NAME --help` explains the options of each.")
