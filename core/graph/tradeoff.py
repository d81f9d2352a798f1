"""λ: how accuracy and cost are weighed against each other, the same everywhere.

The reward is λA + (1−λ)E (Liu & Deng, section 4), with E = −κ·(cost as a share of the static network's).
Differs from the paper: the exchange rate κ, 1 there. Below 1 it spreads the choices over the whole range of λ.
Beyond the paper: the reward is linear in λ, so a controller that knows the accuracy and the cost to expect of each option serves every λ.
"""

import torch
from torch import Tensor


def reward(accuracy: Tensor, share: Tensor, lam: Tensor | float, exchange_rate: Tensor | float) -> Tensor:
    """λA + (1−λ)E for accuracies and cost shares of one shape."""
    return lam * accuracy - (1 - lam) * exchange_rate * share


def weight(lam: Tensor, exchange_rate: Tensor) -> Tensor:
    """The weight of accuracy against the plain cost share, λ / (λ + (1−λ)κ), in [0, 1]: all that a choice depends on."""
    return lam / (lam + (1 - lam) * exchange_rate)


def scores(values: Tensor, lam: Tensor | None, exchange_rate: Tensor) -> Tensor:
    """One score per option (B, K): the values as they are (B, K), or accuracy and negative cost share (B, K, 2) weighed by λ (B,)."""
    if values.dim() == 2 or lam is None:
        return values
    accuracy, efficiency = values.unbind(-1)
    return reward(accuracy, -efficiency, lam[:, None], exchange_rate)


def threshold(values: Tensor, exchange_rate: Tensor) -> Tensor:
    """The λ (B,) at which the choice between two options changes, from values (B, 2, 2) that do not depend on λ.

    Above it the more accurate option is chosen, the second where that is the dearer one too. Where the second is never chosen the answer is
    above 1; where it always is, 0. At λ = 1 cost has no weight, so a dearer option that is more accurate by any margin has it below 1.
    """
    exact = values.double()  # a tiny gain in accuracy has a threshold that single precision rounds to 1
    accuracy, efficiency = (exact[:, 1] - exact[:, 0]).unbind(-1)  # what the second option gains, and saves (negative: costs)
    cost = -efficiency * exchange_rate
    crossing = cost / (accuracy + cost)
    never = (accuracy <= 0) & (cost >= 0)
    always = (accuracy > 0) & (cost <= 0)
    return torch.where(never, torch.full_like(crossing, 2.0), torch.where(always, torch.zeros_like(crossing), crossing))
