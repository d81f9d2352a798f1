"""Presets: configurations that train well as they are, each with what it takes and what to expect.

All but the first and the last are those of networks that ship, whose times and figures they have; see docs/results.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.config import RunConfig, run_config
from core.registry import ConfigError
from core.store.references import SHIPPED

Choices = Mapping[str, Any]


@dataclass(frozen=True)
class Preset:
    """A configuration under a name.

    lesson     what is learned, in a sentence
    icon       of Google's Material Symbols
    minutes    of training on two cores
    accuracy   on test images at the middle of λ
    cost       at the same λ, as a share of the static network's; none: the figures depend on the images
    """

    name: str
    title: str
    lesson: str
    choices: Choices
    icon: str
    minutes: float | None = None
    accuracy: float | None = None
    cost: float | None = None

    @property
    def config(self) -> RunConfig:
        """Return the configuration."""
        return run_config(**self.choices)


STEADY_CONTROLLERS = {"full_route_fraction": 0.8, "bn_recalibration_batches": 16}  # keeps every path in use while it is learned

CLUTTERED: Choices = {
    "dataset": {"name": "cluttered_digits", "shift": 4},
    "method": {"name": "d2nn", **STEADY_CONTROLLERS, "self_distillation": 1, "controller_holdout": 0.05},
    "training": {"epochs": 24, "batch_size": 128, "learning_rate": 0.003, "precision": "bfloat16"},
}

PRESETS: tuple[Preset, ...] = (
    Preset(
        "digits",
        "Digits in a minute",
        "A cascade of four small stages reads handwritten digits: clear ones leave early, odd ones go on.",
        {
            "architecture": {"name": "cascade", "trunk": [4, 8, 16, 24], "head": [4, 8, 16, 32]},
            "dataset": "digits",
            "method": {"name": "d2nn", **STEADY_CONTROLLERS, "self_distillation": 1, "controller_holdout": 0.3},
            "training": {"epochs": 60, "learning_rate": 0.004},
        },
        "looks_3",
        1,
        0.96,
        0.30,
    ),
    Preset(
        "high-low",
        "A small and a large path",
        "One controller looks at each cluttered digit and decides whether the cheap path is enough.",
        {"architecture": "high_low", **CLUTTERED},
        "call_split",
        3,
        0.94,
        0.20,
    ),
    Preset(
        "chain",
        "A chain of choices",
        "In each of three links a controller picks one of several modules for each cluttered digit.",
        {"architecture": {"name": "chain", "links": [32, 64, 96]}, **CLUTTERED},
        "link",
        3,
        0.90,
        0.20,
    ),
    Preset(
        "lc-net",
        "Blocks and channels on demand",
        "An LC-Net begins with a trained ResNet and learns which blocks and channels each cluttered digit needs.",
        {
            "architecture": {"name": "lc_resnet", "depth": 14, "width": 8},
            "dataset": "cluttered_digits",
            "method": {"name": "lcnet", "min_budget": 0.3},
            "training": {"epochs": 18, "precision": "bfloat16", "init_from": str(SHIPPED / "lc-digits-static.safetensors")},
        },
        "grid_view",
        7,
        0.97,
        0.64,
    ),
    Preset(
        "cifar10",
        "Photographs with early exits",
        "A trained ResNet of 38 layers learns which CIFAR-10 photographs may leave after a third of its blocks.",
        {
            "architecture": {"name": "resnet_cascade", "n": 6, "exits": [13], "scout": [48, 96, 96, 192]},
            "dataset": "cifar10",
            "method": {"name": "d2nn", **STEADY_CONTROLLERS, "distillation_weight": 1, "controller_holdout": 0.06},
            "training": {
                **{"epochs": 8, "batch_size": 128, "learning_rate": 0.0015, "weight_decay": 0.1, "precision": "bfloat16"},
                **{"weights_dtype": "float16", "init_from": str(SHIPPED / "resnet38-cifar10-static.safetensors")},
            },
        },
        "photo_camera",
        48,
        0.89,
        0.47,
    ),
    Preset(
        "own",
        "Your own pictures",
        "Upload a folder or a zip with one folder of pictures for each class; a cascade learns to tell them apart.",
        {
            "architecture": {"name": "cascade", "trunk": [16, 32, 64], "head": [16, 32, 64], "depth": 2},
            "dataset": {"name": "folder", "size": 48},
            "method": {"name": "d2nn", **STEADY_CONTROLLERS, "self_distillation": 1, "controller_holdout": 0.1},
            "training": {"epochs": 30, "batch_size": 32},
        },
        "folder_open",
    ),
)
FIRST_PRESET = PRESETS[0].name


def preset(name: str) -> Preset:
    """Return a preset by its name. Raises ConfigError, which lists the known names."""
    for one in PRESETS:
        if one.name == name:
            return one
    raise ConfigError(f"{name!r} is not one of the presets: choose one of {', '.join(one.name for one in PRESETS)}")
