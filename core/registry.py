"""The registry of components: architectures, methods and datasets, one file each in their packages.

The file `core/architectures/cascade.py` contains one `Component` whose `name` is "cascade". No other registration is needed.
"""

import importlib
import re
import traceback
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal, cast, get_args

from pydantic import AliasChoices, BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from core.bibliography import Paper
from core.errors import UserError

ComponentKind = Literal["architectures", "methods", "datasets"]
COMPONENT_KINDS: tuple[ComponentKind, ...] = get_args(ComponentKind)
NAMED = re.compile(r"name: Literal\[['\"](\w+)['\"]\]")  # how a component states its name
WORDS = {"bn": "batch norm", "lr": "learning rate"}  # abbreviations in option names, as they are written out in labels
REASONS = {  # by pydantic's kind of fault, with its figures
    "greater_than_equal": "must be at least {ge:g}",
    "greater_than": "must be above {gt:g}",
    "less_than_equal": "must be at most {le:g}",
    "less_than": "must be below {lt:g}",
    "literal_error": "must be one of {choices}",
    "too_short": "must have {min_length} or more items",
    "too_long": "must have no more than {max_length} items",
    "missing": "is missing",
    "string_type": "must be text",
    **dict.fromkeys(("int_type", "int_parsing", "int_parsing_size", "int_from_float"), "must be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), "must be a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false"),
    **dict.fromkeys(("tuple_type", "list_type"), "must be a list"),
}
# Control nodes pick one of several options, open each gate independently, or stop when halting scores add up to enough.
Decides = Literal["one", "each", "halt"] | None
Trains = Decides | Literal["any"]  # the control nodes that a method trains; "any": one option, or each gate


class ConfigError(UserError):
    """Raised for an invalid choice or option. The text is one line that says what to correct."""


class OptionError(ConfigError):
    """Raised for an invalid value of an option. The text also names the option as `--set` does; `in_form` names it as the form does."""

    def __init__(self, text: str, in_form: str) -> None:
        super().__init__(text)
        self.in_form = in_form


class Component(BaseModel):
    """Base class of architectures, methods and datasets with their options. Frozen and hashable."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: ClassVar[str] = ""  # its name for a person; empty: the technical name in words
    papers: ClassVar[tuple[Paper, ...]] = ()  # the papers that describe it
    as_published: ClassVar[Mapping[str, Any]] = {}  # options as the first of the papers chose them, where the defaults differ
    by_form: ClassVar[bool] = True  # whether its options can be set one by one; otherwise a command of its own sets them

    name: str


def names(kind: ComponentKind) -> list[str]:
    """Return the names of all components of a kind, in alphabetical order, without importing any of them."""
    return sorted(stem for stem, declared in _files(kind) if stem in declared)


def problems(kind: ComponentKind) -> list[str]:
    """Return why files of a kind cannot be used, one line for each such file. Imports the others."""
    found = []
    for stem, declared in sorted(_files(kind)):
        if declared:
            try:
                component(kind, stem)
            except ConfigError as error:
                found.append(str(error))
    return found


def _files(kind: ComponentKind) -> Iterator[tuple[str, list[str]]]:
    """Yield the name of each file of a kind and the names that components declare in it."""
    for folder in importlib.import_module(f"core.{kind}").__path__:
        for file in Path(folder).glob("[!_]*.py"):
            yield file.stem, NAMED.findall(file.read_text(encoding="utf-8"))


@cache
def component(kind: ComponentKind, name: str) -> type[Component]:
    """Return the class of a component. Raises ConfigError, which lists the known names or says what is wrong with the file."""
    file = f"core/{kind}/{name}.py"
    if name not in names(kind):
        declared = dict(_files(kind)).get(name)
        if declared:
            raise ConfigError(f"{file}: its component is named {declared[0]!r}: name it {name!r}, or rename the file to {declared[0]}.py")
        hint = "" if declared is None else f'; {file} has no class with name: Literal["{name}"] = "{name}"'
        raise ConfigError(f"{name!r} is not one of the {kind}: choose one of {', '.join(names(kind))}{hint}")
    try:
        module = importlib.import_module(f"core.{kind}.{name}")
    except Exception as error:
        where = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).stem == name]
        line = f" (line {where[-1]})" if where else ""
        raise ConfigError(f"{file}: cannot be imported: {type(error).__name__}: {error}{line}") from error
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, Component) and name in get_args(value.model_fields["name"].annotation):
            if missing := sorted(value.__abstractmethods__):
                raise ConfigError(
                    f"{file}: class {value.__name__} lacks {' and '.join(missing)}: core/{kind}/__init__.py describes what to define"
                )
            return value
    raise ConfigError(f"{file}: no class with this name derives from the base class in core.{kind}: derive it from there")


def choose(kind: ComponentKind, choice: str | dict[str, Any] | Component) -> Component:
    """Return a component, given its name, `{"name": ..., option: value}`, or the component itself. Raises ConfigError."""
    if isinstance(choice, Component):
        return choice
    if not isinstance(choice, str | dict):
        raise ConfigError(f"{kind[:-1]} must be a name, or a name with options")
    options = {"name": choice} if isinstance(choice, str) else dict(choice)
    model = component(kind, str(options.get("name")))
    try:
        return model.model_validate(options)
    except ValidationError as error:
        raise first_fault(error, model, kind[:-1]) from None


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


def first_fault(error: ValidationError, model: type[BaseModel], part: str = "") -> ConfigError:
    """Return the first fault of a model's options as an error for a person. `part`: the word before its options in `--set`, if any."""
    fault = error.errors()[0]
    figures, kind = fault.get("ctx", {}), fault["type"]
    if isinstance(inner := figures.get("error"), ConfigError):
        return inner
    text = fault["msg"].removeprefix("Value error, ")
    *outer, given = [step for step in fault["loc"] if isinstance(step, str)] or [""]
    for name in outer:
        model = cast("type[BaseModel]", model.model_fields[name].annotation)
    name = _current_names(model).get(given, given)
    spelling = ".".join(filter(None, (part, *outer, name)))
    if name not in model.model_fields:  # a fault of the options together, or an unknown option
        return ConfigError(f"{spelling} is not an option: {_nearest(model, given, spelling)}." if given else text)
    plain = label(name, model.model_fields[name]).partition(" (")[0]
    numbers = [f"item {step + 1}, " for step in fault["loc"] if isinstance(step, int)]
    item = f", {''.join(numbers)}" if numbers else " "
    if kind == "extra_forbidden":
        reason = f"is given twice: leave out {given}, its earlier name"
    elif kind in REASONS:
        choices = str(figures.get("expected")).replace("'", "").replace(" or ", ", ")
        reason = REASONS[kind].format_map(figures | {"choices": choices})
    else:
        item, reason = ": ", text
    return OptionError(f"{plain} ({spelling}){item}{reason}.", f"{plain}{item}{reason}.")


def _current_names(model: type[BaseModel]) -> dict[str, str]:
    """Return the current name of each option, by this name and by its earlier ones."""
    aliases = {name: info.validation_alias for name, info in model.model_fields.items()}
    return {
        str(earlier): name
        for name, alias in aliases.items()
        for earlier in ([name, *alias.choices] if isinstance(alias, AliasChoices) else [name])
    }


def _nearest(model: type[BaseModel], given: str, spelling: str) -> str:
    """Return in words the options of a model that resemble what was given, or else all of them."""
    known = {spelt: name for spelt, name in _current_names(model).items() if name != "name"}
    close = get_close_matches(given, known, 3, 0.5)
    stem = spelling.removesuffix(given)
    found = list(dict.fromkeys(f"{stem}{known[option]}" for option in close or known))
    if not found:
        return "there are none"
    return f"the nearest {'are' if len(found) > 1 else 'is'} {', '.join(found)}" if close else f"choose one of {', '.join(found)}"
