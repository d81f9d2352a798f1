"""λ: how a graph trades accuracy for computation. At 1 only accuracy counts, at 0 only cost.

Every graph has one trade-off, whose class defines the effect of λ:

Tradeoff      no effect: a static graph, or one whose control nodes were not given λ
FixedLam      the graph was trained for this λ and serves no other
ExchangeRate  the graph serves every λ: the score of an option is λA + (1−λ)E, with E = −κ·(cost as a share of the static network's)
BudgetCurve   the graph serves every λ: λ selects a budget, and gate networks are given the point of the curve at λ
WeightCurve   the graph serves every λ: λ selects a budget by the weight w of accuracy in the score wA + (1−w)E of an option

The reward λA + (1−λ)E is that of Liu & Deng (AAAI 2018, section 4).
Differs from the paper: the exchange rate κ, which is 1 there. Values below 1 spread the choices over the whole range of λ.
Beyond the paper: the reward is linear in λ, so a controller that predicts the accuracy and the cost of each option serves every λ.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

KAPPAS = torch.logspace(-4, 1, 101)  # values of κ that calibration chooses from
ODDS = torch.logspace(-5, 5, 41)  # λ / (1−λ) at κ = 1 at which calibration measures
CURVE_STEPS = 101  # values of λ for which a budget curve holds a point
LOWEST_RATE = 0.005  # κ at the end of a weight curve: the static network's whole cost is worth half a point of accuracy there
CURVE_TRIALS = 21  # points of the curve at which calibration measures, and between which it interpolates


@dataclass(frozen=True)
class TradeoffMeasurements:
    """Mean cost as a share of the static network's, (λs,), and accuracy, (λs,), of a graph at several λ, over `count` images."""

    costs: Tensor
    accuracies: Tensor
    count: int


Measure = Callable[[Tensor], TradeoffMeasurements]  # measures the graph at each λ of (λs,)


def reward(accuracy: Tensor, share: Tensor, lam: Tensor | float, exchange_rate: Tensor | float) -> Tensor:
    """Return λA + (1−λ)E for accuracies and cost shares of one shape."""
    return lam * accuracy - (1 - lam) * exchange_rate * share


class Tradeoff(nn.Module):
    """A trade-off without λ, and the base class of the others.

    every_lam      whether the graph serves every λ, which must then be given to execute it
    adjustable     whether calibration chooses its numbers
    exchange_rate  κ in units of what control nodes predict, a scalar; None if there is no exchange rate
    unit           the accuracy that a predicted value of 1 stands for
    """

    every_lam: ClassVar[bool] = False
    adjustable: bool = False
    unit: float = 1.0
    exchange_rate: Tensor | None

    def __init__(self, exchange_rate: float | None = None) -> None:
        super().__init__()
        self.register_buffer("exchange_rate", None if exchange_rate is None else torch.tensor(float(exchange_rate)))

    @property
    def kappa(self) -> float | None:
        """κ: the accuracy that the static network's whole cost is worth; None if there is no exchange rate."""
        return None if self.exchange_rate is None else float(self.exchange_rate) * self.unit

    def condition(self, lam: Tensor) -> Tensor | None:
        """Return the input of control nodes for λ (B,): numbers in [0, 1], (B,), or None if they are not given λ."""
        return None

    def score(self, values: Tensor, lam: Tensor | None) -> Tensor:
        """Return one score per option, (B, K), from the values (B, K) of a control node and λ (B,)."""
        return values

    def reward(self, accuracy: Tensor, share: Tensor, lam: Tensor | float) -> Tensor:
        """Return λA + (1−λ)E for accuracies and cost shares of one shape; κ is 1, as in the paper, if the trade-off has none."""
        return reward(accuracy, share, lam, 1.0 if self.exchange_rate is None else self.exchange_rate)

    def threshold(self, values: Tensor) -> Tensor | None:
        """Return the λ (B,) at which a control node of two options changes its choice, or None if there is no closed form."""
        return None

    def calibrate(self, measure: Measure) -> None:
        """Choose the trade-off's numbers so that the mean cost rises evenly along λ. Does nothing if it has none."""

    @property
    def description(self) -> str:
        """A sentence on the scale of λ, for the model card, `describe` and the studio; empty if there is none."""
        if self.kappa is None:
            return ""
        return f"Exchange rate κ: {self.kappa:.3g}, the accuracy that the static network's whole cost is worth"


class FixedLam(Tradeoff):
    """A graph trained for one λ. `exchange_rate`: the κ of its reward in training, if any."""

    def __init__(self, lam: float, exchange_rate: float | None = None) -> None:
        super().__init__(exchange_rate)
        self.lam = lam


