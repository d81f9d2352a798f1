"""Refit the controllers after training, to the outcomes of all their options on images that the modules have not fitted.

While modules and controllers learn together, a controller sees one option per image, and the later decisions on which it depends keep
changing. Here the modules are frozen. The last control node is fitted first, with each of its options tried on every image; then the one
before it, whose outcomes now follow the refitted decisions of the later ones. Beyond the paper.

Few images make the refitted weights uncertain, and so are the weights before: between the two lies what is better than either at more λ.
Averages of fine-tuned weights behave so (Wortsman et al., "Model soups", ICML 2022, https://arxiv.org/abs/2203.05482).
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Generator, Tensor
from torch.optim import AdamW

from core.datasets import Split, normalised
from core.graph.calibration import calibrate
from core.graph.cost import reward_cost, reward_cost_after
from core.graph.execution import Execution, execute
from core.graph.graph import Graph
from core.graph.node import Node
from core.graph.policy import Greedy, Policy, Random, Stacked, one_hot
from core.graph.validation import find_choices
from core.modules.controller import Controller
from core.pareto import ParetoPoint, hypervolume

FIT_BATCH = 256  # images
DRAWS_PER_IMAGE = 6  # random draws of λ and of a route to the control node, for each image
FRONT_LAMS = 16  # values of λ at which the Pareto fronts before and after are compared
FRACTIONS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the way from the weights before to the refitted ones, of which the best is kept
ROUNDS = 2  # passes from the last control node to the first
FIT_STEPS, FIT_ROWS, LEARNING_RATE, WEIGHT_DECAY = 400, 512, 3e-3, 0.03  # optimiser steps of one control node, and their batch size


@dataclass(frozen=True)
class OptionOutcomes:
    """The outcomes of all options of a control node.

    features    (n, F), what the control node observed
    conditions  (n,), the trade-off's condition for λ
    accuracy    (n, K), whether the answer was right after each option
    later_cost  (n, K), the cost of the later nodes after each option
    """

    features: Tensor
    conditions: Tensor
    accuracy: Tensor
    later_cost: Tensor


@dataclass(frozen=True)
class ForcedOption:
    """A policy that takes one option of a control node for all N images, and is otherwise greedy.

    The images that explore reach the control node along a random route: control nodes before it follow `random`, but take the options of
    `required`, without which the control node would not run.
    """

    control: str
    column: int
    explores: Tensor  # (N,) bool
    random: Policy
    required: dict[str, int]
    before: frozenset[str]

    def __call__(self, control: Node, scores: Tensor) -> Tensor:
        if control.name == self.control:
            gates = torch.zeros(len(scores), len(control.options), device=scores.device)
            gates[:, self.column] = 1
            return gates
        greedy = Greedy()(control, scores)
        if control.name not in self.before:
            return greedy
        explored = self.random(control, scores)
        if control.name in self.required:
            explored = one_hot(torch.full((len(scores),), self.required[control.name], device=scores.device), scores)
        return torch.where(self.explores[:, None].to(scores.device), explored, greedy)


def fit_controllers(graph: Graph, holdout: Split, val: Split, generator: Generator) -> None:
    """Refit every controller of a graph that serves every λ on the holdout.

    Keeps the point between the weights before and after whose Pareto front on validation images has the largest hypervolume. Leaves the
    graph in evaluation mode.
    """
    graph.eval()
    before, tradeoff = copy.deepcopy(graph.state_dict()), copy.deepcopy(graph.tradeoff.state_dict())
    images, labels = normalised(holdout.images).to(graph.device), holdout.labels.to(graph.device)
    for _ in range(ROUNDS):
        for control in reversed(graph.controls):
            part = graph.parts[control.name]
            if isinstance(part, Controller):
                fit(part, option_outcomes(graph, control, part, images, labels, generator), generator)
    after = copy.deepcopy(graph.state_dict())
    fronts = []
    for fraction in FRACTIONS:
        graph.load_state_dict(_between(before, after, fraction))
        fronts.append(_pareto_front(graph, val))
    max_cost = max(point.cost for front in fronts for point in front)
    volumes = [hypervolume(front, max_cost) for front in fronts]
    graph.load_state_dict(_between(before, after, FRACTIONS[volumes.index(max(volumes))]))
    graph.tradeoff.load_state_dict(tradeoff)


def _between(before: Mapping[str, Tensor], after: Mapping[str, Tensor], fraction: float) -> dict[str, Tensor]:
    """Return the weights at a fraction of the way from one state of a graph to another."""
    return {name: torch.lerp(start, after[name], fraction) if start.is_floating_point() else start for name, start in before.items()}


@torch.no_grad()
def _pareto_front(graph: Graph, val: Split) -> list[ParetoPoint]:
    """Return accuracy against cost, by the graph's prices, at FRONT_LAMS values of λ after calibration on the same images."""
    device = graph.device
    images, labels = normalised(val.images).to(device), val.labels.to(device)
    calibrate(graph, images, labels)
    lams = torch.linspace(0, 1, FRONT_LAMS, device=device)
    costs, correct = torch.zeros(FRONT_LAMS, dtype=torch.float64, device=device), torch.zeros(FRONT_LAMS, device=device)
    for batch, classes in zip(torch.split(images, FIT_BATCH), torch.split(labels, FIT_BATCH), strict=True):
        execution = execute(graph, batch, Greedy(), lam=lams.repeat_interleave(len(batch)), copies=FRONT_LAMS)
        costs += reward_cost(graph, execution).view(FRONT_LAMS, -1).sum(dim=1)
        correct += (execution.predicted.view(FRONT_LAMS, -1) == classes).sum(dim=1)
    return [ParetoPoint(cost / len(val), accuracy / len(val)) for cost, accuracy in zip(costs.tolist(), correct.tolist(), strict=True)]


