"""Composes a model cascade of trained members: their order, the images that none was trained on, and the run that trains it."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, combinations, count
from typing import Any

import torch

from core.config import MAX_EPOCHS, RunConfig, run_config
from core.datasets import DataError, Dataset
from core.methods.static import Static
from core.registry import ConfigError
from core.store import Run, Store
from core.training.members import Given, pack_members
from core.training.tabulation import unseen_size

LETTERS = 90  # letters of a member's title, before the number that tells it from another
OTHER_NODES = re.compile(r"x|[yQ]\d+")  # names of a cascade's input, outputs and controllers
LEAST_STEPS = 400  # of controllers that see few images: they pass over them more often than others, unless told how often


@dataclass(frozen=True)
class Unseen:
    """Where the images come from that no member was trained on: options of `model_cascade`, and a sentence about them."""

    options: dict[str, Any]
    sentence: str


@dataclass(frozen=True)
class Composition:
    """A cascade to train: its configuration, its members from cheap to expensive, and which images teach its controllers."""

    config: RunConfig
    members: Sequence[Given]
    sentence: str


def compose(
    given: Sequence[Given],
    dataset: Dataset,
    *,
    lam: float | None = None,
    architecture: dict[str, Any] | None = None,
    method: dict[str, Any] | None = None,
    training: dict[str, Any] | None = None,
) -> Composition:
    """Compose a cascade of members, from cheap to expensive.

    `architecture`, `method` and `training` are further options of each. Where these do not say how many epochs and few images teach the
    controllers, there are enough epochs for LEAST_STEPS steps. Raises ConfigError.
    """
    if training and training.get("init_from"):
        raise ConfigError("training.init_from: the members bring their own weights. Leave it out")
    ordered = _in_order(given)
    unseen = unseen_images(ordered, dataset)
    _check_different(ordered)
    config = run_config(
        architecture=unseen.options | (architecture or {}) | {"name": "model_cascade", "members": [one.member for one in ordered]},
        dataset=dataset,
        method={"lam_scale": "budget"} | (method or {}) | {"name": "d2nn"},
        lam=lam,
        training=training or {},
    )
    sentence = unseen.sentence
    if "epochs" not in (training or {}) and (epochs := _epochs(config)) > config.training.epochs:
        config = config.model_copy(update={"training": config.training.model_copy(update={"epochs": epochs})})
        sentence += f" They are few, so the controllers see each of them {epochs} times."
    return Composition(config, ordered, sentence)


def create_run(store: Store, composed: Composition, name: str | None = None) -> Run:
    """Add a cascade that is to be trained to a store, with its members' weights. Raises StoreError."""
    run = store.runs.create(composed.config.record(), name=name)
    try:
        store.checkpoints.save(run.id, 0, pack_members(composed.members))
    except BaseException:
        store.runs.purge(run.id)
        raise
    return run


def _epochs(config: RunConfig) -> int:
    """Return how many epochs of the controllers have LEAST_STEPS steps; 1 where the images are not on this machine."""
    try:
        train, val, _ = config.dataset.sizes()
    except DataError:
        return 1
    return min(math.ceil(LEAST_STEPS / math.ceil(unseen_size(config, train, val) / config.training.batch_size)), MAX_EPOCHS)


def _in_order(given: Sequence[Given]) -> list[Given]:
    """Return members from cheap to expensive, with titles that differ. Raises ConfigError if there are fewer than two."""
    if len(given) < 2:
        raise ConfigError("a cascade needs at least two members: name two or more runs or files, from cheap to expensive")
    return _with_titles(sorted(given, key=lambda one: one.macs))


def _check_different(given: Sequence[Given]) -> None:
    """Raise ConfigError if a network is among the members twice."""
    for one, other in combinations(given, 2):
        if _same(one, other):
            raise ConfigError(f"members {one.member.title} and {other.member.title} are the same network: name it once")


def _same(one: Given, other: Given) -> bool:
    """Return whether two members compute the same: equal options and equal weights."""
    alike = {"title", "origin"}
    return (
        one.member.model_dump(exclude=alike) == other.member.model_dump(exclude=alike)
        and one.weights.keys() == other.weights.keys()
        and all(torch.equal(tensor, other.weights[name]) for name, tensor in one.weights.items())
    )


def unseen_images(given: Sequence[Given], dataset: Dataset) -> Unseen:
    """Choose the images for the controllers. Raises ConfigError where a member was trained on another split of the same images."""
    trained = [(one.member.title, one.trained) for one in given if one.trained is not None]
    for title, config in trained:
        if config.dataset.name != dataset.name:
            raise ConfigError(
                f"member {title} was trained on {config.dataset.title}, and the cascade is for {dataset.title}: "
                "choose members that were trained on the same images"
            )
        if _split_of(config.dataset) != _split_of(dataset):
            raise ConfigError(
                f"member {title} was trained on another split, {_described(config.dataset)}: give the cascade the same dataset options"
            )
    if not trained:
        return Unseen({"unseen": "holdout"}, "The members were trained elsewhere: 10% of the training images teach the controllers.")
    left_out = {
        (config.method.controller_holdout if isinstance(config.method, Static) else 0.0, config.training.seed) for _, config in trained
    }
    fraction, seed = min(left_out)
    same_images = all(config.dataset.model_dump(exclude={"path"}) == dataset.model_dump(exclude={"path"}) for _, config in trained)
    if len(left_out) > 1 or not fraction or not same_images:
        sentence = "The members share no holdout: half of the validation images teach the controllers, and the other half calibrates λ."
        return Unseen({"unseen": "validation"}, sentence)
    options = {"unseen": "holdout", "unseen_fraction": fraction, "unseen_seed": seed}
    return Unseen(options, f"The {fraction:.0%} of the training images that no member was trained on teach the controllers.")


def _split_of(dataset: Dataset) -> dict[str, Any]:
    """Return the options that fix which image is in which split."""
    return dataset.model_dump(exclude={"path", *dataset.for_training})


def _described(dataset: Dataset) -> str:
    return ", ".join(f"{name}={value}" for name, value in _split_of(dataset).items())


def _with_titles(given: Sequence[Given]) -> list[Given]:
    """Return the members with titles that differ from each other and from the names of a cascade's other nodes."""
    titles: list[str] = []
    for one in given:
        base = one.member.title[:LETTERS]
        numbered = (f"{base} ({number})" for number in count(2))
        titles.append(next(title for title in chain([base], numbered) if title not in titles and not OTHER_NODES.fullmatch(title)))
    return [one.titled(title) for one, title in zip(given, titles, strict=True)]
