"""Accuracy, cost and routes of a network on a set of images, computed deterministically."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import compress

import torch
from sklearn.metrics import accuracy_score, precision_recall_fscore_support
from torch import Tensor

from core.datasets import Split, no_progress, normalised
from core.errors import UserError
from core.evaluation.dependence import dependence
from core.graph.cost import cost
from core.graph.execution import Execution, execute
from core.graph.graph import Graph
from core.graph.policy import Greedy, Policy, Stacked
from core.graph.static import static_macs
from core.scale import cost_share

CountCallback = Callable[[int], None]  # receives the number of images just executed

BATCH = 256  # images
POLICIES_PER_PASS = 16  # settings of λ and policy executed at once


class EvaluationError(UserError):
    """Raised where a network's answers cannot be measured. The text is one line that says what to do."""


@dataclass(frozen=True)
class Route:
    """A set of nodes, and the share of the images for which exactly these nodes ran."""

    nodes: tuple[str, ...]
    share: float


@dataclass(frozen=True)
class Evaluation:
    """Metrics over n images at one λ.

    With two classes, f1, precision and recall are those of class 1; otherwise they are means over classes.

    macs_mean    mean multiply-adds per image
    macs_static  multiply-adds of the static network
    dependence   fraction of the gates' variance that depends on the image, if gates open independently and the policy is greedy
    dependences  the same for the gates of each control node
    channel_rates  share of the channels (or of their groups) that are open, of each node with gated channels and over all images;
                 an image that skips the node opens none of them
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
    channel_rates: dict[str, float] | None = None

    @property
    def cost_share(self) -> float:
        """The mean cost as a share of the static network's."""
        return cost_share(self.macs_mean, self.macs_static)

    def to_json(self) -> dict[str, object]:
        """Return the metrics as plain data, without those that were not measured."""
        return {name: value for name, value in asdict(self).items() if name == "lam" or value is not None}


def evaluate(graph: Graph, split: Split, *, lam: float | None = None, policy: Policy | None = None) -> Evaluation:
    """Evaluate a graph on a split, by default with the greedy policy. Leaves the graph in evaluation mode."""
    return evaluations(graph, split, [(lam, policy or Greedy())])[0]


@torch.no_grad()
def evaluations(
    graph: Graph, split: Split, settings: Sequence[tuple[float | None, Policy]], report: CountCallback = no_progress
) -> list[Evaluation]:
    """Evaluate a graph on a split once per setting, a λ and a policy.

    Computation that several settings share is done once. `report` receives the number of images just executed.
    Leaves the graph in evaluation mode.
    """
    graph.eval()
    scales = any(control.decides == "each" for control in graph.controls)
    per_pass = 1 if scales else POLICIES_PER_PASS  # settings share little computation if gates scale
    results = []
    for begin in range(0, len(settings), per_pass):
        results += _evaluate_together(graph, split, settings[begin : begin + per_pass], report)
    return results


def _evaluate_together(
    graph: Graph, split: Split, settings: Sequence[tuple[float | None, Policy]], report: CountCallback
) -> list[Evaluation]:
    """Evaluate a graph at several settings in one pass over the images."""
    results = [_Accumulator(lam) for lam, _ in settings]
    policy = Stacked([policy for _, policy in settings])
    device = graph.device
    greedy = all(isinstance(policy, Greedy) for _, policy in settings)
    controls = [control.name for control in graph.controls if control.decides == "each" and greedy]
    for images in torch.split(split.images, BATCH):
        lams = None
        if all(lam is not None for lam, _ in settings):
            lams = torch.tensor([lam for lam, _ in settings], device=device).repeat_interleave(len(images))  # (settings · N,)
        execution = execute(graph, normalised(images.to(device)), policy, lam=lams, copies=len(settings), whole=True)
        if bool(execution.output.isnan().any()):
            raise EvaluationError(
                "the network answers NaN instead of numbers: its weights are damaged, or the training diverged. "
                "Train it again, with a lower learning rate (training.learning_rate) if it diverged"
            )
        costs = cost(graph, execution)
        ran = torch.stack(list(execution.ran.values()), dim=1).cpu()  # (settings · N, nodes)
        gates = (
            torch.cat([execution.gates[name] > 0 for name in controls], dim=1).cpu() if controls else ran[:, :0]
        )  # (settings · N, gates)
        channels = _open_channels(graph, execution).cpu()  # (settings · N, nodes with gated channels)
        parts = (part.chunk(len(settings)) for part in (execution.predicted.cpu(), costs.used.cpu(), ran, gates, channels))
        for result, *batch in zip(results, *parts, strict=True):
            result.add(*batch)
        report(len(images) * len(settings))
    return [result.evaluation(graph, split.labels) for result in results]


def _open_channels(graph: Graph, execution: Execution) -> Tensor:
    """Return the share of the channels, or of their groups, that each image opens in each node with gated channels, (B, nodes) double."""
    shares = []
    for node in graph.nodes:
        if node.channels is not None:
            opened = (execution.gates[node.channels.control][:, node.channels.columns] > 0).double()  # (B, count)
            opened = opened.cumprod(dim=1) if node.channels.nested else opened
            shares.append(opened.mean(dim=1) * execution.ran[node.name])
    return torch.stack(shares, dim=1) if shares else torch.empty(len(execution.predicted), 0, dtype=torch.float64)


class _Accumulator:
    """Accumulates the results of batches at one λ."""

    def __init__(self, lam: float | None) -> None:
        self.lam = lam
        self.predicted: list[Tensor] = []
        self.used: list[Tensor] = []
        self.routes = Counter[tuple[bool, ...]]()
        self.opened: list[Tensor] = []
        self.channels: list[Tensor] = []

    def add(self, predicted: Tensor, used: Tensor, ran: Tensor, opened: Tensor, channels: Tensor) -> None:
        """Add a batch: predicted classes (N,), costs (N,), the nodes that ran (N, nodes), the open gates (N, gates) and the shares of open
        channels (N, nodes with gated channels).
        """
        self.predicted.append(predicted)
        self.used.append(used)
        self.opened.append(opened.double().sum(dim=0))
        self.channels.append(channels.sum(dim=0))
        patterns, repeats = torch.unique(ran, dim=0, return_counts=True)
        for pattern, repeat in zip(patterns.tolist(), repeats.tolist(), strict=True):
            self.routes[tuple(pattern)] += repeat

    def evaluation(self, graph: Graph, labels: Tensor) -> Evaluation:
        """Return the metrics over all images, whose classes are labels (N,)."""
        names = [node.name for node in graph.nodes]
        open_rates = torch.stack(self.opened).sum(dim=0) / len(labels)  # (gates,)
        independent = [control for control in graph.controls if control.decides == "each"] if len(open_rates) else []
        gates = torch.split(open_rates, [len(control.options) for control in independent]) if independent else ()
        channels = (torch.stack(self.channels).sum(dim=0) / len(labels)).tolist()
        gated = [node.name for node in graph.nodes if node.channels is not None]
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
            dependence=dependence(open_rates) if independent else None,
            dependences={control.name: dependence(rates) for control, rates in zip(independent, gates, strict=True)} or None,
            precision=float(precision),
            recall=float(recall),
            channel_rates=dict(zip(gated, channels, strict=True)) or None,
        )
