"""λ: how a graph trades accuracy for computation. The same number means the same everywhere: 1 is accuracy alone, 0 is cost alone.

Every graph has one trade-off, and its class says what λ does:

Tradeoff      nothing: a static graph, or one whose control nodes were given no λ
FixedLam      the graph was trained for this λ and serves no other
ExchangeRate  the graph serves every λ: an option is worth λA + (1−λ)E, with E = −κ·(cost as a share of the static network's)
BudgetCurve   the graph serves every λ: λ stands for a budget, and gate networks are given the point of the curve at λ

The reward λA + (1−λ)E is that of Liu & Deng (AAAI 2018, section 4).
Differs from the paper: the exchange rate κ, which is 1 there. Below 1 it spreads the choices over the whole range of λ.
Beyond the paper: the reward is linear in λ, so a controller that knows the accuracy and the cost to expect of each option serves every λ.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

RATES = torch.logspace(-4, 1, 101)  # values of κ that calibration chooses from
ODDS = torch.logspace(-5, 5, 41)  # λ / (1−λ) at κ = 1 at which calibration measures
CURVE_STEPS = 101  # values of λ for which a budget curve holds a point
CURVE_TRIALS = 21  # points of the curve at which calibration measures, and between which it interpolates


@dataclass(frozen=True)
class Measured:
    """A graph at several λ: mean cost as a share of the static network's (λs,), and accuracy (λs,), over `count` images."""

    costs: Tensor
    accuracies: Tensor
    count: int


Measure = Callable[[Tensor], Measured]  # runs the graph at each of some λ (λs,)


def reward(accuracy: Tensor, share: Tensor, lam: Tensor | float, exchange_rate: Tensor | float) -> Tensor:
    """Return λA + (1−λ)E for accuracies and cost shares of one shape."""
    return lam * accuracy - (1 - lam) * exchange_rate * share


class Tradeoff(nn.Module):
    """λ plays no part: the base of the other trade-offs.

    every_lam      whether the graph serves every λ, so that λ has to be given to execute it
    adjustable     whether calibration is to choose its numbers
    exchange_rate  κ, a scalar; None where cost is not exchanged for accuracy
    """

    every_lam: ClassVar[bool] = False
    adjustable: bool = False
    exchange_rate: Tensor | None

    def __init__(self, exchange_rate: float | None = None) -> None:
        super().__init__()
        self.register_buffer("exchange_rate", None if exchange_rate is None else torch.tensor(float(exchange_rate)))

    def condition(self, lam: Tensor) -> Tensor | None:
        """Return what control nodes are given for λ (B,): numbers in [0, 1], (B,), or None if they are given nothing."""
        return None

    def score(self, values: Tensor, lam: Tensor | None) -> Tensor:
        """Return one score per option, (B, K), from the values (B, K) of a control node and λ (B,)."""
        return values

    def reward(self, accuracy: Tensor, share: Tensor, lam: Tensor | float) -> Tensor:
        """Return λA + (1−λ)E for accuracies and cost shares of one shape; κ is 1, as in the paper, where the trade-off has none."""
        return reward(accuracy, share, lam, 1.0 if self.exchange_rate is None else self.exchange_rate)

    def threshold(self, values: Tensor) -> Tensor | None:
        """Return the λ (B,) at which a control node of two options changes its choice, or None if there is no closed form."""
        return None

    def calibrate(self, measure: Measure) -> None:
        """Choose the trade-off's numbers so that the mean cost rises evenly along λ; without numbers there is nothing to choose."""

    @property
    def description(self) -> str:
        """Return in words what λ is measured in, for the model card, `describe` and the studio; empty if there is nothing to say."""
        if self.exchange_rate is None:
            return ""
        return f"Exchange rate κ: {float(self.exchange_rate):.3g}, the accuracy that the static network's whole cost is worth"


class FixedLam(Tradeoff):
    """The graph was trained for one λ. With an exchange rate κ, that is what the reward of its training used."""

    def __init__(self, lam: float, exchange_rate: float | None = None) -> None:
        super().__init__(exchange_rate)
        self.lam = lam


