"""What makes the λ slider act all along its way, found on validation images.

For control nodes that pick one option it is the exchange rate κ: a choice depends on λ and κ only through the weight of accuracy
λ / (λ + (1−λ)κ), so that a trained network can take any κ without being changed. For gates that are told what cost is asked for, it is what
they are told at each λ.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from core.graph.cost import spent
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.policy import Greedy

RATES = torch.logspace(-4, 1, 101)
ASKED = 21  # costs that are asked for, between which is interpolated
ROWS_PER_PASS = 2048  # rows that are run in one go
TESTED = 256  # images that are run in one go
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
    lams = (ODDS / (1 + ODDS)).to(images.device)
    total = torch.zeros(len(ODDS), dtype=torch.float64, device=images.device)
    for some in torch.split(images, ROWS_PER_PASS // len(lams)):
        execution = execute(graph, some, Greedy(), lam=lams.repeat_interleave(len(some)), copies=len(lams))
        total += spent(graph, execution).view(len(lams), -1).sum(dim=1)
    graph.exchange_rate.copy_(kept)
    return (total / len(images)).cpu()


@torch.no_grad()
def even_course(graph: Graph, images: Tensor, labels: Tensor) -> Tensor:
    """What control nodes are to be told for λ of 0, …, 1, in as many steps as the graph keeps, so that the mean cost rises evenly.

    It ends where more cost brings no more: at the dearest of what they can be told whose accuracy is within one standard error of the best,
    on images (N, C, H, W) of classes (N,).
    """
    kept, steps = graph.course.clone(), len(graph.course)
    graph.course.copy_(torch.linspace(0, 1, steps))
    told = np.linspace(0, 1, ASKED)
    shares, right = [], []
    for one in told:
        runs = [execute(graph, some, Greedy(), lam=float(one), whole=True) for some in torch.split(images, TESTED)]
        shares.append(float(torch.cat([spent(graph, run) for run in runs]).mean()))
        right.append(float((torch.cat([run.predicted for run in runs]) == labels).float().mean()))
    graph.course.copy_(kept)
    last = _dearest(right, len(labels))
    rising = np.maximum.accumulate(shares) + 1e-9 * np.arange(ASKED)  # the cost may not fall where more is asked for
    return torch.from_numpy(np.interp(np.linspace(rising[0], rising[last], steps), rising, told)).float()


def _dearest(accuracies: Sequence[float], count: int) -> int:
    """The last of some accuracies on this many images that is within one standard error of the best.

    For the error two answers more are right and two are wrong, so that a few lucky ones leave some (Agresti & Coull, 1998).
    """
    best = max(accuracies)
    likely = (best * count + 2) / (count + 4)
    error = (likely * (1 - likely) / (count + 4)) ** 0.5
    return max(number for number, one in enumerate(accuracies) if one >= best - error)