class ExchangeRate(Tradeoff):
    """Serves every λ by an exchange rate κ: the accuracy that the static network's whole cost is worth.

    A control node returns two values per option, the expected accuracy and the negative expected cost share, (B, K, 2). A choice depends on
    λ and κ only through the weight of accuracy λ / (λ + (1−λ)κ), which is the input of control nodes. So κ can be changed after training.
    """

    every_lam: ClassVar[bool] = True
    exchange_rate: Tensor

    def __init__(self, kappa: float = 1.0, *, adjustable: bool = True, unit: float = 1.0) -> None:
        super().__init__(kappa / unit)
        self.adjustable, self.unit = adjustable, unit

    def condition(self, lam: Tensor) -> Tensor:
        """Return the weight of accuracy against the plain cost share, λ / (λ + (1−λ)κ), (B,)."""
        return lam / (lam + (1 - lam) * self.exchange_rate)

    def score(self, values: Tensor, lam: Tensor | None) -> Tensor:
        """Return the expected reward of each option, (B, K), from values (B, K, 2). Values (B, K) are returned as scores."""
        if values.dim() == 2 or lam is None:
            return values
        accuracy, efficiency = values.unbind(-1)
        return self.reward(accuracy, -efficiency, lam[:, None])

    def threshold(self, values: Tensor) -> Tensor | None:
        """Return the λ (B,) at which the choice between two options changes, from values (B, 2, 2) that do not depend on λ.

        Above it, the more accurate option is chosen. The threshold is above 1 if the second option is never chosen, and 0 if it always is.
        At λ = 1 cost has no weight, so an option that is more accurate by any margin has a threshold below 1. None for values of another
        shape.
        """
        if values.shape[1:] != (2, 2):
            return None
        exact = values.double()  # a tiny gain in accuracy has a threshold that single precision rounds to 1
        accuracy, efficiency = (exact[:, 1] - exact[:, 0]).unbind(-1)  # gain and saving of the second option
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
        for rate in KAPPAS / self.unit:
            odds = (lams / (1 - lams) / rate).clamp(float(ODDS[0]), float(ODDS[-1]))
            between = np.interp(odds.log(), ODDS.log(), costs)  # (lams,)
            steps.append(abs(np.diff(between)).max())
        self.exchange_rate.fill_(float(KAPPAS[int(np.argmin(steps))]) / self.unit)


class BudgetCurve(Tradeoff):
    """Serves every λ by a budget: `curve` (CURVE_STEPS,) holds the input of gate networks for λ from 0 to 1 in even steps."""

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

        It ends at the most expensive point whose accuracy is within one standard error of the best; more cost no longer helps there.
        """
        steps = len(self.curve)
        self.curve.copy_(torch.linspace(0, 1, steps))
        points = np.linspace(0, 1, CURVE_TRIALS)
        seen = measure(torch.from_numpy(points))
        last = most_expensive_useful(seen.accuracies.tolist(), seen.count)
        rising = np.maximum.accumulate(seen.costs.tolist()) + 1e-9 * np.arange(CURVE_TRIALS)  # the cost must not fall along the curve
        self.curve.copy_(torch.from_numpy(np.interp(np.linspace(rising[0], rising[last], steps), rising, points)).float())

    @property
    def description(self) -> str:
        return "λ sets the budget, from the lowest cost that the network can reach to the highest that still improves accuracy"


class WeightCurve(BudgetCurve):
    """Serves every λ by a budget: `curve` (CURVE_STEPS,) holds the weight w of accuracy for λ from 0 to 1 in even steps.

    A control node returns two values per option, as for ExchangeRate, whose condition at κ = 1 is w itself.
    """

    def __init__(self, *, adjustable: bool = True, unit: float = 1.0) -> None:
        super().__init__()
        self.adjustable, self.unit = adjustable, unit

    def score(self, values: Tensor, lam: Tensor | None) -> Tensor:
        """Return the expected reward of each option, (B, K), from values (B, K, 2). Values (B, K) are returned as scores."""
        if values.dim() == 2 or lam is None:
            return values
        accuracy, efficiency = values.unbind(-1)
        return self.reward(accuracy, -efficiency, lam[:, None])

    def reward(self, accuracy: Tensor, share: Tensor, lam: Tensor | float) -> Tensor:
        return reward(accuracy, share, self.condition(torch.as_tensor(lam, device=share.device)), 1.0)

    def threshold(self, values: Tensor) -> Tensor | None:
        """Return the λ (B,) at which the choice between two options changes, from values (B, 2, 2), as ExchangeRate does."""
        weights = ExchangeRate(1.0).threshold(values)  # (B,)
        if weights is None:
            return None
        curve = self.curve.double().cpu().numpy()
        lams = np.interp(weights.cpu(), curve, np.linspace(0, 1, len(curve)))
        return torch.where(weights > float(self.curve[-1]), 2.0, torch.from_numpy(lams).to(weights))

    def calibrate(self, measure: Measure) -> None:
        """Choose the curve along which the mean cost rises evenly, from w = 0 to the weight at which κ would be LOWEST_RATE."""
        self.curve.copy_(torch.linspace(0, 1, len(self.curve)))
        odds = torch.cat([torch.zeros(1), torch.logspace(np.log10(float(ODDS[0])), np.log10(self.unit / LOWEST_RATE), len(ODDS))])
        costs = measure(odds / (1 + odds)).costs.tolist()
        first = max(int(np.searchsorted(np.maximum.accumulate(costs), costs[0], side="right")) - 1, 1)  # the cost rises behind it
        odds = torch.cat([odds[:1], torch.logspace(float(odds[first].log10()), float(odds[-1].log10()), CURVE_STEPS)])
        weights = odds / (1 + odds)
        rising = np.maximum.accumulate(measure(weights).costs.tolist()) + 1e-9 * np.arange(len(odds))
        self.curve.copy_(torch.from_numpy(np.interp(np.linspace(rising[0], rising[-1], len(self.curve)), rising, weights)))

    @property
    def description(self) -> str:
        return (
            "λ sets the budget: the mean cost rises evenly with λ, until more of it would buy less than "
            f"{LOWEST_RATE:.1%} of accuracy for the static network's whole cost"
        )


def most_expensive_useful(accuracies: Sequence[float], count: int) -> int:
    """Return the position of the last accuracy on `count` images that is within one standard error of the best.

    The standard error counts two additional correct and two additional wrong answers (Agresti & Coull, 1998), so it is never 0.
    """
    best = max(accuracies)
    likely = (best * count + 2) / (count + 4)
    error = (likely * (1 - likely) / (count + 4)) ** 0.5
    return max(number for number, accuracy in enumerate(accuracies) if accuracy >= best - error)
