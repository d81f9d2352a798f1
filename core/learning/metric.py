"""Accuracy and set-based metrics as rewards: one number per bag of images.

Macro-averaged over the classes that occur in a bag, or for the positive class alone (class 1) where there are two.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Metric = Literal["accuracy", "f1"]


def bag_metric(metric: Metric, predicted: Tensor, labels: Tensor, classes: int) -> Tensor:
    """The metric of each bag, (bags,) in [0, 1], for predicted (−1 for no answer) and true classes (bags, m)."""
    if metric == "accuracy":
        return (predicted == labels).float().mean(dim=1)
    true = F.one_hot(labels, classes)  # (bags, m, classes)
    guessed = F.one_hot(predicted.clamp(min=0), classes) * (predicted >= 0)[:, :, None]
    hits = (guessed * true).sum(dim=1)  # (bags, classes)
    either = guessed.sum(dim=1) + true.sum(dim=1)
    f1 = torch.where(either > 0, 2 * hits / either.clamp(min=1), torch.ones_like(hits, dtype=torch.float32))
    if classes == 2:
        return f1[:, 1]
    occurs = (either > 0).float()
    return (f1 * occurs).sum(dim=1) / occurs.sum(dim=1)
