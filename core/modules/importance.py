"""How much each channel between two convolutions matters: how large its activation is, and how much reads it."""

import math

import torch
from torch import Tensor, nn

from core.modules.layers import Norm


def importance(norm: Norm, reader: nn.Conv2d) -> Tensor:
    """Return the importance of each channel between a batch norm with ReLU and the convolution that reads it, (C,).

    It is the root mean square of the channel's activation, as batch norm and ReLU make it of normally distributed values, times the norm
    of the weights that read it.
    """
    return _root_mean_square(norm) * _reading(reader)


def _root_mean_square(norm: Norm) -> Tensor:
    """Return the root mean square of ReLU of each channel behind batch norm, (C,), if the channel is normally distributed."""
    deviation, mean = norm.weight.abs().clamp(min=1e-6), norm.bias
    ratio = mean / deviation
    density = (-(ratio**2) / 2).exp() / math.sqrt(2 * math.pi)
    below = torch.special.ndtr(ratio)
    square: Tensor = (mean**2 + deviation**2) * below + mean * deviation * density
    return square.clamp(min=0).sqrt()


def _reading(convolution: nn.Conv2d) -> Tensor:
    """Return the norm of the weights that read each channel, (C,)."""
    found: Tensor = convolution.weight.pow(2).sum(dim=(0, 2, 3)).sqrt()
    return found
