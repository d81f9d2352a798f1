"""What methods for early exits share: the exits of a graph, the outcome of each exit for each image, and the training of all exits.

An early exit is a control node that sees an answer and decides whether it stands: then nothing else runs. The control node's module is
replaced by an exit rule (core/modules/exits.py) that sees the answer alone, so the network runs, and is stored and exported, as any other.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from pydantic import Field
from torch import Generator, Tensor, nn

from core.datasets import Split, normalised
from core.graph.calibration import IMAGES_PER_PASS
from core.graph.execution import Execution, execute
from core.graph.graph import Graph
from core.graph.node import Edge
from core.graph.policy import Open
from core.graph.static import price_share, running_nodes
from core.graph.tradeoff import CURVE_STEPS, BudgetCurve, FixedLam, Tradeoff
from core.methods import Batch, DistillingMethod, StepResult
from core.methods.exit_thresholds import tabulate_thresholds
from core.methods.losses import classification, distillation_loss
from core.modules.exits import ExitRule
from core.registry import ConfigError

STOP, GO_ON = 0, 1  # the options of an early exit
ANY_LAM = 1.0  # where every gate is open, so that λ has no effect


@dataclass(frozen=True)
class EarlyExit:
    """A control node, and the node whose answer it sees and may let stand."""

    control: str
    answer: str


@dataclass(frozen=True)
class ExitOutcomes:
    """The outcomes of all exits, K early ones and the last, on N images.

    answers  (N, K + 1, classes), logits
    correct  (N, K + 1) bool, whether each answer is right
    costs    (K + 1,), of stopping at each exit, as a share of the static network's
    """

    answers: Tensor
    correct: Tensor
    costs: Tensor


def early_exits(graph: Graph) -> list[EarlyExit]:
    """Return the early exits of a graph, one for each output but the last.

    Raises ConfigError if a control node is none, or if there are none.
    """
    found = []
    for number, control in enumerate(graph.controls):
        runs = running_nodes(graph, _stopping_at(graph, number))
        *_, last = (output for output in graph.outputs if output.name in runs)
        answer, later = last.inputs[0].source, [other for other in graph.controls[number + 1 :] if other.name in runs]
        stands = type(graph.parts[last.name]) is nn.Identity and last in graph.outputs[number : number + 1]
        seen = [edge.source for edge in control.inputs]
        if control.decides != "one" or len(control.options) != 2 or later or not stands or answer not in seen:
            raise ConfigError(
                f"control node {control.name!r} is not an early exit, which sees an answer and decides whether it stands: choose the "
                "architecture resnet_cascade, or cascade with controllers that see the answer (architecture.controller_sees=answer)"
            )
        found.append(EarlyExit(control.name, answer))
    if not found or len(found) + 1 != len(graph.outputs):
        raise ConfigError("this network has no early exits: name at least one in the options of its architecture (architecture.exits)")
    return found


def with_rules(graph: Graph, rules: Mapping[str, ExitRule], tradeoff: Tradeoff) -> Graph:
    """Return a graph with a trade-off whose control nodes have the modules `rules`, by name, and see the answers of their exits alone.

    Its control nodes return one score for each option, so that it is built anew: `Graph.replace` keeps the number of values.
    """
    answers = {one.control: one.answer for one in early_exits(graph)}
    nodes = [replace(node, inputs=(Edge(answers[node.name]),)) if node.name in answers else node for node in graph.nodes]
    measured = {name: (graph.shapes[name], graph.macs[name]) for name in graph.parts if name not in answers}
    ruled = Graph(nodes, {**graph.parts, **rules}, graph.shapes[graph.input.name], graph.reference, measured=measured)
    ruled.tradeoff = tradeoff
    return ruled


def exit_costs(graph: Graph) -> Tensor:
    """Return the cost of stopping at each exit, the last one included, as a share of the static network's, (K + 1,)."""
    prices = dict(zip((node.name for node in graph.nodes), graph.prices.tolist(), strict=True))
    routes = [running_nodes(graph, _stopping_at(graph, number)) for number in range(len(graph.controls) + 1)]
    return torch.tensor([price_share(graph, sum(prices[name] for name in route)) for route in routes], dtype=torch.float64)


@torch.no_grad()
def exit_outcomes(graph: Graph, images: Tensor, labels: Tensor) -> ExitOutcomes:
    """Return the outcomes of all exits on images (N, C, H, W) of classes (N,). The graph is in evaluation mode."""
    runs = (execute(graph, batch, Open(), lam=ANY_LAM) for batch in torch.split(images, IMAGES_PER_PASS))
    answers = torch.cat([torch.stack(list(run.outputs.values()), dim=1) for run in runs])  # (N, K + 1, classes)
    return ExitOutcomes(answers, answers.argmax(dim=2) == labels[:, None], exit_costs(graph))


