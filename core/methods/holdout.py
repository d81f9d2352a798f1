"""The holdout: training images for the controllers alone, which thus learn the accuracy on images that the modules have not fitted."""

import torch
from torch import Generator, Tensor

from core.registry import ConfigError


def holdout_size(fraction: float, count: int, batches: int, bag: int = 1) -> int:
    """Return the size of the holdout for `count` training images: at least one bag, or 0 for a fraction of 0.

    Raises ConfigError where fewer images are left than an epoch has batches.
    """
    size = max(round(fraction * count), bag) if fraction else 0
    if count - size < batches:
        lower = "method.bag_size" if bag > 1 and size == bag else "method.controller_holdout"
        raise ConfigError(
            f"{count} training images are too few to reserve {size} for the controllers and leave one for each of {batches} batches: "
            f"lower {lower}, or raise training.batch_size"
        )
    return size


def holdout_rows(count: int, size: int, seed: int) -> Tensor:
    """Return which of `count` training images a seed reserves, (count,) bool, `size` of them."""
    chosen = torch.zeros(count, dtype=torch.bool)
    chosen[torch.randperm(count, generator=Generator().manual_seed(seed))[:size]] = True
    return chosen
