"""Recipes: named sets of options with which a training reaches a known result. A recipe is chosen first; any option may then be changed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.registry import ConfigError


@dataclass(frozen=True)
class Recipe:
    """A named set of options, by `part.option`, where the part is the training or the method."""

    name: str
    title: str
    summary: str
    options: Mapping[str, Any]

    @property
    def settings(self) -> tuple[str, ...]:
        """Its options as they are written after `--set`."""
        return tuple(f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in self.options.items())

    def part(self, part: str) -> dict[str, Any]:
        """Return the options of one part, by their names."""
        split = ((name.partition("."), value) for name, value in self.options.items())
        return {option: value for (owner, _, option), value in split if owner == part}


STEADY: dict[str, Any] = {  # what large batches on a GPU need
    "training.optimizer": "sgd",
    "training.batch_size": 512,
    "training.learning_rate": 0.4,
    "training.warmup": 0.05,
    "training.weight_decay": 5e-4,
    "training.precision": "bfloat16",
    "training.border": "reflected",
}

RECIPES = (
    Recipe(
        "plain",
        "Plain SGD",
        "SGD with a cosine schedule, and no augmentation but the dataset's own: the baseline of most papers on CIFAR-10.",
        {
            "training.optimizer": "sgd",
            "training.batch_size": 128,
            "training.learning_rate": 0.1,
            "training.weight_decay": 5e-4,
        },
    ),
    Recipe(
        "strong",
        "Strong augmentation",
        "Large batches with cutout, mixup and smoothed labels: for a large network and 100 epochs or more on images of 32×32 pixels.",
        STEADY | {"training.cutout": 16, "training.mixup": 0.4, "training.label_smoothing": 0.1},
    ),
    Recipe(
        "distilled",
        "Distilled from a teacher",
        "A small network learns the answers of a large one to the same changed images: name the teacher in method.teacher.",
        STEADY | {"training.cutout": 8, "training.mixup": 1.0} | {"method.distillation_weight": 0.9, "method.label_weight": 0.1},
    ),
)


def recipe(name: str) -> Recipe:
    """Return a recipe by its name. Raises ConfigError, which lists the known names."""
    for one in RECIPES:
        if one.name == name:
            return one
    raise ConfigError(f"{name!r} is not one of the recipes: choose one of {', '.join(one.name for one in RECIPES)}")
