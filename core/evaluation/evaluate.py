"""How good and how costly a network is on a set of images: deterministic, the same answer each time it is asked."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import compress

import torch
from sklearn.metrics import accuracy_score, precision_recall_fscore_support
from torch import Tensor

from core.datasets import Split
from core.evaluation.dependence import dependence
from core.graph.cost import cost
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.policy import Greedy, Policy, Stacked
from core.graph.static import static_macs
from core.scale import cost_share

BATCH = 256
POLICIES_PER_PASS = 16  # λ or policies that are run in one go


@dataclass(frozen=True)
class Route:
    """A set of nodes that ran together, and the share of the images for which exactly they ran."""

    nodes: tuple[str, ...]
    share: float


@dataclass(frozen=True)
class Evaluation:
    """Figures over n images at one λ. Costs are multiply-adds per image; f1, precision and recall are those of class 1 where there are
    two, the means over classes otherwise.

    dependence  where gates decide each by itself as their scores say, which share of their variance depends on the image
    dependences  the same of each control node's gates alone
    """

    lam: float | None
    n: int
    accuracy: float
    f1: float
    macs_mean: float
    macs_static: int
    execution_rates: dict[str, float]
    routes: tuple[Route, ...]
    dependence: float | None = None
    dependences: dict[str, float] | None = None
    precision: float | None = None
    recall: float | None = None

    @property
    def cost_share(self) -> float:
        """The mean cost as a share of the static network's."""
        return cost_share(self.macs_mean, self.macs_static)

    def to_json(self) -> dict[str, object]:
        """As plain data; without what was not measured."""
        return {name: value for name, value in asdict(self).items() if name == "lam" or value is not None}


def normalised(images: Tensor) -> Tensor:
    """Images (B, C, H, W) uint8 as networks take them: float32 in [−1, 1]."""
    return images.float() / 127.5 - 1


def evaluate(graph: Graph, split: Split, *, lam: float | None = None, policy: Policy | None = None) -> Evaluation:
    """Run every image of a split once, by default as the scores say. The graph is left in evaluation mode."""
    return evaluations(graph, split, [(lam, policy or Greedy())])[0]


@torch.no_grad()
def evaluations(
    graph: Graph, split: Split, settings: Sequence[tuple[float | None, Policy]], report: Callable[[int], None] = lambda images: None
) -> list[Evaluation]:
    """Run every image of a split once for each λ and policy, telling `report` how many were done.

    What several of them have in common is computed once. The graph is left in evaluation mode.
    """
    graph.eval()
    scales = any(control.decides == "each" for control in graph.controls)
    together = 1 if scales else POLICIES_PER_PASS  # gates that scale leave little in common
    found = []
    for begin in range(0, len(settings), together):
        found += _evaluations(graph, split, settings[begin : begin + together], report)
    return found


def _evaluations(
    graph: Graph, split: Split, settings: Sequence[tuple[float | None, Policy]], report: Callable[[int], None]
) -> list[Evaluation]:
    seen = [_Seen(lam) for lam, _ in settings]
    policy = Stacked([policy for _, policy in settings])
    device = graph.exchange_rate.device
    greedy = all(isinstance(policy, Greedy) for _, policy in settings)
    controls = [control.name for control in graph.controls if control.decides == "each" and greedy]
    for images in torch.split(split.images, BATCH):
        lams = None
        if all(lam is not None for lam, _ in settings):
            lams = torch.tensor([lam for lam, _ in settings], device=device).repeat_interleave(len(images))  # (settings · N,)
        execution = execute(graph, normalised(images.to(device)), policy, lam=lams, copies=len(settings), whole=True)
        costs = cost(graph, execution)
        ran = torch.stack(list(execution.ran.values()), dim=1).cpu()  # (settings · N, nodes)
        gates = (
            torch.cat([execution.gates[name] > 0 for name in controls], dim=1).cpu() if controls else ran[:, :0]
        )  # (settings · N, gates)
        parts = (part.chunk(len(settings)) for part in (execution.predicted.cpu(), costs.used.cpu(), ran, gates))
        for one, predicted, used, running, opened in zip(seen, *parts, strict=True):
            one.add(predicted, used, running, opened)
        report(len(images) * len(settings))
    return [one.figures(graph, split.labels) for one in seen]


class _Seen:
    """What came out at one λ so far."""

    def __init__(self, lam: float | None) -> None:
        self.lam = lam
        self.predicted: list[Tensor] = []
        self.used: list[Tensor] = []
        self.routes = Counter[tuple[bool, ...]]()
        self.opened: list[Tensor] = []

    def add(self, predicted: Tensor, used: Tensor, ran: Tensor, opened: Tensor) -> None:
        """Some images' classes (N,), costs (N,), which nodes ran (N, nodes), and which gates were open, (N, gates)."""
        self.predicted.append(predicted)
        self.used.append(used)
        self.opened.append(opened.double().sum(dim=0))
        patterns, repeats = torch.unique(ran, dim=0, return_counts=True)
        for pattern, repeat in zip(patterns.tolist(), repeats.tolist(), strict=True):
            self.routes[tuple(pattern)] += repeat

    def figures(self, graph: Graph, labels: Tensor) -> Evaluation:
        """The figures of all images, whose classes are labels (N,)."""
        names = [node.name for node in graph.nodes]
        often = torch.stack(self.opened).sum(dim=0) / len(labels)  # (gates,)
        deciding = [control for control in graph.controls if control.decides == "each"] if len(often) else []
        gates = torch.split(often, [len(control.options) for control in deciding]) if deciding else ()
        routes = [(tuple(compress(names, pattern)), count) for pattern, count in self.routes.most_common()]
        n, answers, truth = len(labels), torch.cat(self.predicted).numpy(), labels.numpy()
        average = "binary" if graph.shapes[graph.outputs[0].name] == (2,) else "macro"
        precision, recall, f1, _ = precision_recall_fscore_support(truth, answers, average=average, zero_division=0.0)
        return Evaluation(
            lam=self.lam,
            n=n,
            accuracy=float(accuracy_score(truth, answers)),
            f1=float(f1),
            macs_mean=float(torch.cat(self.used).mean()),
            macs_static=static_macs(graph),
            execution_rates={name: sum(count for route, count in routes if name in route) / n for name in names},
            routes=tuple(Route(route, count / n) for route, count in routes),
            dependence=dependence(often) if deciding else None,
            dependences={control.name: dependence(own) for control, own in zip(deciding, gates, strict=True)} or None,
            precision=float(precision),
            recall=float(recall),
        )
