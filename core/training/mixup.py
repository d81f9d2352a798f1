"""Mixup: two images become one, and so do their labels (Zhang et al., ICLR 2018, arXiv 1710.09412).

Differs from the paper: an image is combined with another of the batch so that its own part is the larger one. Over a batch the pairs and
their shares are distributed as in the paper, and the class of the larger part is the label that accuracy figures count.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor


def draw_share(alpha: float, generator: Generator) -> float:
    """Return the share of the image whose part is the larger one, from 0.5 to 1, drawn from Beta(alpha, alpha)."""
    seed = int(torch.randint(2**31, (), generator=generator))
    share = float(np.random.default_rng(seed).beta(alpha, alpha))
    return max(share, 1 - share)


def mix(values: Tensor, partners: Tensor, share: float) -> Tensor:
    """Return values (B, ...) of which the first n are combined with those of their partners (n,), share : 1 − share."""
    first = values[: len(partners)]
    return torch.cat([share * first + (1 - share) * first[partners], values[len(partners) :]])


def class_probabilities(labels: Tensor, classes: int, smoothing: float) -> Tensor:
    """Return the probability of each class, (B, classes), for labels (B,): `smoothing` is spread evenly over all classes.

    Source: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision" (arXiv 1512.00567), section 7.
    """
    return F.one_hot(labels, classes) * (1 - smoothing) + smoothing / classes