@torch.no_grad()
def option_outcomes(graph: Graph, control: Node, part: Controller, images: Tensor, labels: Tensor, generator: Generator) -> OptionOutcomes:
    """Try every option of a control node DRAWS_PER_IMAGE times on each of the images (N, C, H, W) of classes (N,)."""
    outcomes: list[OptionOutcomes] = []
    with part.register_forward_hook(lambda controller, inputs, _: controller.features(*inputs)):  # features in place of values
        for batch, classes in zip(torch.split(images, FIT_BATCH), torch.split(labels, FIT_BATCH), strict=True):
            lams = torch.rand(DRAWS_PER_IMAGE * len(batch), generator=generator).to(batch.device)
            policies = _policies(graph, control, len(batch), generator)
            options = len(control.options)
            execution = execute(graph, batch, Stacked(policies), lam=lams.repeat(options), copies=options * DRAWS_PER_IMAGE)
            if bool(execution.ran[control.name].any()):
                outcomes.append(_outcomes(graph, control, execution, classes.repeat(options * DRAWS_PER_IMAGE), lams))
    return OptionOutcomes(*(torch.cat([getattr(part, field.name) for part in outcomes]) for field in fields(OptionOutcomes)))


def _policies(graph: Graph, control: Node, count: int, generator: Generator) -> list[Policy]:
    """Return DRAWS_PER_IMAGE policies for each option; the options share the same routes to the control node."""
    required = dict(find_choices(graph.by_name, control.name) or ())
    before = frozenset(other.name for other in graph.controls[: graph.controls.index(control)])
    draws = []
    for _ in range(DRAWS_PER_IMAGE):
        seed = int(torch.randint(1 << 30, (), generator=generator))
        draws.append((torch.rand(count, generator=generator) < 0.5, float(torch.rand((), generator=generator)), seed))
    return [
        ForcedOption(control.name, column, explores, Random(rate, Generator().manual_seed(seed)), required, before)
        for column in range(len(control.options))
        for explores, rate, seed in draws
    ]


def _outcomes(graph: Graph, control: Node, execution: Execution, labels: Tensor, lams: Tensor) -> OptionOutcomes:
    """Return the outcomes of one batch, for the rows that reach the control node."""
    options = len(control.options)
    accuracy = (execution.predicted == labels).float().view(options, -1)  # (K, n)
    later_cost = reward_cost_after(graph, execution, control.name).view(options, -1)
    reached = execution.ran[control.name].view(options, -1)[0]  # (n,)
    features = execution.values[control.name].view(options, len(lams), -1)[0]
    conditions = graph.tradeoff.condition(lams)
    assert conditions is not None  # the graph serves every λ
    return OptionOutcomes(features[reached], conditions[reached], accuracy.T[reached], later_cost.T[reached])


def fit(part: Controller, outcomes: OptionOutcomes, generator: Generator) -> None:
    """Fit a controller to outcomes, by the cross-entropy of the accuracy and the squared error of the cost to come."""
    optimizer = AdamW(part.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, FIT_STEPS)
    for _ in range(FIT_STEPS):
        rows = torch.randint(len(outcomes.conditions), (FIT_ROWS,), generator=generator).to(outcomes.conditions.device)
        accuracy, efficiency = part.predict_values(outcomes.features[rows], outcomes.conditions[rows]).unbind(dim=2)  # (rows, K) each
        cross_entropy = F.binary_cross_entropy(accuracy.clamp(1e-6, 1 - 1e-6), outcomes.accuracy[rows])
        optimizer.zero_grad()
        (cross_entropy + F.mse_loss(efficiency, -outcomes.later_cost[rows])).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
