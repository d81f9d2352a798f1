"""`list`: the available architectures, methods, datasets and recipes."""

import sys
from collections.abc import Iterator
from dataclasses import asdict
from textwrap import TextWrapper
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from core.cli.options import AsJson
from core.cli.output import console, print_json
from core.recipes import RECIPES, Recipe
from core.registry import COMPONENT_KINDS, ComponentKind, problems

if TYPE_CHECKING:
    from core.choices import Choice

Listed = Literal[ComponentKind, "recipes"]
WIDTH = 100  # characters of a line at most; a web address is never cut
INDENT = 4  # characters before what is said of a name


def list_choices(
    kind: Annotated[Listed | None, typer.Argument(metavar="KIND", help="Which to list (default: all).")] = None,
    as_json: AsJson = False,
) -> None:
    """List architectures, methods and datasets with their papers, and recipes with their options.

    Files that cannot be used are named with the reason.
    """
    from core.choices import choices

    kinds = [one for one in COMPONENT_KINDS if kind in (None, one)]
    found: dict[str, list[Any]] = {one: choices(one) for one in kinds}
    if kind in (None, "recipes"):
        found["recipes"] = list(RECIPES)
    if as_json:
        print_json({one: [asdict(choice) for choice in listed] for one, listed in found.items()})
    else:
        for one, listed in found.items():
            print(f"{one.capitalize()}\n")
            for choice in listed:
                print(*_lines(choice), "", sep="\n")
        print("`python -m core train ARCHITECTURE --help` explains the options.")
    for problem in (problem for one in kinds for problem in problems(one)):
        print(problem, file=sys.stderr)


def _lines(choice: "Choice | Recipe") -> Iterator[str]:
    """Yield the lines on a component or recipe: its name, its title and summary, its papers and their addresses, or its options."""
    margin = " " * INDENT
    wrapper = TextWrapper(
        min(console().width, WIDTH), initial_indent=margin, subsequent_indent=margin, break_long_words=False, break_on_hyphens=False
    )
    yield choice.name
    yield from wrapper.wrap(f"{choice.title}. {choice.summary}")
    if isinstance(choice, Recipe):
        yield from wrapper.wrap(", ".join(choice.settings))
        return
    for paper in choice.papers:
        yield from wrapper.wrap(str(paper))
        yield margin + paper.url
