"""The options of a pydantic model as a form has to know them: what kind of value, which choices, which help. Loads without streamlit."""

import types
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

FieldKind = Literal["integer", "number", "flag", "choice", "text", "list", "groups"]


@dataclass(frozen=True)
class Field:
    """One option. `choices` those of a choice; a list holds whole numbers or texts, and groups are several lists."""

    name: str
    kind: FieldKind
    default: Any
    help: str
    optional: bool = False
    choices: tuple[Any, ...] = ()
    whole: bool = False

    @property
    def title(self) -> str:
        """Its name for a person."""
        return self.name.replace("_", " ").capitalize()


def fields(model: type[BaseModel]) -> list[Field]:
    """The options of a model, in its order, without its name."""
    return [_field(name, info) for name, info in model.model_fields.items() if name != "name"]


def parsed(field: Field, text: str) -> list[Any]:
    """What a person wrote into a list: items between commas or spaces; groups of them between semicolons.

    Raises ValueError naming what is no whole number.
    """
    if field.kind == "groups":
        return [_items(field, group) for group in text.split(";") if group.strip()]
    return _items(field, text)


def written(field: Field) -> str:
    """The default of a list or of groups as a person would write it."""
    if field.kind == "groups":
        return "; ".join(" ".join(map(str, group)) for group in field.default)
    return ", ".join(map(str, field.default))


def _items(field: Field, text: str) -> list[Any]:
    items = text.replace(",", " ").split()
    if not field.whole:
        return items
    for item in items:
        if not item.lstrip("+-").isdecimal():
            raise ValueError(f"{field.title}: {item!r} is no whole number")
    return [int(item) for item in items]


def _field(name: str, info: FieldInfo) -> Field:
    inner, optional = _without_none(info.annotation)
    inner, _ = _bare(inner)
    kind, choices, whole = _kind(inner)
    return Field(name, kind, info.default, info.description or "", optional, choices, whole)


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) in (Union, types.UnionType):
        inner = [one for one in get_args(annotation) if one is not type(None)]
        return inner[0], len(inner) < len(get_args(annotation))
    return annotation, False


def _bare(annotation: Any) -> tuple[Any, list[Any]]:
    """A type without what is annotated to it, and that."""
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        return inner, more
    return annotation, []


def _kind(annotation: Any) -> tuple[FieldKind, tuple[Any, ...], bool]:
    if get_origin(annotation) is Literal:
        return "choice", get_args(annotation), False
    if get_origin(annotation) in (tuple, list):
        item, _ = _bare(get_args(annotation)[0])
        if get_origin(item) in (tuple, list):
            return "groups", (), _kind(item)[2]
        return "list", (), item is int
    if annotation is bool:
        return "flag", (), False
    return ("integer" if annotation is int else "number" if annotation is float else "text"), (), False
