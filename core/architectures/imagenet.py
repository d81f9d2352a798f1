"""Weights published for ImageNet expect other colours: images less a mean colour, over its deviation. Images here are in [−1, 1]."""

from collections.abc import Mapping

import torch
from torch import Tensor

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's colours in [0, 1]


def absorb_colours(weights: Mapping[str, Tensor], stem: str, mean: str) -> dict[str, Tensor]:
    """Return weights whose first convolution, named `stem`, takes images in [−1, 1] in place of ImageNet's normalised ones.

    The running mean of the norm behind it, named `mean`, absorbs the offset. Only the border differs, which is padded with grey instead of
    the mean colour. Weights for images of other than three channels are returned as they are.
    """
    if stem not in weights or weights[stem].shape[1:2] != (len(MEAN),):
        return dict(weights)
    deviation, colour = (torch.tensor(values)[:, None, None] for values in (DEVIATION, MEAN))
    offset = (weights[stem] * (0.5 - colour) / deviation).sum(dim=(1, 2, 3))  # the response to a grey image
    return dict(weights) | {stem: weights[stem] / (2 * deviation)} | ({mean: weights[mean] - offset} if mean in weights else {})
