"""Kernels of control nodes. These are so small that most of their time is the overhead of calls."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from core.fast.kernels import Kernel, kernel, means
from core.modules.answers import AnswerController
from core.modules.controller import MIN_LOG_PROBABILITY, Controller, summary
from core.modules.gate_network import GateNetwork, clamp_open, nest_scores

AVERAGES: dict[int, Tensor] = {}


def decider(part: nn.Module) -> Kernel:
    """Return the kernel of a control node's module in evaluation mode."""
    if isinstance(part, GateNetwork) and not len(part.table):
        return GateNetworkKernel(part)
    if isinstance(part, AnswerController):
        return AnswerControllerKernel(part)
    return ControllerKernel(part) if type(part) is Controller else kernel(part)  # a subclass may observe something else


class GateNetworkKernel(Kernel):
    """A gate network whose batch norm is folded into its hidden layer."""

    def __init__(self, part: GateNetwork) -> None:
        norm, seen = part.norm, part.norm.num_features
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
        matrix = part.hidden.weight.detach()
        self.blind, self.least, self.nested = part.blind, part.least, part.nested
        self.matrix = (matrix[:, :seen] * scale).detach().t().contiguous()  # (C, hidden)
        of_norm = matrix[:, :seen] @ (norm.bias - norm.running_mean * scale)
        self.bias = (part.hidden.bias + (0 if part.blind else of_norm)).detach()
        self.by_condition = matrix[:, seen] if part.every_lam else None  # (hidden,)
        self.takes_condition = self.by_condition is not None
        self.known: dict[float, Tensor] = {}  # the hidden layer's bias, by the condition of a single image
        self.head, self.shift = part.head.weight.detach().t().contiguous(), part.head.bias.detach()

    def __call__(self, *seen: Tensor, owned: bool = False, **named: Tensor | None) -> Tensor:
        weight = named["weight"]
        if len(seen) == 1 and len(seen[0]) == 1 and not self.blind:
            return self._single(seen[0], 0.0 if weight is None else float(weight))
        hidden = self.bias.expand(len(seen[0]), -1).clone() if self.blind else torch.addmm(self.bias, _observed(seen), self.matrix)
        if self.by_condition is not None and weight is not None:
            hidden.addr_(weight, self.by_condition)
        return self._scores(hidden)

    def _single(self, x: Tensor, condition: float) -> Tensor:
        bias = self.known.get(condition)
        if bias is None:
            bias = self.bias if self.by_condition is None else self.bias + condition * self.by_condition
            self.known[condition] = bias
        observed = _mean(x) if x.dim() == 4 else torch.from_numpy(_sorted(x.numpy()))
        return self._scores(torch.addmm(bias, observed, self.matrix))

    def _scores(self, hidden: Tensor) -> Tensor:
        return clamp_open(nest_scores(torch.addmm(self.shift, hidden.relu_(), self.head), self.nested), self.least)


class ControllerKernel(Kernel):
    """A controller without the parts that only training needs. For one image NumPy finishes the few numbers faster than torch."""

    def __init__(self, part: Controller) -> None:
        self.part, self.weight = part, part.hidden.weight.detach()
        self.known, self.takes_condition = part.min_remaining_cost.numpy(), part.every_lam and part.has_successors

    def __call__(self, *seen: Tensor, owned: bool = False, **named: Tensor | None) -> Tensor:
        part, weight = self.part, named["weight"]
        if len(seen[0]) == 1:
            return self._single(seen, float(weight) if weight is not None and part.has_successors else 0.0)
        features = [summary(one) for one in seen]
        if part.every_lam:
            assert weight is not None
            features.append(weight[:, None] if part.has_successors else features[0].new_zeros(len(features[0]), 1))
        values: Tensor = part.head(F.relu(part.hidden(torch.cat(features, dim=1))))
        if not part.every_lam:
            return values
        accuracy, later = values.chunk(2, dim=1)
        to_come = part.min_remaining_cost + F.softplus(later) if part.has_successors else part.min_remaining_cost.expand_as(accuracy)
        return torch.stack([accuracy.sigmoid(), -to_come], dim=2)

    def _single(self, seen: Sequence[Tensor], condition: float) -> Tensor:
        part = self.part
        features = [means(one) if one.dim() == 4 else torch.from_numpy(_sorted(one.numpy())) for one in seen]
        if part.every_lam:
            features.append(torch.tensor([[condition]]))
        found_values = part.head(part.hidden(torch.cat(features, dim=1)).relu_())
        if not part.every_lam:
            result: Tensor = found_values
            return result
        values = found_values.numpy()[0]
        options = len(values) // 2
        found = np.empty((1, options, 2), dtype=np.float32)
        found[0, :, 0] = 1 / (1 + np.exp(-values[:options]))
        found[0, :, 1] = -(self.known + np.logaddexp(0, values[options:])) if part.has_successors else -self.known
        return torch.from_numpy(found)


class AnswerControllerKernel(ControllerKernel):
    """A controller that sees answers alone. Programs hold it (onnx_builder.py), elsewhere it runs as its module does.

    weight  that of the hidden layer for fewer features: an answer's sorted log-probabilities, and each probability times its logarithm. The
            margin and the entropy are sums of these.
    """

    def __init__(self, part: AnswerController) -> None:
        super().__init__(part)
        columns, own = list[Tensor](), part.classes + 2
        for number in range(part.answers):
            seen = self.weight[:, number * own : (number + 1) * own]
            ordered, margin, entropy = torch.split(seen, [part.classes, 1, 1], dim=1)
            columns += [ordered + F.pad(torch.cat([margin, -margin], dim=1), (0, part.classes - 2)), -entropy.expand(-1, part.classes)]
        self.weight = torch.cat([*columns, self.weight[:, part.answers * own :]], dim=1)

    def __call__(self, *seen: Tensor, owned: bool = False, **named: Tensor | None) -> Tensor:
        values: Tensor = self.part(*seen, weight=named["weight"])
        return values


def _mean(x: Tensor) -> Tensor:
    """Return the mean of each map of one channels-last image (1, C, H, W), (1, C), as a product, which is faster than a mean."""
    _, channels, height, width = x.shape
    pixels = height * width
    if pixels not in AVERAGES:
        AVERAGES[pixels] = torch.full((1, pixels), 1 / pixels)
    return torch.mm(AVERAGES[pixels], x.permute(0, 2, 3, 1).reshape(pixels, channels))


def _observed(seen: Sequence[Tensor]) -> Tensor:
    observed = [means(one) if one.dim() == 4 else summary(one) for one in seen]
    return observed[0] if len(observed) == 1 else torch.cat(observed, dim=1)


def _sorted(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return class scores (1, classes) as sorted log-probabilities, as `summary` in core/modules/controller.py does."""
    logs = scores - scores.max()
    logs = logs - np.log(np.exp(logs).sum())
    logs.sort()
    clipped: NDArray[np.float32] = logs[:, ::-1].clip(min=MIN_LOG_PROBABILITY)
    return clipped
