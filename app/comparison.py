"""A run's figures at one λ, and the settings in which runs differ. Loads without torch and without streamlit."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel

from app.fields import Field, fields, shown
from core.config import Training
from core.registry import ComponentKind, component, names, title, words
from core.store import Run

PARTS: dict[str, ComponentKind] = {"architecture": "architectures", "dataset": "datasets", "method": "methods"}


def figures_at(run: Run, lam: float) -> dict[str, Any] | None:
    """Return a run's test figures at the λ nearest to this one; none before the run is finished."""
    rows = run.figures.get("test") or []
    return min(rows, key=lambda row: abs((row["lam"] if row["lam"] is not None else lam) - lam), default=None)


def differing(configs: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the settings that differ, each with its value in every configuration; a dash where there is no such setting."""
    settings = [flat(config) for config in configs]
    known = dict.fromkeys(name for one in settings for name in one)
    values = {name: [written_value(name, one, config) for one, config in zip(settings, configs, strict=True)] for name in known}
    return {name: written for name, written in values.items() if len(set(written)) > 1}


def setting_label(name: str, configs: Sequence[Mapping[str, Any]]) -> str:
    """Return a setting's name for a person: "Architecture: filters of each trunk". Settings of removed components keep their words."""
    part, _, option = name.partition(".")
    if not option:
        return "λ" if part == "lam" else words(part).capitalize()
    if option == "name":
        return part.capitalize()
    labels = [known[option].label for known in map(_options, models(part, configs)) if option in known]
    label = labels[0] if labels else words(option)
    return f"{part.capitalize()}: {label[:1].lower() + label[1:] if label[1:2].islower() else label}"


def models(part: str, configs: Sequence[Mapping[str, Any]]) -> list[type[BaseModel]]:
    """Return the models of the options of one part of some configurations."""
    if part == "training":
        return [Training]
    kind = PARTS[part]
    chosen = dict.fromkeys(str(config.get(part, {}).get("name")) for config in configs)
    return [component(kind, name) for name in chosen if name in names(kind)]


def flat(options: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return options without parts in parts: {"training.epochs": 10}."""
    found: dict[str, Any] = {}
    for name, value in options.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def written_value(name: str, settings: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """Return the value of a setting as a person reads it."""
    part, _, option = name.partition(".")
    value = settings.get(name)
    if value is None or not option:
        return shown(value)
    if option == "name":
        return title(PARTS[part], value)
    known = [options[option] for options in map(_options, models(part, [config])) if option in options]
    return known[0].shown(value) if known else shown(value)


@cache
def _options(model: type[BaseModel]) -> dict[str, Field]:
    return {field.name: field for field in fields(model)}
