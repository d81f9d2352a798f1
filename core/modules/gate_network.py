"""L-Net and C-Net of one residual block: from the features of an image to one score per gate (Xia et al., 2021, section 3).

A score above zero opens the gate and scales the gated output. The cost loss pulls all scores towards zero, and the next batch norm cancels
a scale that all channels of a block share, so the scores of gates that are always open would end near zero for every image. Open gates can
therefore be clamped to a range around one. The gate of a block scales its whole output, so block gates can have a lower learning rate.
Differs from the paper: one network serves every λ if λ is an input; L-Net and C-Net of a block share their hidden layer.
Beyond the paper: a gate network can see the answer of an earlier network in place of feature maps, and scores can be nested, so that a
group of channels is open only if all groups before it are. Methods can draw the gates at random in training, with scores that are
log-odds. Two baselines ignore the image: a blind gate network learns one score per gate and λ, and a table holds fixed scores.
Reconstructed: normalised pooled means, one hidden layer; all gates start open.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.modules.controller import summary

OPEN = 1.0  # the initial score of every gate
FIRST_OPEN = 1e-3  # the smallest score of the first of nested gates, which never closes


class GateNetwork(nn.Module):
    """Returns scores (B, gates) from feature maps (B, C, H, W) and answers (B, classes).

    blind    whether features are ignored: the scores then depend on λ alone
    least    (gates,) the smallest scale of an open gate; the largest is 2 − least, and 0 means no clamping. None: no gate is clamped
    rates    (gates,) the factor of each gate's gradient, a learning-rate multiplier. None: 1 for every gate
    nested   the slices of the gates of which each is open only if all before it are
    drawn    whether a policy draws the gates in training: scores are then log-odds, and are clamped in evaluation alone
    detached whether the gradient stops at what is observed, so that the scores train the gate network alone
    table    (steps, gates) fixed scores for conditions in even steps from 0 to 1. Without rows, scores are computed
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        gates: int,
        *,
        hidden: int = 16,
        every_lam: bool = False,
        least: Tensor | None = None,
        rates: Tensor | None = None,
        nested: Sequence[slice] = (),
    ) -> None:
        """`shapes`: the shapes of the inputs for one image, (C, H, W) or (classes,)."""
        super().__init__()
        self.every_lam, self.blind, self.nested = every_lam, False, tuple(nested)
        self.drawn = self.detached = False
        self.least: Tensor | None
        self.rates: Tensor | None
        self.register_buffer("least", least, persistent=False)
        self.register_buffer("rates", rates, persistent=False)
        self.table: Tensor
        self.register_buffer("table", torch.empty(0, gates))
        seen = sum(shape[0] for shape in shapes)
        self.norm = Means(seen)
        self.hidden = nn.Linear(seen + every_lam, hidden)
        self.head = nn.Linear(hidden, gates)
        nn.init.zeros_(self.head.weight)
        nn.init.constant_(self.head.bias, OPEN)

    def forward(self, *seen: Tensor, weight: Tensor | None) -> Tensor:
        if len(self.table):
            return self._from_table(len(seen[0]), weight)
        means = self.observed(*seen)
        return self.decided(self.raw_scores(means.detach() if self.detached else means, weight), weight)

    def observed(self, *seen: Tensor) -> Tensor:
        """Return the means of the feature maps and the sorted log-probabilities of the answers, (B, C)."""
        return torch.cat([_pooled(one) if one.dim() == 4 else summary(one.float()) for one in seen], dim=1)

    def raw_scores(self, means: Tensor, weight: Tensor | None) -> Tensor:
        """Return the scores (B, gates) before they decide, from the means (B, C) of the feature maps and λ's condition (B,)."""
        features = self.norm(means)  # (B, C)
        features = torch.zeros_like(features) if self.blind else features
        if self.every_lam:
            assert weight is not None  # guaranteed by the executor
            features = torch.cat([features, weight[:, None].to(features)], dim=1)  # (B, C + 1)
        scores: Tensor = self.head(F.relu(self.hidden(features)))
        return scores

    def decided(self, raw: Tensor, weight: Tensor | None) -> Tensor:
        """Return the scores that decide, (B, gates), from raw scores (B, gates) and λ's condition (B,)."""
        scores = scale_gradient(nest_scores(raw, self.nested), self.rates)
        return scores if self.drawn and self.training else clamp_open(scores, self.least)

    def _from_table(self, batch: int, weight: Tensor | None) -> Tensor:
        """Return the row of the table nearest to each image's condition, (B, gates)."""
        if weight is None:
            return self.table[:1].expand(batch, -1)
        return self.table[(weight * (len(self.table) - 1)).round().long()]


def nest_scores(scores: Tensor, nested: Sequence[slice]) -> Tensor:
    """Return scores (B, gates) of which each slice is above zero up to its first score that is not; the first of a slice always is."""
    if not nested:
        return scores
    found = scores.clone()
    for columns in nested:
        own = torch.cat([scores[:, columns][:, :1].clamp(min=FIRST_OPEN), scores[:, columns][:, 1:]], dim=1)
        lowest = own.cummin(dim=1).values
        found[:, columns] = torch.where(lowest > 0, own, lowest)
    return found


def scale_gradient(scores: Tensor, rates: Tensor | None) -> Tensor:
    """Return the same scores (B, gates), with their gradient multiplied by `rates` (gates,)."""
    return scores if rates is None else scores.detach() + rates * (scores - scores.detach())


def clamp_open(scores: Tensor, least: Tensor | None) -> Tensor:
    """Clamp the scores above zero, of (B, gates), to `least` (gates,) and 2 − `least`, where `least` is not 0.

    The gradient passes as if they were not clamped. Where `least` is 1, the result is exactly 1.
    """
    if least is None:
        return scores
    held = torch.where((scores > 0) & (least > 0), scores.clamp(least, 2 - least), scores)
    return torch.where(least == 1, held.detach() + (scores - scores.detach()), scores + (held - scores).detach())


def _pooled(x: Tensor) -> Tensor:
    """Return the means of maps (B, C, H, W) as float32, (B, C)."""
    means: Tensor = _Pooled.apply(x)  # type: ignore[no-untyped-call]
    return means


class _Pooled(torch.autograd.Function):
    """The means of maps.

    The gradient is the same for all pixels of a channel, so it is rounded to the maps' type before it is spread over them, not after.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.shape, ctx.dtype = x.shape, x.dtype
        return x.sum(dim=(2, 3), dtype=torch.float32) / (x.shape[2] * x.shape[3])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (gradient,) = gradients  # (B, C)
        height, width = ctx.shape[2:]
        rounded: Tensor = (gradient / (height * width)).to(ctx.dtype)
        return rounded[:, :, None, None].expand(ctx.shape)


class Means(nn.BatchNorm1d):
    """Batch norm of pooled features. In training, a single row is normalised by the running statistics."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training and len(x) == 1:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        return super().forward(x)
