"""The registry of components: architectures, methods and datasets, one file each in their packages.

The file `core/architectures/cascade.py` contains one `Component` whose `name` is "cascade". No other registration is needed.
"""

import importlib
import re
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from core.bibliography import Paper
from core.errors import UserError

ComponentKind = Literal["architectures", "methods", "datasets"]
COMPONENT_KINDS: tuple[ComponentKind, ...] = get_args(ComponentKind)
WORDS = {"bn": "batch norm", "lr": "learning rate"}  # abbreviations in option names, as they are written out in labels
REASONS = {  # by pydantic's kind of fault, with its figures
    "greater_than_equal": "must be at least {ge:g}",
    "greater_than": "must be above {gt:g}",
    "less_than_equal": "must be at most {le:g}",
    "less_than": "must be below {lt:g}",
    "literal_error": "must be {expected}",
    "too_short": "must have {min_length} or more items",
    "too_long": "must have no more than {max_length} items",
    "extra_forbidden": "is not an option",
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "must be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), "must be a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false"),
    **dict.fromkeys(("tuple_type", "list_type"), "must be a list"),
}
Decides = Literal["one", "each"] | None  # control nodes pick one of several options, or open each gate independently


class ConfigError(UserError):
    """Raised for an invalid choice or option. The text is one line that says what to correct."""


class OptionError(ConfigError):
    """Raised for an invalid value of an option. The text names it as the command line does, `in_form` as the form does."""

    def __init__(self, text: str, in_form: str) -> None:
        super().__init__(text)
        self.in_form = in_form


class Component(BaseModel):
    """Base class of architectures, methods and datasets with their options. Frozen and hashable."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: ClassVar[str] = ""  # its name for a person; empty: the technical name in words
    papers: ClassVar[tuple[Paper, ...]] = ()  # the papers that describe it
    by_form: ClassVar[bool] = True  # whether its options can be set one by one; otherwise a command of its own sets them

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
        raise first_fault(error, component(kind, str(options.get("name"))), f"{kind[:-1]} {options.get('name')}") from None


def title(kind: ComponentKind, name: str) -> str:
    """Return a component's name for a person; of a removed component, its technical name in words."""
    try:
        return component(kind, name).title or words(name).capitalize()
    except ConfigError:
        return words(name).capitalize()


def label(name: str, option: FieldInfo) -> str:
    """Return an option's name for a person."""
    return option.title or words(name).capitalize()


def words(name: str) -> str:
    """Return a technical name as words: "learning rate"."""
    return " ".join(WORDS.get(word, word) for word in name.split("_"))


def first_fault(error: ValidationError, model: type[BaseModel], where: str = "") -> ConfigError:
    """Return the first fault of a model's options as an error for a person. On the command line, `where` precedes it."""
    before = f"{where}: " if where else ""
    fault = error.errors()[0]
    known, place = fault.get("ctx", {}), fault["loc"]
    if isinstance(inner := known.get("error"), ConfigError):
        return inner
    if fault["type"] not in REASONS or not place:
        text = fault["msg"].removeprefix("Value error, ")
        spelling = ".".join(map(str, place))
        return OptionError(f"{before}{spelling + ': ' if spelling else ''}{text}", text)
    reason = REASONS[fault["type"]].format_map(known)
    items = [f", item {part + 1}" for part in place if isinstance(part, int)]
    item = "".join(items) + "," * bool(items)
    names = [part for part in place if isinstance(part, str)]
    return OptionError(f"{before}{'.'.join(names)}{item} {reason}", f"{_label(model, names)}{item} {reason}.")


def _label(model: type[BaseModel], names: list[str]) -> str:
    """Return the label, without its unit, of an option of a model or of one of the models in it."""
    first, *rest = names
    option = model.model_fields.get(first)
    if option is None:
        return f"“{first}”"
    inner = option.annotation
    if rest and isinstance(inner, type) and issubclass(inner, BaseModel):
        return _label(inner, rest)
    return label(first, option).partition(" (")[0]
