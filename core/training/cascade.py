"""Composes a model cascade from trained members: their order, the images that none was trained on, and the initial weights."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.config import RunConfig, run_config
from core.datasets import Dataset
from core.methods.static import Static
from core.registry import ConfigError
from core.training.members import Given, pack_members


@dataclass(frozen=True)
class Unseen:
    """Where the images come from that no member was trained on: options of `model_cascade`, and a sentence about them."""

    options: dict[str, Any]
    sentence: str


def compose(
    given: Sequence[Given],
    dataset: Dataset,
    folder: Path,
    *,
    lam: float | None,
    architecture: dict[str, Any],
    method: dict[str, Any],
    training: dict[str, Any],
) -> tuple[RunConfig, str]:
    """Return the configuration of a cascade of members, and a sentence on which images teach its controllers.

    `architecture`, `method` and `training` are further options of each. The members' weights are written to a file in `folder`, where the
    training finds them. Raises ConfigError.
    """
    if len(given) < 2:
        raise ConfigError("a cascade needs at least two members: name two or more runs or files, from cheap to expensive")
    ordered = _with_titles(sorted(given, key=lambda one: one.macs))
    unseen = unseen_images(ordered, dataset)
    packed = pack_members(ordered)
    file = folder / f"members-{hashlib.sha256(packed).hexdigest()[:16]}.safetensors"
    config = run_config(
        architecture=unseen.options | architecture | {"name": "model_cascade", "members": [one.member for one in ordered]},
        dataset=dataset,
        method={"lam_scale": "budget"} | method | {"name": "d2nn"},
        lam=lam,
        training=training | {"init_from": str(file)},
    )
    folder.mkdir(parents=True, exist_ok=True)
    file.write_bytes(packed)
    return config, unseen.sentence


def unseen_images(given: Sequence[Given], dataset: Dataset) -> Unseen:
    """Choose the images for the controllers. Raises ConfigError where a member was trained on another split of the same images."""
    trained = [(one.member.title, one.trained) for one in given if one.trained is not None]
    for title, config in trained:
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
    if len(left_out) > 1 or not fraction:
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
    """Return the members with titles that differ."""
    titles: list[str] = []
    for one in given:
        title = one.member.title
        titles.append(title if title not in titles else f"{title} ({titles.count(title) + 1})")
    return [one.titled(title) for one, title in zip(given, titles, strict=True)]
