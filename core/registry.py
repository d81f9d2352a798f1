"""The registry of components: architectures, methods and datasets, one file each in their packages.

The file `core/architectures/cascade.py` contains one `Component` whose `name` is "cascade". No other registration is needed.
"""

import importlib
import re
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from core.bibliography import Paper
from core.errors import UserError

ComponentKind = Literal["architectures", "methods", "datasets"]
COMPONENT_KINDS: tuple[ComponentKind, ...] = get_args(ComponentKind)
Decides = Literal["one", "each"] | None  # control nodes pick one of several options, or open each gate independently


class ConfigError(UserError):
    """Raised for an invalid choice or option. The text is one line that says what to correct."""


class Component(BaseModel):
    """Base class of architectures, methods and datasets with their options. Frozen and hashable."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    papers: ClassVar[tuple[Paper, ...]] = ()  # the papers that describe it

    name: str


def names(kind: ComponentKind) -> list[str]:
    """Return the names of all components of a kind, in alphabetical order, without importing any of them."""
    package = importlib.import_module(f"core.{kind}")
    files = (file for folder in package.__path__ for file in Path(folder).glob("*.py"))
    return sorted(file.stem for file in files if re.search(rf"name: Literal\[['\"]{file.stem}['\"]\]", file.read_text(encoding="utf-8")))


@cache
def component(kind: ComponentKind, name: str) -> type[Component]:
    """Return the class of a component. Raises ConfigError, which lists the known names."""
    if name not in names(kind):
        raise ConfigError(f"{name!r} is not one of the {kind}: choose one of {', '.join(names(kind))}")
    module = importlib.import_module(f"core.{kind}.{name}")
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, Component) and value.__module__ == module.__name__:
            return value
    raise ConfigError(f"core/{kind}/{name}.py contains no component: add a class derived from the base class in core.{kind}")


def choose(kind: ComponentKind, choice: str | dict[str, Any] | Component) -> Component:
    """Return a component, given its name, `{"name": ..., option: value}`, or the component itself. Raises ConfigError."""
    if isinstance(choice, Component):
        return choice
    options = {"name": choice} if isinstance(choice, str) else dict(choice)
    try:
        return component(kind, str(options.get("name"))).model_validate(options)
    except ValidationError as error:
        raise ConfigError(first_line(error, f"{kind[:-1]} {options.get('name')}")) from None


def first_line(error: ValidationError, where: str) -> str:
    """Return the first fault of a validation error as one readable line."""
    fault = error.errors()[0]
    option = ".".join(str(part) for part in fault["loc"])
    return f"{where}: {option + ': ' if option else ''}{fault['msg'].removeprefix('Value error, ')}"
