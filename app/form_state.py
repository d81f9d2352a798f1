"""What the Train form holds, in the session: a value for each option, by the key of its widget. It stays when the page is left."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import streamlit as st
from pydantic import BaseModel

from app.fields import Field, fields, written
from core.config import RunConfig, Training, run_config, unsuitable
from core.recipes import Recipe
from core.registry import ComponentKind, ConfigError, component
from core.store import Run

PARTS: dict[str, ComponentKind] = {"architecture": "architectures", "dataset": "datasets", "method": "methods"}
PRESET = "form-preset"  # key of the session: the preset that the form was filled with
EVERY, ONE, SEVERAL = "One network for every λ", "One network for one λ", "Sweep: several networks"


def key(where: str, name: str) -> str:
    """Return the key of an option's widget. `where`: the group of options that it belongs to."""
    return f"form-{where}-{name}"


def group(kind: ComponentKind, name: str) -> str:
    """Return the group of a component's options."""
    return f"{kind}-{name}"


def begin(where: str, field: Field) -> str:
    """Give an option its default unless it has a value; return the key of its widget."""
    name = key(where, field.name)
    if name not in st.session_state:
        st.session_state[name] = entered(field, field.default)
    return name


def entered(field: Field, value: Any) -> Any:
    """Return what stands in an option's widget for a value."""
    match field.kind:
        case "list" | "groups":
            return written(field, value)
        case "number":
            return None if value is None else float(value)
        case "text":
            return value or ""
        case "choice":
            return next((choice for choice in field.choices if choice == value), field.default)
        case _:
            return value


def prefill(config: RunConfig | Mapping[str, Any], name: str = "") -> None:
    """Fill the form with a configuration, or with that of a run as it is stored, so that it can be changed and started again.

    To be called before the form is drawn: by a callback, or on another page. Raises ConfigError for a configuration that is not valid any
    more, or that another form makes.
    """
    known = config if isinstance(config, RunConfig) else run_config(**config)
    if not known.architecture.by_form:
        raise ConfigError("a model cascade is made on Runs: select its networks there and choose “Make a cascade”")
    chosen = known.model_dump(mode="json")
    state = st.session_state
    for part, kind in PARTS.items():
        component_name = chosen[part]["name"]
        state[f"form-{kind}"] = component_name
        _set(group(kind, component_name), fields(component(kind, component_name)), chosen[part])
    _set("training", fields(Training), chosen["training"])
    state["form-recipe"], state["form-filled"], state["form-name"], state[PRESET] = "", "", name, ""
    state["form-lam-choice"] = EVERY if known.lam is None else ONE
    if known.lam is not None:
        state["form-lam"] = known.lam


def prefill_again(run: Run) -> None:
    """Fill the form with the configuration of a run, without the folder that an imported file names. Raises ConfigError."""
    dataset = run.config.get("dataset", {})
    prefill(run.config | ({"dataset": dataset | {"path": ""}} if run.imported and "path" in dataset else {}))


def suitable(architecture: str, methods: Sequence[str]) -> list[str]:
    """Return which of these methods can train an architecture with the options that are switched on."""
    model = component("architectures", architecture)
    keys = {field.name: key(group("architectures", architecture), field.name) for field in fields(model) if field.kind == "flag"}
    flags = {name: st.session_state[widget] for name, widget in keys.items() if widget in st.session_state}
    shape = cast(Any, model.model_validate({"name": architecture}).model_copy(update=flags))
    trainers = {name: cast(Any, component("methods", name).model_validate({"name": name})) for name in methods}
    return [name for name, trainer in trainers.items() if not unsuitable(shape, trainer)]


def apply_recipe(chosen: Recipe | None, former: Recipe | None, method: str) -> None:
    """Fill in the options of a recipe, and give those of the former recipe their defaults again."""
    owners: dict[str, tuple[str, type[BaseModel]]] = {
        "training": ("training", Training),
        "method": (group("methods", method), component("methods", method)),
    }
    for part, (where, model) in owners.items():
        known = {field.name: field for field in fields(model)}
        reset = {} if former is None else {name: known[name].default for name in former.part(part) if name in known}
        filled = {} if chosen is None else {name: value for name, value in chosen.part(part).items() if name in known}
        values = reset | filled
        _set(where, [known[name] for name in values], values)


def _set(where: str, known: list[Field], values: Mapping[str, Any]) -> None:
    for field in known:
        st.session_state[key(where, field.name)] = entered(field, values[field.name])
