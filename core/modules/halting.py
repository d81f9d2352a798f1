"""Adaptive computation time: when an iteration is the last one, and what the iterations answer together (Graves, 2016).

Papers: Graves, "Adaptive Computation Time for Recurrent Neural Networks" (https://arxiv.org/abs/1603.08983), section 2.
Each iteration has a halting score in (0, 1). An image stops as soon as the sum of its scores reaches 1 − ε. The result is the mean of the
states, weighted by the halting scores; the last state has the remainder, so that the weights add up to 1.
Reconstructed: the score is that of a linear layer on the pooled state; it starts at about a quarter.
"""

import torch
from torch import Tensor, nn

HALTING_BIAS = -1.0  # initial bias of a halting score, whose sigmoid is 0.27


class HaltingSum(nn.Module):
    """Adds the halting score of a state (B, C, H, W) to the sum of the earlier scores, (B, 1): (B, 1), and 1 from `threshold` on.

    No gradient passes where the sum is 1, because the last state has the remainder whatever its own score is.
    """

    def __init__(self, channels: int, threshold: float) -> None:
        super().__init__()
        self.threshold = threshold
        self.score = nn.Linear(channels, 1)
        nn.init.constant_(self.score.bias, HALTING_BIAS)

    def forward(self, state: Tensor, *earlier: Tensor) -> Tensor:
        total = torch.stack([self.score(state.mean(dim=(2, 3))).sigmoid(), *earlier]).sum(dim=0)
        return torch.where(total >= self.threshold, torch.ones_like(total), total)


class Halt(nn.Module):
    """The module of a control node with the options to stop and to go on: values (B, 2) from the sum of halting scores, (B, 1)."""

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.threshold = threshold

    def forward(self, total: Tensor, weight: Tensor | None) -> Tensor:
        return torch.cat([total, torch.full_like(total, self.threshold)], dim=1)


class HaltedMean(nn.Module):
    """The mean of n states (B, C, H, W), weighted by their halting scores.

    Its inputs are the states and the sums of halting scores after all but the last, (B, 1), each of which is 1 from the last iteration on.
    """

    def forward(self, *inputs: Tensor) -> Tensor:
        states, totals = inputs[: len(inputs) // 2 + 1], inputs[len(inputs) // 2 + 1 :]
        ends = torch.cat([torch.zeros_like(states[0][:, :1, 0, 0]), *totals, torch.ones_like(states[0][:, :1, 0, 0])], dim=1)  # (B, n + 1)
        weights = ends.diff(dim=1).to(states[0])  # (B, n)
        return torch.stack([state * weight[:, None, None, None] for state, weight in zip(states, weights.unbind(1), strict=True)]).sum(
            dim=0
        )
