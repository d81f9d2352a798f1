"""Calibration: choosing the numbers of a graph's trade-off so that λ has an effect along its whole range."""

import torch
from torch import Tensor

from core.graph.cost import reward_cost
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.policy import Greedy
from core.graph.tradeoff import TradeoffMeasurements

ROWS_PER_PASS = 2048  # rows (images times λ) that are executed together and share what their routes have in common
IMAGES_PER_PASS = 256  # where images at different λ share nothing


def calibrate(graph: Graph, images: Tensor, labels: Tensor) -> None:
    """Choose the numbers of a graph's trade-off on images (N, C, H, W) of classes (N,), preferably ones it was not trained on."""
    graph.tradeoff.calibrate(lambda lams: measure_tradeoff(graph, images, labels, lams))


@torch.no_grad()
def measure_tradeoff(graph: Graph, images: Tensor, labels: Tensor, lams: Tensor) -> TradeoffMeasurements:
    """Return the mean cost and the accuracy of a graph at each λ (λs,), on images (N, C, H, W) of classes (N,)."""
    if any(control.decides == "each" for control in graph.controls):  # rows at different λ share nothing, since their gates scale
        return _measure_separately(graph, images, labels, lams)
    lams = lams.to(images.device)
    costs = torch.zeros(len(lams), dtype=torch.float64, device=images.device)
    correct = torch.zeros(len(lams), dtype=torch.float64, device=images.device)
    size = ROWS_PER_PASS // len(lams)  # images
    for batch, classes in zip(torch.split(images, size), torch.split(labels, size), strict=True):
        execution = execute(graph, batch, Greedy(), lam=lams.repeat_interleave(len(batch)), copies=len(lams))
        costs += reward_cost(graph, execution).view(len(lams), -1).sum(dim=1)
        correct += (execution.predicted.view(len(lams), -1) == classes).sum(dim=1)
    return TradeoffMeasurements(costs / len(images), correct / len(images), len(images))


def _measure_separately(graph: Graph, images: Tensor, labels: Tensor, lams: Tensor) -> TradeoffMeasurements:
    """Return the same as `measure_tradeoff`, one λ after the other."""
    costs, correct = [], []
    for lam in lams.tolist():
        runs = [execute(graph, batch, Greedy(), lam=lam, whole=True) for batch in torch.split(images, IMAGES_PER_PASS)]
        costs.append(torch.cat([reward_cost(graph, run) for run in runs]).mean())
        correct.append((torch.cat([run.predicted for run in runs]) == labels).float().mean())
    return TradeoffMeasurements(torch.stack(costs), torch.stack(correct), len(images))
