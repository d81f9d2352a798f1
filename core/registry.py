"""What can be chosen: architectures, methods and datasets, each one file of its package.

A file `core/architectures/cascade.py` holds one `Component` whose `name` is `"cascade"`; nothing else has to be told of it.
"""

import importlib
import re
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from core.bibliography import Paper
from core.errors import UserError

Kind = Literal["architectures", "methods", "datasets"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Decides = Literal["one", "each"] | None  # how control nodes decide: for one of several options, or for each gate on its own


class ConfigError(UserError):
    """A choice or an option that cannot be; its text is one line that says what to mend."""


class Component(BaseModel):
    """One architecture, method or dataset together with its options: frozen, hashable, the same object for form, row and run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    papers: ClassVar[tuple[Paper, ...]] = ()  # where it was published

    name: str


def names(kind: Kind) -> list[str]:
    """Return the names that can be chosen, in alphabetical order, without importing any of them."""
    package = importlib.import_module(f"core.{kind}")
    files = (file for folder in package.__path__ for file in Path(folder).glob("*.py"))
    return sorted(file.stem for file in files if re.search(rf"name: Literal\[['\"]{file.stem}['\"]\]", file.read_text(encoding="utf-8")))


@cache
def component(kind: Kind, name: str) -> type[Component]:
    """The class behind a name. Raises ConfigError naming the known ones."""
    if name not in names(kind):
        raise ConfigError(f"{name!r} is not one of the {kind}: choose one of {', '.join(names(kind))}")
    module = importlib.import_module(f"core.{kind}.{name}")
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, Component) and value.__module__ == module.__name__:
            return value
    raise ConfigError(f"core/{kind}/{name}.py holds no component: derive a class from core.{kind}'s base class there")


def choose(kind: Kind, choice: str | dict[str, Any] | Component) -> Component:
    """A component from its name, from `{"name": ..., option: value}`, or as it is. Raises ConfigError."""
    if isinstance(choice, Component):
        return choice
    options = {"name": choice} if isinstance(choice, str) else dict(choice)
    try:
        return component(kind, str(options.get("name"))).model_validate(options)
    except ValidationError as error:
        raise ConfigError(first_line(error, f"{kind[:-1]} {options.get('name')}")) from None


def first_line(error: ValidationError, where: str) -> str:
    """The first fault of a validation error as one line for a person."""
    fault = error.errors()[0]
    option = ".".join(str(part) for part in fault["loc"])
    return f"{where}: {option + ': ' if option else ''}{fault['msg'].removeprefix('Value error, ')}"
