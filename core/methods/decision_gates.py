"""Decision gates: an image stops where it lies far inside a class of the exit's linear classifier (Shafiee, Shafiee & Wong, 2018).

Each early exit has a linear classifier, trained one class against all others with the hinge loss, which asks for a margin of 1 on the right
side of each class's hyperplane. An image stops at the first exit at which its distance into a class exceeds a threshold of this exit, and
gets the answer of that exit. The last exit is trained with cross-entropy.

Differs from the paper:
- The exits are trained together with the network. With the network's weights in `training.init_from`, they begin with them.
- λ is a budget for the mean cost, and the thresholds are those with the highest accuracy on validation images within it
  (exit_thresholds.py). Without a λ, one network has thresholds for each of 101 budgets.
- With `distillation_weight`, the last exit also learns from a teacher.

Reconstructed: the form of the loss for several classes, its weight, and the distance, which is the largest over the classes.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core import bibliography
from core.graph.execution import Execution
from core.graph.graph import Graph
from core.methods.exits import ThresholdMethod, early_exits
from core.modules.exits import DistanceRule, ExitRule
from core.registry import ConfigError


class DecisionGates(ThresholdMethod):
    """Exits learn with a margin; an image stops at the first exit where it lies far enough inside a class."""

    title = "Margin exits (decision gates)"
    papers = (bibliography.DECISION_GATES, bibliography.DISTILLATION)
    name: Literal["decision_gates"] = "decision_gates"

    def rule(self, steps: int, classes: int) -> ExitRule:
        return DistanceRule(steps, classes)

    def prepare(self, graph: Graph, lam: float | None) -> Graph:
        for one in early_exits(graph):
            linear_classifier(graph, one.answer)
        return super().prepare(graph, lam)

    def exit_loss(self, execution: Execution, targets: Tensor) -> Tensor:
        *early, last = (answer.float() for answer in execution.outputs.values())
        margins = torch.stack([hinge_loss(answer, targets) for answer in early]).sum()
        return F.cross_entropy(last, targets) + self.early_exit_weight * margins

    def fit(self, graph: Graph, images: Tensor, labels: Tensor) -> None:
        for one in early_exits(graph):
            rule = graph.parts[one.control]
            assert isinstance(rule, DistanceRule)
            rule.norms.copy_(linear_classifier(graph, one.answer).weight.detach().norm(dim=1).clamp(min=1e-6))
        super().fit(graph, images, labels)


def hinge_loss(answer: Tensor, targets: Tensor) -> Tensor:
    """Return the hinge loss of logits (B, classes), one class against all others, summed over classes and averaged over images.

    `targets`: classes, (B,), or the probability of each class, (B, classes), over which the loss is then the mean.
    """
    inside = F.one_hot(targets, answer.shape[1]).to(answer) if targets.dim() == 1 else targets  # (B, classes)
    return (inside * (1 - answer).relu() + (1 - inside) * (1 + answer).relu()).sum(dim=1).mean()


def linear_classifier(graph: Graph, answer: str) -> nn.Linear:
    """Return the linear layer whose scores a node sends. Raises ConfigError if there is none."""
    layers = list(graph.parts[answer].modules())
    if not isinstance(layers[-1], nn.Linear):
        raise ConfigError(
            f"node {answer!r} does not end in a linear classifier, from which distances are measured: choose another architecture, or "
            "the method branchynet"
        )
    return layers[-1]
