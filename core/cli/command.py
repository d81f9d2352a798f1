"""How commands read their words and print their help: earlier spellings of options, and the choices of `train`."""

import math
from collections.abc import Mapping
from typing import Any

from typer.core import TyperCommand

from core.cli.settings import KIND_OF_PART
from core.registry import ConfigError, choose

EARLIER = {"--targets": "--budgets", "--target": "--budget", "--also": "--variant"}
ARGUMENT_WORDS = "core.cli.words"  # the words of the command line, kept in the context


class Command(TyperCommand):
    """A command that also takes the earlier spellings of its options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line. Raises ConfigError for a number that is infinite or none."""
        own = {spelling for parameter in self.params for spelling in parameter.opts}
        ctx.meta[ARGUMENT_WORDS] = words = [_current(word, own) for word in args]
        rest = super().parse_args(ctx, list(words))
        for name, value in ctx.params.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise ConfigError(f"--{name} must be a number within its bounds; not {value}")
        return rest


class TrainCommand(Command):
    """The command whose help lists every component and every option that `--set` takes."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, without alternatives to the components that the command line names or methods that they refuse."""
        super().format_help(ctx, formatter)
        named, _, _ = self.make_parser(ctx).parse_args(args=list(ctx.meta[ARGUMENT_WORDS]))
        _write_choices(formatter, named)


def _current(word: str, own: set[str]) -> str:
    """Return an option's current spelling where it is one of the command's own, and any other word as it is."""
    option, equals, value = word.partition("=")
    current = EARLIER.get(option, option)
    return f"{current}{equals}{value}" if current in own else word


def _write_choices(formatter: Any, named: Mapping[str, Any]) -> None:
    """Write the recipes, the training and each component with their options. Raises ConfigError for an unknown name."""
    from core.choices import choice, choices, options
    from core.config import Training
    from core.recipes import RECIPES

    with formatter.section("Recipes"):
        formatter.write_dl([(one.name, f"{one.summary}  [{', '.join(one.settings)}]") for one in RECIPES])
    with formatter.section("Training"):
        _write_options(formatter, "training", options(Training))
    for part, kind in KIND_OF_PART.items():
        for one in [choice(kind, named[part])] if named.get(part) else choices(kind):
            if part == "method" and not named.get(part) and named.get("architecture") and not _suits(named["architecture"], one.name):
                continue
            with formatter.section(f"{part.capitalize()} {one.name}"):
                formatter.write_text(one.summary)
                _write_options(formatter, part, one.options)


def _suits(architecture: str, method: str) -> bool:
    """Return whether a method can train an architecture, each with its default options. Raises ConfigError for an unknown name."""
    from core.config import unsuitable

    shape: Any = choose("architectures", architecture)
    trainer: Any = choose("methods", method)
    return not unsuitable(shape, trainer)


def _write_options(formatter: Any, part: str, rows: Any) -> None:
    if rows:
        formatter.write_dl([(f"{part}.{row.name}", f"{row.help}  [{row.values}; default: {row.default_text}]") for row in rows])
