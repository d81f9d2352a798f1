"""Fit the controllers once more after training, to what every option of theirs gives on images that the modules have not fitted.

While modules and controllers learn together, a controller sees one option per image, and the later decisions it relies on keep changing.
Here the modules stand still: the last control node is fitted first, with each of its options tried on every image, then the one before it,
which now knows what the later ones will do. Beyond the paper.
"""

import copy
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Generator, Tensor
from torch.optim import AdamW

from core.datasets import Split, normalised
from core.graph.calibration import calibrate
from core.graph.cost import spent, spent_after
from core.graph.execution import Execution, execute
from core.graph.graph import Graph
from core.graph.node import Node
from core.graph.policy import Greedy, Policy, Random, Stacked, one_hot
from core.graph.validation import find_choices
from core.modules.controller import Controller
from core.pareto import ParetoPoint, hypervolume

FIT_BATCH = 256  # images
DRAWS = 6  # times that each image is tried, each with a λ and a route to the control node of its own
LAMS = 16  # values of λ at which the result is compared
ROUNDS = 2  # from the last control node to the first
STEPS, ROWS, RATE, DECAY = 400, 512, 3e-3, 0.03  # of fitting one control node


@dataclass(frozen=True)
class Trials:
    """For n rows: what the control node saw (n, F) and was told (n,), and for each option the accuracy and the cost to come, (n, K)."""

    seen: Tensor
    conditions: Tensor
    accuracy: Tensor
    later: Tensor


@dataclass(frozen=True)
class Trial:
    """One option of a control node for all rows. Before it some explore, along a way that reaches it; all else is greedy."""

    control: str
    column: int
    explores: Tensor  # (N,) bool
    random: Policy
    needed: dict[str, int]
    before: frozenset[str]

    def __call__(self, control: Node, scores: Tensor) -> Tensor:
        if control.name == self.control:
            gates = torch.zeros(len(scores), len(control.options), device=scores.device)
            gates[:, self.column] = 1
            return gates
        greedy = Greedy()(control, scores)
        if control.name not in self.before:
            return greedy
        drawn = self.random(control, scores)
        if control.name in self.needed:
            drawn = one_hot(torch.full((len(scores),), self.needed[control.name], device=scores.device), scores)
        return torch.where(self.explores[:, None].to(scores.device), drawn, greedy)


def fit_controllers(graph: Graph, holdout: Split, val: Split, generator: Generator) -> None:
    """Fit every controller of a graph that serves every λ to the holdout.

    The result is kept if its Pareto front on validation images has the larger hypervolume. Leaves the graph in evaluation mode.
    """
    graph.eval()
    learnt, numbers = copy.deepcopy(graph.state_dict()), copy.deepcopy(graph.tradeoff.state_dict())
    before = _front(graph, val)
    images, labels = normalised(holdout.images).to(graph.device), holdout.labels.to(graph.device)
    for _ in range(ROUNDS):
        for control in reversed(graph.controls):
            part = graph.parts[control.name]
            if isinstance(part, Controller):
                fit(part, trials(graph, control, part, images, labels, generator), generator)
    after = _front(graph, val)
    most = max(point.cost for point in before + after)
    if hypervolume(after, most) <= hypervolume(before, most):
        graph.load_state_dict(learnt)
    graph.tradeoff.load_state_dict(numbers)


@torch.no_grad()
def _front(graph: Graph, val: Split) -> list[ParetoPoint]:
    """Return accuracy against cost by the graph's prices along λ, calibrated on these images."""
    device = graph.device
    images, labels = normalised(val.images).to(device), val.labels.to(device)
    calibrate(graph, images, labels)
    lams = torch.linspace(0, 1, LAMS, device=device)
    costs, right = torch.zeros(LAMS, dtype=torch.float64, device=device), torch.zeros(LAMS, device=device)
    for some, classes in zip(torch.split(images, FIT_BATCH), torch.split(labels, FIT_BATCH), strict=True):
        execution = execute(graph, some, Greedy(), lam=lams.repeat_interleave(len(some)), copies=LAMS)
        costs += spent(graph, execution).view(LAMS, -1).sum(dim=1)
        right += (execution.predicted.view(LAMS, -1) == classes).sum(dim=1)
    return [ParetoPoint(cost / len(val), accuracy / len(val)) for cost, accuracy in zip(costs.tolist(), right.tolist(), strict=True)]


@torch.no_grad()
def trials(graph: Graph, control: Node, part: Controller, images: Tensor, labels: Tensor, generator: Generator) -> Trials:
    """Try every option of a control node on images (N, C, H, W) of classes (N,), DRAWS times."""
    found: list[Trials] = []
    with part.register_forward_hook(lambda controller, seen, _: controller.features(*seen)):  # features in place of values
        for some, classes in zip(torch.split(images, FIT_BATCH), torch.split(labels, FIT_BATCH), strict=True):
            lams = torch.rand(DRAWS * len(some), generator=generator).to(some.device)
            policies = _policies(graph, control, len(some), generator)
            options = len(control.options)
            execution = execute(graph, some, Stacked(policies), lam=lams.repeat(options), copies=options * DRAWS)
            if bool(execution.ran[control.name].any()):
                found.append(_told(graph, control, execution, classes.repeat(options * DRAWS), lams))
    return Trials(*(torch.cat([getattr(one, field.name) for one in found]) for field in fields(Trials)))


def _policies(graph: Graph, control: Node, count: int, generator: Generator) -> list[Policy]:
    """For each option, and each of DRAWS, the same ways to the control node."""
    needed = dict(find_choices(graph.by_name, control.name) or ())
    before = frozenset(other.name for other in graph.controls[: graph.controls.index(control)])
    draws = []
    for _ in range(DRAWS):
        seed = int(torch.randint(1 << 30, (), generator=generator))
        draws.append((torch.rand(count, generator=generator) < 0.5, float(torch.rand((), generator=generator)), seed))
    return [
        Trial(control.name, column, explores, Random(rate, Generator().manual_seed(seed)), needed, before)
        for column in range(len(control.options))
        for explores, rate, seed in draws
    ]


def _told(graph: Graph, control: Node, execution: Execution, labels: Tensor, lams: Tensor) -> Trials:
    options = len(control.options)
    right = (execution.predicted == labels).float().view(options, -1)  # (K, n)
    later = spent_after(graph, execution, control.name).view(options, -1)
    reached = execution.ran[control.name].view(options, -1)[0]  # (n,)
    seen = execution.values[control.name].view(options, len(lams), -1)[0]
    conditions = graph.tradeoff.condition(lams)
    assert conditions is not None  # the graph serves every λ
    return Trials(seen[reached], conditions[reached], right.T[reached], later.T[reached])


def fit(part: Controller, trials: Trials, generator: Generator) -> None:
    """Fit a controller to trials: cross-entropy of the accuracy, squared error of the cost to come."""
    optimizer = AdamW(part.parameters(), lr=RATE, weight_decay=DECAY)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for _ in range(STEPS):
        rows = torch.randint(len(trials.conditions), (ROWS,), generator=generator).to(trials.conditions.device)
        accuracy, efficiency = part.predict_values(trials.seen[rows], trials.conditions[rows]).unbind(dim=2)  # (ROWS, K) each
        unlikely = F.binary_cross_entropy(accuracy.clamp(1e-6, 1 - 1e-6), trials.accuracy[rows])
        optimizer.zero_grad()
        (unlikely + F.mse_loss(efficiency, -trials.later[rows])).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        decay.step()
