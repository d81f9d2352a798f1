"""The best thresholds of early exits, by exhaustive search among candidates.

An image stops at the first exit about whose answer its doubt is at most the exit's threshold. Where the thresholds at all exits are c₁, c₂,
…, the images that stop at exit k are those above the first k − 1 thresholds and not above the last. Histograms of the doubts, summed along
their axes, therefore give the accuracy and the cost of every combination of candidates at once.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.registry import ConfigError

MAX_TABULATED = 1_000_000  # combinations of candidate thresholds at all exits
BUDGET_ROUNDING = 1e-6  # by which a mean cost may exceed a budget, since both are rounded


@dataclass(frozen=True)
class ThresholdTable:
    """Every combination of candidate thresholds at K exits.

    candidates  the thresholds of each exit, K tensors (C,), ascending: from the one at which no image stops to the one at which all do
    accuracy    (C,) * K, the share of right answers of each combination
    cost        (C,) * K, its mean cost
    """

    candidates: list[Tensor]
    accuracy: Tensor
    cost: Tensor

    def best(self, budgets: Tensor) -> Tensor:
        """Return the thresholds with the highest accuracy whose mean cost is within each budget (n,), (n, K); of equal ones the cheapest.

        A budget below every cost gets the cheapest thresholds.
        """
        accuracy, cost = self.accuracy.flatten().numpy(), self.cost.flatten().numpy()
        order = np.lexsort((-accuracy, cost))
        highest = np.maximum.accumulate(accuracy[order])
        improves = np.concatenate([[True], highest[1:] > highest[:-1]])
        best = order[np.maximum.accumulate(np.where(improves, np.arange(len(order)), 0))]  # the best of all up to each cost
        within = np.searchsorted(cost[order], budgets.numpy() + BUDGET_ROUNDING, side="right") - 1
        places = np.unravel_index(best[within.clip(min=0)], tuple(self.cost.shape))
        return torch.stack([values[torch.from_numpy(place)] for values, place in zip(self.candidates, places, strict=True)], dim=1)


def tabulate_thresholds(doubts: Tensor, correct: Tensor, costs: Tensor) -> ThresholdTable:
    """Return the accuracy and the cost of every combination of candidate thresholds at K early exits, on N images.

    `doubts`: about the answer of each early exit, (N, K). `correct`: whether each exit answers rightly, (N, K + 1) bool, the last one
    included. `costs`: of stopping at each exit, (K + 1,). The candidates lie between all neighbouring doubts, or evenly among them where
    these are more than MAX_TABULATED allows. Raises ConfigError if there are too many exits for two candidates each.
    """
    count, exits = doubts.shape
    size = int(MAX_TABULATED ** (1 / exits) + 1e-9)
    if size < 2:
        raise ConfigError(
            f"thresholds of {exits} early exits have too many combinations: leave at most {int(np.log2(MAX_TABULATED))} exits"
        )
    candidates = [_candidates(column, size) for column in doubts.double().T]
    levels = torch.stack([torch.searchsorted(*pair) for pair in zip(candidates, doubts.double().T.contiguous(), strict=True)])  # (K, N)
    shape = tuple(len(values) for values in candidates)
    right, cost = torch.zeros(shape, dtype=torch.float64), torch.zeros(shape, dtype=torch.float64)  # sums over the images
    for exit_number, price in enumerate(costs.tolist()):
        seen = levels[: exit_number + 1]
        right += _stopping(seen, shape, exit_number, correct[:, exit_number].double())
        cost += price * _stopping(seen, shape, exit_number, torch.ones(count, dtype=torch.float64))
    return ThresholdTable(candidates, right / count, cost / count)


def _candidates(doubts: Tensor, size: int) -> Tensor:
    """Return at most `size` thresholds for doubts (N,), ascending; the first is below all of them, the last above."""
    ordered = doubts.sort().values
    between = ((ordered[1:] + ordered[:-1]) / 2)[ordered[1:] > ordered[:-1]]
    if len(between) > size - 2:
        between = between[torch.linspace(0, len(between) - 1, size - 2).round().long()]
    margin = 1 + ordered[-1:] - ordered[:1]
    return torch.cat([ordered[:1] - margin, between, ordered[-1:] + margin])


def _stopping(levels: Tensor, shape: tuple[int, ...], exit_number: int, values: Tensor) -> Tensor:
    """Return the sum of values (N,) over the images that stop at an exit, for every combination of candidates.

    `levels`: the first candidate at which each image stops, at each early exit up to this one, (exits, N). The result has as many axes as
    there are early exits; those of later exits have length 1.
    """
    own = shape[: len(levels)]
    flat = torch.zeros(levels.shape[1], dtype=torch.int64)
    for column, length in zip(levels, own, strict=True):
        flat = flat * length + column
    sums = torch.bincount(flat, values, minlength=int(np.prod(own))).view(own)
    for axis in range(len(own)):
        up_to = sums.cumsum(dim=axis)
        sums = up_to if axis == exit_number else up_to.narrow(axis, own[axis] - 1, 1) - up_to
    return sums.view(*own, *[1] * (len(shape) - len(own)))
