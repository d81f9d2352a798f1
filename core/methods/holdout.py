"""Training images that only the controllers learn from, so that they know what to expect of images the modules have not fitted."""

import torch
from torch import Generator, Tensor

from core.registry import ConfigError


def reserved(fraction: float, count: int, batches: int, bag: int = 1) -> int:
    """Return how many of `count` training images a fraction reserves: at least one bag of them, and none for a fraction of 0.

    Raises ConfigError where fewer images are left than an epoch has batches.
    """
    kept = max(round(fraction * count), bag) if fraction else 0
    if count - kept < batches:
        lower = "method.bag_size" if bag > 1 and kept == bag else "method.controller_holdout"
        raise ConfigError(
            f"{count} training images are too few to reserve {kept} for the controllers and leave one for each of {batches} batches: "
            f"lower {lower}, or raise training.batch_size"
        )
    return kept


def holdout_rows(count: int, kept: int, seed: int) -> Tensor:
    """Return the numbers of the `kept` training images of `count` that a seed reserves, (count,) bool."""
    chosen = torch.zeros(count, dtype=torch.bool)
    chosen[torch.randperm(count, generator=Generator().manual_seed(seed))[:kept]] = True
    return chosen
