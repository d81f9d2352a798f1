"""A controller, the module of a control node: a small perceptron on the outputs of earlier nodes.

It observes the means of feature maps, and the sorted log-probabilities of class scores, which show how confident an earlier answer is.
Differs from the paper: two values per option, the expected accuracy and cost, if one network serves every λ.
Reconstructed: the size and the inputs of the perceptron. It has no batch norm, because it may be called on a single row.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MIN_LOG_PROBABILITY = -10.0  # log-probabilities are clamped to this


def summary(seen: Tensor) -> Tensor:
    """Return the means (B, C) of a feature map (B, C, H, W), or the sorted log-probabilities of class scores, both (B, classes)."""
    if seen.dim() == 4:
        return seen.mean(dim=(2, 3))
    return seen.log_softmax(dim=1).clamp(min=MIN_LOG_PROBABILITY).sort(dim=1, descending=True).values


class Controller(nn.Module):
    """Returns values per option: Q (B, K), or with `every_lam` the accuracy in [0, 1] and the negative cost share, (B, K, 2).

    controller_gradient  the share of the gradient of the controller's loss that reaches the modules it observes (0: none)
    min_remaining_cost   (K,) the cost share of the later nodes after each option, if later control nodes take their cheapest options
    has_successors       whether later control nodes exist: λ is then an input, and their additional cost is learned
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        options: int,
        *,
        hidden: int = 32,
        every_lam: bool = False,
        controller_gradient: float = 0.0,
    ) -> None:
        """`shapes`: the shapes of the inputs for one image, (C, H, W) or (classes,)."""
        super().__init__()
        self.every_lam, self.controller_gradient, self.has_successors = every_lam, controller_gradient, False
        self.hidden = nn.Linear(sum(shape[0] for shape in shapes) + every_lam, hidden)
        self.head = nn.Linear(hidden, options * (2 if every_lam else 1))
        self.min_remaining_cost: Tensor
        self.register_buffer("min_remaining_cost", torch.zeros(options))

    def forward(self, *seen: Tensor, weight: Tensor | None) -> Tensor:
        features = self.features(*seen)
        observed = features.detach()  # by default, no gradient is computed for the observed nodes
        if self.controller_gradient:
            observed = observed + self.controller_gradient * (features - observed)
        return self.predict_values(observed, weight)

    def features(self, *seen: Tensor) -> Tensor:
        """Return what the perceptron observes, (B, features)."""
        return torch.cat([summary(x.float()) for x in seen], dim=1)

    def predict_values(self, features: Tensor, weight: Tensor | None) -> Tensor:
        """Return the values of the options from features (B, features), given the trade-off's condition for λ (B,)."""
        if not self.every_lam:
            values: Tensor = self.head(F.relu(self.hidden(features)))  # (B, K)
            return values
        assert weight is not None  # guaranteed by the executor
        condition = weight[:, None] if self.has_successors else torch.zeros_like(features[:, :1])  # (B, 1)
        accuracy, later = self.head(F.relu(self.hidden(torch.cat([features, condition], dim=1)))).chunk(2, dim=1)  # (B, K) each
        to_come = self.min_remaining_cost + F.softplus(later) if self.has_successors else self.min_remaining_cost.expand_as(accuracy)
        return torch.stack([accuracy.float().sigmoid(), -to_come.float()], dim=2)  # (B, K, 2)
