"""Accuracy and set-based metrics as rewards: one number per bag of images.

The metrics are macro-averaged over the classes that occur in a bag. With two classes, they are those of class 1, the positive class. A
class that is neither among the labels nor among the predictions scores 1. Any other undefined precision or recall is 0, so that a network
gains nothing by never predicting a class.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Metric = Literal["accuracy", "f1", "precision", "recall"]


def bag_metric(metric: Metric, predicted: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Return the metric of each bag, (bags,) in [0, 1], for predicted classes (−1: no answer) and labels, (bags, m) each."""
    if metric == "accuracy":
        return (predicted == labels).float().mean(dim=1)
    true = F.one_hot(labels, classes)  # (bags, m, classes)
    positive = F.one_hot(predicted.clamp(min=0), classes) * (predicted >= 0)[:, :, None]
    hits, predictions, support = (positive * true).sum(dim=1), positive.sum(dim=1), true.sum(dim=1)  # (bags, classes) each
    if metric == "f1":
        hits, total = 2 * hits, predictions + support
    else:
        total = predictions if metric == "precision" else support
    occurs = (predictions + support > 0).float()  # (bags, classes)
    values = torch.where(total > 0, hits / total.clamp(min=1), 1 - occurs)
    if classes == 2:
        return values[:, 1]
    return (values * occurs).sum(dim=1) / occurs.sum(dim=1)
