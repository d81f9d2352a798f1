"""Calibration: a graph's trade-off is chosen so that the λ slider acts along its whole range."""

import torch
from torch import Tensor

from core.graph.cost import spent
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.policy import Greedy
from core.graph.tradeoff import Measured

ROWS_PER_PASS = 2048  # rows, images times λ, that run together where they have routes in common
IMAGES_PER_PASS = 256


def calibrate(graph: Graph, images: Tensor, labels: Tensor) -> None:
    """Choose the numbers of a graph's trade-off on images (N, C, H, W) of classes (N,), best on images it was not trained on."""
    graph.tradeoff.calibrate(lambda lams: measured(graph, images, labels, lams))


@torch.no_grad()
def measured(graph: Graph, images: Tensor, labels: Tensor, lams: Tensor) -> Measured:
    """Return the mean cost and the accuracy of a graph at each λ (λs,), on images (N, C, H, W) of classes (N,)."""
    if any(control.decides == "each" for control in graph.controls):  # gates that scale leave rows of several λ nothing in common
        return _one_by_one(graph, images, labels, lams)
    lams = lams.to(images.device)
    costs = torch.zeros(len(lams), dtype=torch.float64, device=images.device)
    right = torch.zeros(len(lams), dtype=torch.float64, device=images.device)
    batches = ROWS_PER_PASS // len(lams)
    for some, classes in zip(torch.split(images, batches), torch.split(labels, batches), strict=True):
        execution = execute(graph, some, Greedy(), lam=lams.repeat_interleave(len(some)), copies=len(lams))
        costs += spent(graph, execution).view(len(lams), -1).sum(dim=1)
        right += (execution.predicted.view(len(lams), -1) == classes).sum(dim=1)
    return Measured(costs / len(images), right / len(images), len(images))


def _one_by_one(graph: Graph, images: Tensor, labels: Tensor, lams: Tensor) -> Measured:
    costs, right = [], []
    for lam in lams.tolist():
        runs = [execute(graph, some, Greedy(), lam=lam, whole=True) for some in torch.split(images, IMAGES_PER_PASS)]
        costs.append(torch.cat([spent(graph, run) for run in runs]).mean())
        right.append((torch.cat([run.predicted for run in runs]) == labels).float().mean())
    return Measured(torch.stack(costs), torch.stack(right), len(images))