class ExchangeRate(Tradeoff):
    """Every λ, by an exchange rate κ: what accuracy the static network's whole cost is worth.

    A control node returns two values per option, the accuracy and the negative cost share to expect, (B, K, 2). A choice depends on λ and κ
    only through the weight of accuracy λ / (λ + (1−λ)κ), which is what control nodes are given. So a trained graph can take any κ.
    """

    every_lam: ClassVar[bool] = True
    exchange_rate: Tensor

    def __init__(self, exchange_rate: float = 1.0, *, adjustable: bool = True) -> None:
        super().__init__(exchange_rate)
        self.adjustable = adjustable

    def condition(self, lam: Tensor) -> Tensor:
        """Return the weight of accuracy against the plain cost share, λ / (λ + (1−λ)κ), (B,)."""
        return lam / (lam + (1 - lam) * self.exchange_rate)

    def score(self, values: Tensor, lam: Tensor | None) -> Tensor:
        """Return the reward to expect of each option, (B, K), from values (B, K, 2); values (B, K) are scores already."""
        if values.dim() == 2 or lam is None:
            return values
        accuracy, efficiency = values.unbind(-1)
        return reward(accuracy, -efficiency, lam[:, None], self.exchange_rate)

    def threshold(self, values: Tensor) -> Tensor | None:
        """Return the λ (B,) at which the choice between two options changes, from values (B, 2, 2) that do not depend on λ.

        Above it the more accurate option is chosen, the second where that is also the dearer one. It is above 1 where the second option is
        never chosen, and 0 where it always is. At λ = 1 cost has no weight, so a dearer option that is more accurate by any margin has a
        threshold below 1. None for values of another shape.
        """
        if values.shape[1:] != (2, 2):
            return None
        exact = values.double()  # a tiny gain in accuracy has a threshold that single precision rounds to 1
        accuracy, efficiency = (exact[:, 1] - exact[:, 0]).unbind(-1)  # what the second option gains, and saves (negative: costs)
        cost = -efficiency * self.exchange_rate
        crossing = cost / (accuracy + cost)
        never = (accuracy <= 0) & (cost >= 0)
        always = (accuracy > 0) & (cost <= 0)
        return torch.where(never, torch.full_like(crossing, 2.0), torch.where(always, torch.zeros_like(crossing), crossing))

    def calibrate(self, measure: Measure) -> None:
        """Choose the κ under which the largest step of the mean cost between neighbouring λ of 0, 0.1, …, 1 is smallest."""
        self.exchange_rate.fill_(1.0)
        costs = measure(ODDS / (1 + ODDS)).costs.cpu()
        lams = torch.linspace(0, 1, 11)
        steps = []
        for rate in RATES:
            odds = (lams / (1 - lams) / rate).clamp(float(ODDS[0]), float(ODDS[-1]))
            between = np.interp(odds.log(), ODDS.log(), costs)  # (lams,)
            steps.append(abs(np.diff(between)).max())
        self.exchange_rate.fill_(float(RATES[int(np.argmin(steps))]))


class BudgetCurve(Tradeoff):
    """Every λ, by a budget: `curve` (CURVE_STEPS,) holds what gate networks are given for λ of 0, …, 1 in even steps."""

    every_lam: ClassVar[bool] = True
    adjustable: bool = True

    def __init__(self) -> None:
        super().__init__()
        self.curve: Tensor
        self.register_buffer("curve", torch.linspace(0, 1, CURVE_STEPS))

    def condition(self, lam: Tensor) -> Tensor:
        """Return the point of the curve at each λ, (B,), interpolated between its steps."""
        at = lam.clamp(0, 1) * (len(self.curve) - 1)
        low = at.floor().long().clamp(max=len(self.curve) - 2)
        return torch.lerp(self.curve[low], self.curve[low + 1], at - low)

    def calibrate(self, measure: Measure) -> None:
        """Choose the curve along which the mean cost rises evenly.

        It ends where more cost stops helping: at the dearest point whose accuracy is within one standard error of the best.
        """
        steps = len(self.curve)
        self.curve.copy_(torch.linspace(0, 1, steps))
        points = np.linspace(0, 1, CURVE_TRIALS)
        seen = measure(torch.from_numpy(points))
        last = dearest(seen.accuracies.tolist(), seen.count)
        rising = np.maximum.accumulate(seen.costs.tolist()) + 1e-9 * np.arange(CURVE_TRIALS)  # the cost must not fall along the curve
        self.curve.copy_(torch.from_numpy(np.interp(np.linspace(rising[0], rising[last], steps), rising, points)).float())

    @property
    def description(self) -> str:
        return "λ sets the budget, from the least that the network can spend to the most that still helps"


def dearest(accuracies: Sequence[float], count: int) -> int:
    """Return the place of the last accuracy on `count` images that is within one standard error of the best.

    For the error two more answers are right and two are wrong, so that a perfect score also has one (Agresti & Coull, 1998).
    """
    best = max(accuracies)
    likely = (best * count + 2) / (count + 4)
    error = (likely * (1 - likely) / (count + 4)) ** 0.5
    return max(number for number, one in enumerate(accuracies) if one >= best - error)
