"""The exchange rate κ at which the λ slider acts all along its way, found on validation images.

A choice depends on λ and κ only through the weight of accuracy λ / (λ + (1−λ)κ): a trained network can take any κ without being changed.
"""

import numpy as np
import torch
from torch import Tensor

from core.network.cost import cost
from core.network.execution import execute
from core.network.graph import Graph
from core.network.policy import Greedy

RATES = torch.logspace(-4, 1, 101)
ODDS = torch.logspace(-5, 5, 41)  # λ / (1−λ) at κ = 1


def even_exchange_rate(graph: Graph, images: Tensor) -> float:
    """The κ whose largest step of the mean cost between neighbouring λ of 0, 0.1, …, 1 is smallest, for images (N, C, H, W)."""
    shares = cost_curve(graph, images)  # (odds,)
    lams = torch.linspace(0, 1, 11)
    steps = []
    for rate in RATES:
        odds = (lams / (1 - lams) / rate).clamp(float(ODDS[0]), float(ODDS[-1]))
        between = np.interp(odds.log(), ODDS.log(), shares)  # (lams,)
        steps.append(abs(np.diff(between)).max())
    return float(RATES[int(np.argmin(steps))])


@torch.no_grad()
def cost_curve(graph: Graph, images: Tensor) -> Tensor:
    """The mean cost share at each of ODDS, (odds,)."""
    kept = graph.exchange_rate.clone()
    graph.exchange_rate.fill_(1.0)
    curve = []
    for odds in ODDS.tolist():
        reports = [cost(graph, execute(graph, some, Greedy(), lam=odds / (1 + odds))) for some in torch.split(images, 256)]
        curve.append(torch.cat([report.share for report in reports]).mean())
    graph.exchange_rate.copy_(kept)
    return torch.stack(curve).cpu()
