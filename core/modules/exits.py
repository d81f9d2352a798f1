"""Exit rules, the modules of control nodes that see one answer and decide whether it stands.

A rule observes features of the answer and makes one number of them, its doubt. An image stops where the doubt is at most a threshold. A
rule for every λ has a threshold for each of several evenly spaced conditions, of which the nearest counts. Rules are fitted after training
and have no parameters to train.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from core.modules.controller import summary

MAX_OBSERVED = 5  # classes whose log-probabilities a linear policy observes, the likeliest ones


class ExitRule(nn.Module, ABC):
    """Returns the threshold and the doubt, (B, 2), as the scores of stopping and of going on, from an answer's logits (B, classes).

    thresholds  (steps,) for conditions in even steps from 0 to 1; one for a network of one λ
    """

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.thresholds: Tensor
        self.register_buffer("thresholds", torch.zeros(steps))

    def forward(self, answer: Tensor, *, weight: Tensor | None) -> Tensor:
        row = self.row(answer, weight)
        return torch.stack([self.thresholds[row], self.doubt(self.observe(answer.float()), row)], dim=1)

    def row(self, answer: Tensor, weight: Tensor | None) -> Tensor:
        """Return the step nearest to λ's condition (B,), an index (B,)."""
        if weight is None:
            return torch.zeros(len(answer), dtype=torch.int64, device=answer.device)
        return (weight * (len(self.thresholds) - 1)).round().long()

    @abstractmethod
    def observe(self, answer: Tensor) -> Tensor:
        """Return what the rule observes of logits (B, classes): features (B, F)."""

    def doubt(self, observed: Tensor, row: Tensor) -> Tensor:
        """Return the doubt about each answer, (B,), from features (B, F) at the steps `row` (B,)."""
        return observed[:, 0]


class EntropyRule(ExitRule):
    """Doubts an answer by the entropy of its probabilities, in nats."""

    def observe(self, answer: Tensor) -> Tensor:
        return entropy(answer)


class ConfidenceRule(ExitRule):
    """Doubts an answer by how far the probability of its likeliest class is from 1."""

    def observe(self, answer: Tensor) -> Tensor:
        return 1 - answer.softmax(dim=1).amax(dim=1, keepdim=True)


class DistanceRule(ExitRule):
    """Doubts an answer by how far its features lie outside of every class, or, below 0, inside one.

    Each class of a linear classifier has a hyperplane. The largest signed distance from them is the logit divided by the norm of the
    class's weights.

    norms  (classes,) the norms of the classifier's weights
    """

    def __init__(self, steps: int, classes: int) -> None:
        super().__init__(steps)
        self.norms: Tensor
        self.register_buffer("norms", torch.ones(classes))

    def observe(self, answer: Tensor) -> Tensor:
        return -(answer / self.norms).amax(dim=1, keepdim=True)


class PolicyRule(ExitRule):
    """Doubts an answer by a linear function of its largest log-probabilities and its entropy, with other weights at each step.

    weights  (steps, F)
    """

    def __init__(self, steps: int, classes: int) -> None:
        super().__init__(steps)
        self.likeliest = min(classes, MAX_OBSERVED)
        self.weights: Tensor
        self.register_buffer("weights", torch.zeros(steps, self.likeliest + 1))

    def observe(self, answer: Tensor) -> Tensor:
        return torch.cat([summary(answer)[:, : self.likeliest], entropy(answer)], dim=1)

    def doubt(self, observed: Tensor, row: Tensor) -> Tensor:
        return torch.bmm(observed[:, None], self.weights[row][:, :, None])[:, 0, 0]


def entropy(answer: Tensor) -> Tensor:
    """Return the entropy in nats of the probabilities that logits (B, classes) stand for, (B, 1)."""
    logs = answer.log_softmax(dim=1)
    return -(logs.exp() * logs).sum(dim=1, keepdim=True)