def exit_rules(graph: Graph) -> list[ExitRule]:
    """Return the exit rules of a graph, in order."""
    return [part for control in graph.controls if isinstance(part := graph.parts[control.name], ExitRule)]


def observe_answers(rules: Sequence[ExitRule], outcomes: ExitOutcomes) -> list[Tensor]:
    """Return what each rule observes of the answers of its exit, (N, F)."""
    return [rule.observe(answer.float()) for rule, answer in zip(rules, outcomes.answers.unbind(dim=1)[:-1], strict=True)]


def steps_of_lam(graph: Graph, steps: int) -> Tensor:
    """Return the points from 0 to 1 for which rules are fitted: so many in even steps, or the λ of a network that serves no other.

    The result is double, (points,).
    """
    one = graph.tradeoff.lam if isinstance(graph.tradeoff, FixedLam) else None
    return torch.linspace(0, 1, steps, dtype=torch.float64) if one is None else torch.tensor([one], dtype=torch.float64)


def _stopping_at(graph: Graph, exit_number: int) -> dict[str, int]:
    """Return the options that lead to an exit, counted from 0, and let its answer stand."""
    return {control.name: STOP if number == exit_number else GO_ON for number, control in enumerate(graph.controls)}


class ExitMethod(DistillingMethod):
    """The base of methods that train all exits on every image, and fit exit rules to images that the modules have not seen."""

    early_exit_weight: float = Field(
        1.0, ge=0, le=10, title="Early-exit weight", description="Loss weight of each early exit; the last exit has weight 1"
    )

    @property
    def needs_early_exits(self) -> bool:
        return True

    @abstractmethod
    def fit(self, graph: Graph, images: Tensor, labels: Tensor) -> None:
        """Fit the exit rules to images (N, C, H, W) of classes (N,). The graph is in evaluation mode."""

    def exit_loss(self, execution: Execution, targets: Tensor) -> Tensor:
        """Return the loss of all exits for classes (B,) or their probabilities (B, classes), in an execution with all gates open."""
        return classification(execution, targets, early=self.early_exit_weight)

    def step(self, graph: Graph, batch: Batch, lam: float | None, progress: float, generator: Generator) -> StepResult:
        trained = batch.trained
        execution = execute(graph, batch.images[:trained], Open(), lam=ANY_LAM)
        losses = {"classification": self.label_weight * self.exit_loss(execution, batch.targets[:trained])}
        if batch.teacher is not None:
            losses["distillation"] = self.distillation_weight * distillation_loss(execution.output, batch.teacher[:trained])
        return StepResult(losses, {"accuracy of the last exit": (execution.predicted == batch.labels[:trained]).float().mean()})

    def after_epoch(self, graph: Graph, images: Tensor, labels: Tensor) -> None:
        """Fit the rules to a sample, so that the figures after each epoch show what the exits are worth."""
        self.fit(graph.eval(), images, labels)


class ThresholdMethod(ExitMethod):
    """The base of methods that stop at the first exit whose doubt is at most a threshold, and choose the thresholds on validation images.

    λ is a budget: the mean cost, from that of stopping at the first exit at λ = 0 to that of going on to the last at λ = 1. The thresholds
    are those of the highest accuracy within it.
    """

    @abstractmethod
    def rule(self, steps: int, classes: int) -> ExitRule:
        """Return a rule that is not fitted yet."""

    def prepare(self, graph: Graph, lam: float | None) -> Graph:
        classes, steps = graph.shapes[graph.outputs[-1].name][0], CURVE_STEPS if lam is None else 1
        rules = {one.control: self.rule(steps, classes) for one in early_exits(graph)}
        return with_rules(graph, rules, BudgetCurve() if lam is None else FixedLam(lam))

    @torch.no_grad()
    def fit(self, graph: Graph, images: Tensor, labels: Tensor) -> None:
        rules, outcomes = exit_rules(graph), exit_outcomes(graph, images, labels)
        doubts = torch.cat(observe_answers(rules, outcomes), dim=1)  # (N, K)
        lowest, highest = outcomes.costs[0], outcomes.costs[-1]
        budgets = lowest + (highest - lowest) * steps_of_lam(graph, CURVE_STEPS)
        chosen = tabulate_thresholds(doubts.cpu(), outcomes.correct.cpu(), outcomes.costs).best(budgets)  # (steps, K)
        for rule, column in zip(rules, chosen.T, strict=True):
            rule.thresholds.copy_(column)

    def finish(self, graph: Graph, holdout: Split, val: Split, generator: Generator) -> None:
        self.fit(graph, normalised(val.images).to(graph.device), val.labels.to(graph.device))
