"""Exit policies from the last exit back, each a weighted binary classification (Bolukbasi et al., ICML 2017, section 3).

At each early exit, the gain of going on is the reward of what follows under the later policies, which are fitted already, less that of
stopping. Its sign is an image's class, and its size is the image's weight: a policy with few weighted mistakes loses little reward.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from core.methods.exits import ExitOutcomes

RIDGE = 1e-3  # weight of the squared norm of a policy's weights, beside a mean over images
MAX_FIT_STEPS = 200  # of L-BFGS


def gain_of_going_on(stopping: Tensor, following: Tensor, weight: Tensor) -> Tensor:
    """Return how much more reward going on gives than stopping, (steps, N), at each weight w of accuracy, (steps,).

    The reward is wA − (1−w)C. `stopping`: A and C of each image at this exit, (2, N). `following`: A and C under the later policies,
    (2, steps, N).
    """
    accuracy, cost = following - stopping[:, None]
    gain: Tensor = weight[:, None] * accuracy - (1 - weight[:, None]) * cost
    return gain


def fit_policies(observed: list[Tensor], outcomes: ExitOutcomes, weight: Tensor) -> list[Tensor]:
    """Return a linear policy for each early exit and weight w of accuracy: K tensors (steps, F + 1), of which the last column is the bias.

    An image goes on where the policy is above 0. `observed`: what each policy observes of N images, K tensors (N, F). `weight`: (steps,).
    """
    accuracy = outcomes.correct.to(weight)  # (N, K + 1)
    costs = outcomes.costs.to(weight).expand_as(accuracy)
    following = torch.stack([accuracy[:, -1], costs[:, -1]])[:, None].expand(2, len(weight), -1)
    found: list[Tensor] = []
    for number in reversed(range(len(observed))):
        stopping = torch.stack([accuracy[:, number], costs[:, number]])  # (2, N)
        policy = fit_weighted(observed[number].to(weight), gain_of_going_on(stopping, following, weight))
        found.insert(0, policy)
        goes_on = policy[:, :-1] @ observed[number].to(weight).T + policy[:, -1:] > 0  # (steps, N)
        following = torch.where(goes_on, following, stopping[:, None])
    return found


def fit_weighted(observed: Tensor, gain: Tensor) -> Tensor:
    """Return logistic regressions from features (N, F) to the signs of gains (steps, N), weighted by their sizes: (steps, F + 1).

    The features are standardised for the fit, and its result is returned for the features as they are.
    """
    mean, scale = observed.mean(dim=0), observed.std(dim=0, correction=0).clamp(min=1e-6)
    features = (observed - mean) / scale
    sizes = gain.abs() / gain.abs().mean(dim=1, keepdim=True).clamp(min=1e-12)
    policy = torch.zeros(len(gain), features.shape[1] + 1, dtype=observed.dtype, device=observed.device, requires_grad=True)
    optimizer = torch.optim.LBFGS([policy], max_iter=MAX_FIT_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        logits = policy[:, :-1] @ features.T + policy[:, -1:]
        mistakes = F.binary_cross_entropy_with_logits(logits, (gain > 0).to(logits), sizes, reduction="none").mean(dim=1)
        total = (mistakes + RIDGE * policy.square().sum(dim=1)).sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    with torch.enable_grad():
        optimizer.step(loss)  # type: ignore[no-untyped-call]
    weights = policy.detach()[:, :-1] / scale
    return torch.cat([weights, policy.detach()[:, -1:] - weights @ mean[:, None]], dim=1)
