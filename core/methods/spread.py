"""The λ of the images of a batch, for methods that train one network for every λ."""

import torch
from torch import Generator, Tensor

ENDPOINT_FRACTION = 0.05  # approximate fraction of a batch with λ = 0 exactly, and also of that with λ = 1


def spread_lams(count: int, generator: Generator) -> Tensor:
    """Draw a λ for each image of a batch, (count,), ascending and evenly spread, with several at exactly 0 and 1."""
    even = (torch.arange(count) + torch.rand(count, generator=generator)) / count
    return ((1 + 2 * ENDPOINT_FRACTION) * even - ENDPOINT_FRACTION).clamp(0, 1)
