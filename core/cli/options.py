"""What several commands take, and how they print."""

import json
from collections.abc import Collection
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from core.config import RunConfig, Training, run_config
from core.methods import DistillingMethod
from core.registry import ConfigError, Kind, component
from core.store import Store

Database = Annotated[
    str | None, typer.Option("--db", metavar="URL", help="Database of the runs; runs.db at the project's root without it.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
PARTS: dict[str, Kind] = {"architecture": "architectures", "dataset": "datasets", "method": "methods"}


def _without_names(pairs: list[str] | None) -> list[str] | None:
    """What --set is given, which chooses no component. Raises ConfigError."""
    for pair in pairs or []:
        if pair.partition("=")[0] in [f"{part}.name" for part in PARTS]:
            raise ConfigError(f"--set {pair}: the architecture is the command's argument, and --dataset and --method choose the others")
    return pairs


Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PART.OPTION=VALUE",
        help="An option of architecture, dataset, method or training.",
        callback=_without_names,
    ),
]


def opened(url: str | None) -> Store:
    """The store of the runs, with those in it that ship with the project. Raises StoreError."""
    from core.store.references import load_references

    store = Store(url)
    load_references(store)
    return store


def settings(pairs: list[str] | None, **chosen: str) -> dict[str, dict[str, Any]]:
    """The names of the `chosen` components and `part.option=value` pairs, by part. Raises ConfigError.

    A value is text where the option is known to take text; otherwise it is read as JSON where it is JSON.
    """
    parts: dict[str, dict[str, str]] = {part: {"name": chosen[part]} if part in chosen else {} for part in PARTS} | {"training": {}}
    for pair in pairs or []:
        name, equals, value = pair.partition("=")
        part, dot, option = name.partition(".")
        if not equals or not dot or part not in parts:
            raise ConfigError(f"--set {pair}: write it as part.option=value, with one of {', '.join(parts)} as part")
        parts[part][option] = value
    known = {part: component(PARTS[part], parts[part]["name"]) for part in chosen} | {"training": Training}
    texts = {(part, name) for part, options in known.items() for name, field in options.model_fields.items() if field.annotation is str}
    return {
        part: {option: value if (part, option) in texts else _read(value) for option, value in options.items()}
        for part, options in parts.items()
    }


def refuse_unused(what: str, given: Collection[str] | None) -> None:
    """Raises ConfigError where --set is given what has no meaning for an architecture that is not trained, or for a run that is."""
    if given:
        raise ConfigError(
            f"{what}: --set is for the architecture and the dataset of a network that is made here, not for {next(iter(given))!r}"
        )


def _read(value: str) -> Any:
    """What a value is as JSON; the text itself where it is none."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def configuration(
    architecture: str, dataset: str, method: str, lam: float | None, epochs: int | None, seed: int, pairs: list[str] | None
) -> RunConfig:
    """The configuration that a command's options ask for. Raises ConfigError."""
    parts = settings(pairs, architecture=architecture, dataset=dataset, method=method)
    training = {"seed": seed} | ({} if epochs is None else {"epochs": epochs}) | parts["training"]
    config = run_config(**parts | {"training": training}, lam=lam)
    if isinstance(config.method, DistillingMethod) and config.method.teacher and not config.method.distillation_weight:
        raise ConfigError("method.teacher teaches nothing: give its answers a weight in method.distillation_weight, 1 say")
    return config


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
