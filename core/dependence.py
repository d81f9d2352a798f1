"""How much of what gates do depends on the image, and how much is the same for all (gates that decide each by itself)."""

import torch

from core.datasets import Split
from core.evaluation import BATCH, normalised
from core.network.execution import execute
from core.network.graph import Graph
from core.network.policy import Greedy


@torch.no_grad()
def dependence(graph: Graph, split: Split, lam: float | None) -> float:
    """The share of the variance of a graph's gates, open or closed, over all gates and images, that lies between images.

    0: every gate does the same for all images (also where all gates do). 1: which gates are open depends on nothing else.
    """
    graph.eval()
    device = graph.exchange_rate.device
    opened, count = torch.zeros(sum(len(control.options) for control in graph.controls), dtype=torch.float64, device=device), 0
    for images in torch.split(split.images, BATCH):
        execution = execute(graph, normalised(images.to(device)), Greedy(), lam=lam)
        gates = torch.cat([execution.scores[control.name] > 0 for control in graph.controls], dim=1)  # (B, gates)
        opened, count = opened + gates.double().sum(dim=0), count + len(gates)
    often = opened / count  # (gates,)
    total = float(often.mean() * (1 - often.mean()))
    return float((often * (1 - often)).mean()) / total if total else 0.0
