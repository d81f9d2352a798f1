"""What several commands take, and how they print."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from core.config import RunConfig, run_config
from core.registry import ConfigError
from core.store import Store

Database = Annotated[
    str | None, typer.Option("--db", metavar="URL", help="Database of the runs; runs.db at the project's root without it.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="PART.OPTION=VALUE", help="An option of architecture, dataset, method or training.")
]


def opened(url: str | None) -> Store:
    """The store of the runs, with those in it that ship with the project. Raises StoreError."""
    from core.references import load_references

    store = Store(url)
    load_references(store)
    return store


def settings(pairs: list[str] | None) -> dict[str, dict[str, Any]]:
    """`part.option=value` pairs by part; values are read as JSON where they are JSON, as text otherwise. Raises ConfigError."""
    parts: dict[str, dict[str, Any]] = {"architecture": {}, "dataset": {}, "method": {}, "training": {}}
    for pair in pairs or []:
        name, equals, value = pair.partition("=")
        part, dot, option = name.partition(".")
        if not equals or not dot or part not in parts:
            raise ConfigError(f"--set {pair}: write it as part.option=value, with one of {', '.join(parts)} as part")
        try:
            parts[part][option] = json.loads(value)
        except ValueError:
            parts[part][option] = value
    return parts


def configuration(
    architecture: str, dataset: str, method: str, lam: float | None, epochs: int | None, seed: int, pairs: list[str] | None
) -> RunConfig:
    """The configuration that a command's options ask for. Raises ConfigError."""
    parts = settings(pairs)
    return run_config(
        architecture={"name": architecture} | parts["architecture"],
        dataset={"name": dataset} | parts["dataset"],
        method={"name": method} | parts["method"],
        lam=lam,
        training={"seed": seed} | ({} if epochs is None else {"epochs": epochs}) | parts["training"],
    )


def console(*, errors: bool = False) -> Console:
    """Where people read: the terminal at its width, a file or pipe at a width that cuts no table."""
    there = Console(stderr=errors, highlight=False, markup=False)
    return there if there.is_terminal else Console(stderr=errors, highlight=False, markup=False, width=1000)


def bar() -> Progress:
    """A progress bar on standard error, so that standard output holds results alone."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TimeRemainingColumn())
    return Progress(*columns, console=console(errors=True), transient=True)


def print_json(result: object) -> None:
    """Results as JSON on standard output."""
    print(json.dumps(result, ensure_ascii=False, indent=2))


def millions(macs: float) -> str:
    """Multiply-adds for a person: 1.23 M."""
    return f"{macs / 1e6:.2f} M" if macs >= 1e4 else f"{macs:.0f}"
