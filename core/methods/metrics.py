"""Accuracy and set-based metrics as rewards: one number per bag of images.

Macro-averaged over the classes that occur in a bag, or for the positive class alone (class 1) where there are two. A class that is
neither there nor found counts as 1; a precision or recall that is not defined otherwise as 0, so that silence earns nothing.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Metric = Literal["accuracy", "f1", "precision", "recall"]


def bag_metric(metric: Metric, predicted: Tensor, labels: Tensor, classes: int) -> Tensor:
    """The metric of each bag, (bags,) in [0, 1], for predicted (−1 for no answer) and true classes (bags, m)."""
    if metric == "accuracy":
        return (predicted == labels).float().mean(dim=1)
    true = F.one_hot(labels, classes)  # (bags, m, classes)
    guessed = F.one_hot(predicted.clamp(min=0), classes) * (predicted >= 0)[:, :, None]
    hits, said, there = (guessed * true).sum(dim=1), guessed.sum(dim=1), true.sum(dim=1)  # (bags, classes) each
    if metric == "f1":
        hits, among = 2 * hits, said + there
    else:
        among = said if metric == "precision" else there
    occurs = (said + there > 0).float()  # (bags, classes)
    values = torch.where(among > 0, hits / among.clamp(min=1), 1 - occurs)
    if classes == 2:
        return values[:, 1]
    return (values * occurs).sum(dim=1) / occurs.sum(dim=1)
