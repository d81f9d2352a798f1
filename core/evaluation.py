"""How good and how costly a network is on a set of images: deterministic, the same answer each time it is asked."""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from sklearn.metrics import accuracy_score, f1_score
from torch import Tensor

from core.datasets import Split
from core.network.cost import cost
from core.network.execution import execute
from core.network.graph import Graph
from core.network.policy import Greedy, Policy

BATCH = 256


@dataclass(frozen=True)
class Route:
    """A set of nodes that ran together, and the share of the images for which exactly they ran."""

    nodes: tuple[str, ...]
    share: float


@dataclass(frozen=True)
class Evaluation:
    """Figures over n images at one λ. Costs are multiply-adds per image; f1 is that of class 1 where there are two, macro otherwise."""

    lam: float | None
    n: int
    accuracy: float
    f1: float
    macs_mean: float
    macs_static: int
    execution_rates: dict[str, float]
    routes: tuple[Route, ...]

    def to_json(self) -> dict[str, object]:
        """As plain data."""
        return asdict(self)


def normalised(images: Tensor) -> Tensor:
    """Images (B, C, H, W) uint8 as networks take them: float32 in [−1, 1]."""
    return images.float() / 127.5 - 1


@torch.no_grad()
def evaluate(
    graph: Graph,
    split: Split,
    *,
    lam: float | None = None,
    policy: Policy | None = None,
    report: Callable[[int], None] = lambda images: None,
) -> Evaluation:
    """Run every image of a split once, telling `report` how many were done in each batch. The graph is left in evaluation mode."""
    graph.eval()
    device = graph.exchange_rate.device
    predicted, used, routes, counts = [], [], Counter[tuple[str, ...]](), Counter[str]()
    static = 0
    for images in torch.split(split.images, BATCH):
        execution = execute(graph, normalised(images.to(device)), policy or Greedy(), lam=lam)
        costs = cost(graph, execution)
        static = costs.static
        used.append(costs.used.cpu())
        predicted.append(execution.predicted.cpu())
        names = list(execution.ran)
        ran = torch.stack(list(execution.ran.values()), dim=1).cpu()  # (B, nodes)
        patterns, repeats = torch.unique(ran, dim=0, return_counts=True)
        for pattern, repeat in zip(patterns.tolist(), repeats.tolist(), strict=True):
            routes[tuple(name for name, runs in zip(names, pattern, strict=True) if runs)] += repeat
        report(len(images))
    for route, images_on_it in routes.items():
        counts.update(dict.fromkeys(route, images_on_it))
    n, answers, truth = len(split), torch.cat(predicted).numpy(), split.labels.numpy()
    average = "binary" if graph.shapes[graph.outputs[0].name] == (2,) else "macro"
    return Evaluation(
        lam=lam,
        n=n,
        accuracy=float(accuracy_score(truth, answers)),
        f1=float(f1_score(truth, answers, average=average, zero_division=0.0)),
        macs_mean=float(torch.cat(used).mean()),
        macs_static=static,
        execution_rates={node.name: counts[node.name] / n for node in graph.nodes},
        routes=tuple(Route(nodes, images_on_it / n) for nodes, images_on_it in routes.most_common()),
    )
