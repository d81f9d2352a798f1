"""The configuration that a command's options describe."""

import json
import shlex
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, cast

from core.config import RunConfig, Training, run_config
from core.datasets import Dataset
from core.evaluation.series import MIXED_SWEEP_SERIES
from core.methods import DistillingMethod
from core.recipes import recipe as recipe_named
from core.registry import ComponentKind, ConfigError, choose, component

if TYPE_CHECKING:
    from core.graph.graph import Graph

KIND_OF_PART: dict[str, ComponentKind] = {"architecture": "architectures", "dataset": "datasets", "method": "methods"}


def settings(pairs: list[str] | None, **chosen: str) -> dict[str, dict[str, Any]]:
    """Return the names of the `chosen` components and the `part.option=value` pairs, by part. Raises ConfigError.

    A value is text where the option is known to take text; otherwise it is read as JSON where it is JSON.
    """
    parts: dict[str, dict[str, str]] = {part: {"name": chosen[part]} if part in chosen else {} for part in KIND_OF_PART} | {"training": {}}
    for pair in pairs or []:
        name, equals, value = pair.partition("=")
        part, dot, option = name.partition(".")
        if not equals or not dot or part not in parts:
            raise ConfigError(f"--set {pair}: write it as part.option=value, where part is one of {', '.join(parts)}")
        parts[part][option] = value
    known = {part: component(KIND_OF_PART[part], parts[part]["name"]) for part in chosen} | {"training": Training}
    texts = {(part, name) for part, options in known.items() for name, field in options.model_fields.items() if field.annotation is str}
    return {
        part: {option: value if (part, option) in texts else _read(value) for option, value in options.items()}
        for part, options in parts.items()
    }


def configuration(
    architecture: str,
    dataset: str,
    method: str,
    lam: float | None,
    epochs: int | None,
    seed: int,
    pairs: list[str] | None,
    recipe: str | None = None,
    *,
    published: bool = False,
) -> RunConfig:
    """Return the configuration that a command's options describe. Raises ConfigError.

    First come those of the recipe, then, if `published`, the papers' own choices, and last those that were set.
    """
    parts = settings(pairs, architecture=architecture, dataset=dataset, method=method)
    parts["training"] = {"seed": seed} | ({} if epochs is None else {"epochs": epochs}) | parts["training"]
    if published:
        parts |= {part: dict(component(kind, parts[part]["name"]).as_published) | parts[part] for part, kind in KIND_OF_PART.items()}
    if recipe is not None:
        parts = {part: recipe_named(recipe).part(part) | options for part, options in parts.items()}
    config = run_config(**parts, lam=lam)
    if isinstance(config.method, DistillingMethod) and config.method.teacher and not config.method.distillation_weight:
        raise ConfigError("method.teacher has no effect: set method.distillation_weight above 0 as well, for example to 1")
    return config


def check_one_lam(config: RunConfig, lams: Collection[float | None], option: str) -> None:
    """Raise ConfigError if a network is to be trained for every λ, which no paper does. `option`: the one that names values of λ."""
    if config.gated and None in lams:
        raise ConfigError(f"--published: the papers train one network for each λ. Name values with {option}, for example {option} 0.5")


def moved_dataset(config: RunConfig, pairs: list[str] | None) -> Dataset:
    """Return the dataset of a run, read from the folder of `dataset.path=FOLDER` where that is given. Raises ConfigError."""
    given = {}
    for pair in pairs or []:
        name, equals, value = pair.partition("=")
        if name != "dataset.path" or not equals:
            raise ConfigError(f"--set {pair}: the options belong to the run; only dataset.path=FOLDER can be set, for data that has moved")
        given["path"] = value
    if given and "path" not in type(config.dataset).model_fields:
        raise ConfigError(f"--set dataset.path: {config.dataset.name} is not read from a folder. Leave it out")
    moved: Any = choose("datasets", config.dataset.model_dump() | given)
    return cast(Dataset, moved)


def untrained(architecture: str, dataset: str, pairs: list[str] | None, size: int | None = None) -> "Graph":
    """Return an architecture with random weights for a dataset's images, or for images of another side. Raises ConfigError."""
    parts = settings(pairs, architecture=architecture, dataset=dataset)
    refuse_unused(architecture, parts["method"] | parts["training"])
    shape: Any = choose("architectures", parts["architecture"])
    source: Any = choose("datasets", parts["dataset"])
    image, classes = source.outline()
    image = image if size is None else (image[0], size, size)
    graph: Graph = shape.build(image, len(classes), every_lam=True)
    return graph


def refuse_unused(what: str, given: Collection[str] | None) -> None:
    """Raise ConfigError where --set names options that do not apply: a trained run has none, an untrained network no method."""
    if given:
        raise ConfigError(
            f"{what}: --set applies to the architecture and the dataset of a network with random weights, not to {next(iter(given))!r}"
        )


def variant(text: str) -> tuple[str, list[str]]:
    """Return the name and the settings of a sweep's variant, `NAME: part.option=value …`. Raises ConfigError."""
    name, colon, pairs = text.partition(":")
    if not colon or not name.strip() or "/" in name:
        raise ConfigError(f"--variant {text}: write it as NAME: part.option=value, with spaces between several settings")
    if name.strip() in MIXED_SWEEP_SERIES:
        raise ConfigError(f"--variant {text}: the name {name.strip()} is reserved for series of a sweep; choose something else")
    try:
        return name.strip(), shlex.split(pairs)
    except ValueError as error:
        raise ConfigError(f"--variant {text}: {error}") from None


def _read(value: str) -> Any:
    """Return a value as JSON, or the text itself where it is not JSON, or is nested too deeply to be a value of any option."""
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
