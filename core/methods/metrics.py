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
    counts = _counts(predicted, labels, classes)
    return _metric(metric, *(count.sum(dim=1) for count in counts))


def marginal_metric(metric: Metric, predicted: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Return by how much each image raises the metric of its bag, times the size of the bag, (bags, m): below 0 where it lowers it.

    `predicted`, `labels`: as for `bag_metric`. The bag without the image has a metric of its own, which is subtracted. For accuracy, it is
    whether the answer is right: the others are counted as they are in the whole bag.
    """
    size = labels.shape[1]
    if metric == "accuracy":
        return (predicted == labels).float()
    counts = _counts(predicted, labels, classes)
    whole = _metric(metric, *(count.sum(dim=1) for count in counts))
    without = _metric(metric, *(count.sum(dim=1, keepdim=True) - count for count in counts))
    return size * (whole[:, None] - without)


def _counts(predicted: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return for each class whether an image is a hit, predicted to be of it, and of it, (bags, m, classes) each."""
    true = F.one_hot(labels, classes)
    positive = F.one_hot(predicted.clamp(min=0), classes) * (predicted >= 0)[:, :, None]
    return positive * true, positive, true


def _metric(metric: Metric, hits: Tensor, predictions: Tensor, support: Tensor) -> Tensor:
    """Return the metric, (…), for counts of each class, (…, classes)."""
    classes = hits.shape[-1]
    if metric == "f1":
        hits, total = 2 * hits, predictions + support
    else:
        total = predictions if metric == "precision" else support
    occurs = (predictions + support > 0).float()
    values = torch.where(total > 0, hits / total.clamp(min=1), 1 - occurs)
    if classes == 2:
        return values[..., 1]
    return (values * occurs).sum(dim=-1) / occurs.sum(dim=-1).clamp(min=1)
