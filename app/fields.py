"""Read from a pydantic model what a form needs for each option: kind of value, choices, label and help. Loads without streamlit."""

import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from core.registry import label

FieldKind = Literal["integer", "number", "flag", "choice", "text", "list", "groups"]


@dataclass(frozen=True)
class Field:
    """One option. A list holds integers or texts, and groups are several lists. `labels` are its choices in words, by their text."""

    name: str
    label: str
    kind: FieldKind
    default: Any
    help: str
    optional: bool = False
    choices: tuple[Any, ...] = ()
    integers: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)

    def shown(self, value: Any) -> str:
        """Return a value as a person reads it: a choice by its label, "yes" or "no", numbers without brackets."""
        if self.kind == "choice":
            return self.labels.get(str(value), str(value).capitalize())
        return shown(value)


def fields(model: type[BaseModel]) -> list[Field]:
    """Return the options of a model, in its order, without its name."""
    return [_field(name, info) for name, info in model.model_fields.items() if name != "name"]


def shown(value: Any) -> str:
    """Return the value of an option as a person reads it; a dash for none."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        grouped = any(isinstance(item, (list, tuple)) for item in value)
        return ("; " if grouped else ", ").join(shown(item) for item in value) or "–"
    if isinstance(value, float):
        return f"{value:g}"
    return "–" if value is None or value == "" else str(value)


def parsed(option: Field, text: str) -> list[Any]:
    """Return what a person wrote into a list: items separated by commas or spaces, and groups of them by semicolons.

    Raises ValueError naming an item that is not a whole number.
    """
    if option.kind == "groups":
        return [_items(option, group) for group in text.split(";") if group.strip()]
    return _items(option, text)


def written(option: Field, value: Sequence[Any]) -> str:
    """Return the value of a list or of groups as a person would write it."""
    if option.kind == "groups":
        return "; ".join(" ".join(map(str, group)) for group in value)
    return ", ".join(map(str, value))


def _items(option: Field, text: str) -> list[Any]:
    items = text.replace(",", " ").split()
    if not option.integers:
        return items
    for item in items:
        if not item.lstrip("+-").isdecimal():
            raise ValueError(f"{option.label}: {item!r} is not a whole number")
    return [int(item) for item in items]


def _field(name: str, info: FieldInfo) -> Field:
    inner, optional = _without_none(info.annotation)
    kind, choices, integers = _kind(_without_metadata(inner))
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    labels = cast(Mapping[str, str], extra.get("labels", {}))
    return Field(name, label(name, info), kind, info.default, info.description or "", optional, choices, integers, labels)


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) in (Union, types.UnionType):
        inner = [one for one in get_args(annotation) if one is not type(None)]
        return inner[0], len(inner) < len(get_args(annotation))
    return annotation, False


def _without_metadata(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _kind(annotation: Any) -> tuple[FieldKind, tuple[Any, ...], bool]:
    if get_origin(annotation) is Literal:
        return "choice", get_args(annotation), False
    if get_origin(annotation) in (tuple, list):
        item = _without_metadata(get_args(annotation)[0])
        if get_origin(item) in (tuple, list):
            return "groups", (), _kind(item)[2]
        return "list", (), item is int
    if annotation is bool:
        return "flag", (), False
    return ("integer" if annotation is int else "number" if annotation is float else "text"), (), False
