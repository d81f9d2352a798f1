"""Read from a pydantic model what a form needs for each option: kind of value, choices, label and help. Loads without streamlit."""

import types
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

FieldKind = Literal["integer", "number", "flag", "choice", "text", "list", "groups"]
WORDS = {"bn": "batch norm", "lr": "learning rate"}  # abbreviations in option names, as they are written out in labels


@dataclass(frozen=True)
class Field:
    """One option. A list holds integers or texts, and groups are several lists."""

    name: str
    label: str
    kind: FieldKind
    default: Any
    help: str
    optional: bool = False
    choices: tuple[Any, ...] = ()
    integers: bool = False


def fields(model: type[BaseModel]) -> list[Field]:
    """Return the options of a model, in its order, without its name."""
    return [_field(name, info) for name, info in model.model_fields.items() if name != "name"]


def parsed(field: Field, text: str) -> list[Any]:
    """Return what a person wrote into a list: items separated by commas or spaces, and groups of them by semicolons.

    Raises ValueError naming an item that is not a whole number.
    """
    if field.kind == "groups":
        return [_items(field, group) for group in text.split(";") if group.strip()]
    return _items(field, text)


def written(field: Field) -> str:
    """Return the default of a list or of groups as a person would write it."""
    if field.kind == "groups":
        return "; ".join(" ".join(map(str, group)) for group in field.default)
    return ", ".join(map(str, field.default))


def _items(field: Field, text: str) -> list[Any]:
    items = text.replace(",", " ").split()
    if not field.integers:
        return items
    for item in items:
        if not item.lstrip("+-").isdecimal():
            raise ValueError(f"{field.label}: {item!r} is not a whole number")
    return [int(item) for item in items]


def _field(name: str, info: FieldInfo) -> Field:
    inner, optional = _without_none(info.annotation)
    kind, choices, integers = _kind(_without_metadata(inner))
    return Field(name, info.title or words(name).capitalize(), kind, info.default, info.description or "", optional, choices, integers)


def words(name: str) -> str:
    """Return an option's name as words: "learning rate"."""
    return " ".join(WORDS.get(word, word) for word in name.split("_"))


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
