"""Descriptions of all components for help texts and forms: their summaries, papers, and options with values and defaults."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from core.bibliography import Paper
from core.registry import ComponentKind, ConfigError, component, names, title

KINDS_OF_VALUE = {  # singular and plural
    bool: ("true or false", "true or false"),
    int: ("integer", "integers"),
    float: ("number", "numbers"),
    str: ("text", "texts"),
}


@dataclass(frozen=True)
class Option:
    """One option of a component. `values` describes its valid values in words."""

    name: str
    values: str
    default: Any
    help: str

    @property
    def default_text(self) -> str:
        """The default as it is written after `--set`."""
        if isinstance(self.default, str):
            return self.default or "empty"
        return json.dumps(self.default, separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True)
class Choice:
    """One architecture, method or dataset. `title` is its name for a person, `summary` the first line of its class's docstring."""

    name: str
    title: str
    summary: str
    papers: tuple[Paper, ...]
    options: tuple[Option, ...]


def choices(kind: ComponentKind) -> list[Choice]:
    """Return every usable architecture, method or dataset in alphabetical order. `core.registry.problems` tells of the others."""
    found = []
    for name in names(kind):
        with suppress(ConfigError):
            found.append(choice(kind, name))
    return found


def choice(kind: ComponentKind, name: str) -> Choice:
    """Return one architecture, method or dataset by its name. Raises ConfigError, which lists the known names."""
    model = component(kind, name)
    return Choice(name, title(kind, name), summary(model), model.papers, tuple(options(model)))


def summary(model: type[BaseModel]) -> str:
    """Return the first line of a class's docstring."""
    return (model.__doc__ or "").strip().splitlines()[0]


def options(model: type[BaseModel]) -> list[Option]:
    """Return the options of a component or of the training in their order, without its name."""
    return [
        Option(name, _values(info.annotation, info.metadata), info.default, info.description or "")
        for name, info in model.model_fields.items()
        if name != "name"
    ]


def _values(annotation: Any, bounds: Sequence[Any], *, several: bool = False) -> str:
    """Describe the valid values of a type with these bounds in words, in the plural if `several`."""
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        return _values(inner, [bound for one in more for bound in _unpacked(one)], several=several)
    if get_origin(annotation) in (Union, UnionType):
        inner = next(one for one in get_args(annotation) if one is not NoneType)
        return f"{_values(inner, bounds, several=several)}, or null"
    if get_origin(annotation) is Literal:
        *most, last = map(str, get_args(annotation))
        return f"{', '.join(most)} or {last}" if most else last
    if get_origin(annotation) is tuple:
        return f"list{'s' * several} of {_length(bounds)}{_values(get_args(annotation)[0], (), several=True)}"
    if issubclass(annotation, BaseModel):
        return f"{annotation.__name__.lower()}{'s' * several}"
    word, span = KINDS_OF_VALUE[annotation][several], _span(bounds)
    if not span or span.startswith("from"):
        return f"{word} {span}".rstrip()
    return f"{word}, {'each ' * several}{span}"


def _unpacked(annotated: Any) -> Sequence[Any]:
    """Return the bounds in an annotation of a type, which may be a pydantic field."""
    return annotated.metadata if isinstance(annotated, FieldInfo) else (annotated,)


def _span(bounds: Sequence[Any]) -> str:
    """Describe the bounds of a number, such as "from 1 to 8" or "above 0, at most 1"."""
    words: dict[str, Any] = {}
    for bound in bounds:
        match bound:
            case annotated_types.Ge():
                words["at least"] = bound.ge
            case annotated_types.Gt():
                words["above"] = bound.gt
            case annotated_types.Le():
                words["at most"] = bound.le
            case annotated_types.Lt():
                words["below"] = bound.lt
    if words.keys() == {"at least", "at most"}:
        return f"from {words['at least']} to {words['at most']}"
    return ", ".join(f"{word} {value}" for word, value in words.items())


def _length(bounds: Sequence[Any]) -> str:
    """Describe the length of a list, with a trailing space; empty if any length is valid."""
    least = next((bound.min_length for bound in bounds if isinstance(bound, annotated_types.MinLen)), 0)
    most = next((bound.max_length for bound in bounds if isinstance(bound, annotated_types.MaxLen)), None)
    if most is None:
        return f"at least {least} " if least > 1 else ""
    return f"{least} to {most} "
