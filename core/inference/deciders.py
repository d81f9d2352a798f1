"""Kernels of control nodes, which are small: what they cost is mostly that they are called."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from core.inference.kernels import Kernel, Means, Unchanged, kernel
from core.network.controller import LEAST, Controller, summary
from core.network.gate_network import GateNetwork


class Scores(Kernel):
    """A gate network: batch norm folded into its hidden layer."""

    def __init__(self, part: GateNetwork) -> None:
        norm, seen = part.norm, part.norm.num_features
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
        matrix = part.hidden.weight.detach()
        self.matrix = (matrix[:, :seen] * scale).detach().t().contiguous()  # (C, hidden)
        self.bias = (part.hidden.bias + matrix[:, :seen] @ (norm.bias - norm.running_mean * scale)).detach()
        self.told = matrix[:, seen] if part.every_lam else None  # (hidden,)
        self.pooled = Means()
        self.head, self.shift = part.head.weight.detach().t().contiguous(), part.head.bias.detach()

    def __call__(self, *seen: Tensor, owned: bool = False, **told: Tensor | None) -> Tensor:
        weight = told["weight"]
        pooled = self.pooled(seen[0]) if len(seen) == 1 else torch.cat([self.pooled(one) for one in seen], dim=1)
        hidden = torch.addmm(self.bias, pooled, self.matrix)
        if self.told is not None and weight is not None:
            hidden.addr_(weight, self.told)
        return torch.addmm(self.shift, hidden.relu_(), self.head)


@kernel.register
def _(part: GateNetwork) -> Kernel:
    return Unchanged(part) if part.blind or len(part.table) else Scores(part)


class Values(Kernel):
    """A controller without what only training needs. One image, whose figures are few, is left to NumPy: a call costs less there."""

    def __init__(self, part: Controller) -> None:
        self.part, self.pooled = part, Means()
        layers = (part.hidden, part.head)
        self.weights = [(layer.weight.detach().t().contiguous().numpy(), layer.bias.detach().numpy()) for layer in layers]
        self.known = part.known.numpy()

    def __call__(self, *seen: Tensor, owned: bool = False, **told: Tensor | None) -> Tensor:
        part, weight = self.part, told["weight"]
        if len(seen[0]) == 1:
            return self._alone(seen, float(weight) if weight is not None and part.looks_on else 0.0)
        features = [summary(one) for one in seen]
        if part.every_lam:
            assert weight is not None
            features.append(weight[:, None] if part.looks_on else features[0].new_zeros(len(features[0]), 1))
        values: Tensor = part.head(F.relu(part.hidden(torch.cat(features, dim=1))))
        if not part.every_lam:
            return values
        accuracy, later = values.chunk(2, dim=1)
        to_come = part.known + F.softplus(later) if part.looks_on else part.known.expand_as(accuracy)
        return torch.stack([accuracy.sigmoid(), -to_come], dim=2)

    def _alone(self, seen: Sequence[Tensor], asked: float) -> Tensor:
        part = self.part
        features = [self.pooled(one).numpy()[0] if one.dim() == 4 else _sorted(one.numpy()[0]) for one in seen]
        if part.every_lam:
            features.append(np.array([asked], dtype=np.float32))
        (matrix, bias), (head, shift) = self.weights
        values = np.maximum(np.concatenate(features) @ matrix + bias, 0) @ head + shift
        if not part.every_lam:
            return torch.from_numpy(values)[None]
        options = len(values) // 2
        found = np.empty((1, options, 2), dtype=np.float32)
        found[0, :, 0] = 1 / (1 + np.exp(-values[:options]))
        found[0, :, 1] = -(self.known + np.logaddexp(0, values[options:])) if part.looks_on else -self.known
        return torch.from_numpy(found)


def _sorted(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores of classes (classes,) as their sorted log-probabilities, as `summary` has them."""
    logs = scores - scores.max()
    logs = logs - np.log(np.exp(logs).sum())
    logs.sort()
    clipped: NDArray[np.float32] = logs[::-1].clip(min=LEAST)
    return clipped


@kernel.register
def _(part: Controller) -> Kernel:
    return Values(part)
