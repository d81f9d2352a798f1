"""L-Net and C-Net of one residual block: what is seen of an image so far, to a score per gate (Xia et al., 2021, section 3).

A score above zero opens the gate and scales what it lets through. Every cost pulls scores towards zero, and a batch norm that follows
undoes what all channels of a block are scaled by alike, so that scores of gates that always run end up at nearly nothing, whatever the
image: open gates can be held to a range around one. What scales a whole block moves everything behind it: such gates can learn slower.
Differs from the paper: one network serves every λ where λ's weight is an input; L-Net and C-Net of a block share their hidden layer.
Two rivals that do not look at the image live here too: a gate network that is blind learns one score per gate, and one with a table has
scores that were settled before.
Reconstructed: pooled means, normalised, one hidden layer; all gates begin open.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

OPEN = 1.0  # the score with which every gate begins


class GateNetwork(nn.Module):
    """Scores (B, gates) from feature maps (B, C, H, W).

    blind    what is seen does not count: the scores depend on λ alone
    least    (gates,) what an open gate scales by at least, as 2 − least is the most; 0: no bounds; none for any gate
    rates    (gates,) by how much of its gradient a gate learns; none: by all of it
    table    (steps, gates) scores for what it is told in even steps from 0 to 1; with none they are computed
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
    ) -> None:
        """`shapes`: of the inputs for one image, (C, H, W)."""
        super().__init__()
        self.every_lam, self.blind = every_lam, False
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
            return self._settled(len(seen[0]), weight)
        features = self.norm(torch.cat([_pooled(one) for one in seen], dim=1))  # (B, C)
        features = torch.zeros_like(features) if self.blind else features
        if self.every_lam:
            assert weight is not None  # the executor has seen to it
            features = torch.cat([features, weight[:, None].to(features)], dim=1)  # (B, C + 1)
        return bounded(slowed(self.head(F.relu(self.hidden(features))), self.rates), self.least)  # (B, gates)

    def _settled(self, batch: int, weight: Tensor | None) -> Tensor:
        """The nearest row of the table for each image, (B, gates)."""
        if weight is None:
            return self.table[:1].expand(batch, -1)
        return self.table[(weight * (len(self.table) - 1)).round().long()]


def slowed(scores: Tensor, rates: Tensor | None) -> Tensor:
    """The same scores (B, gates), with a gradient that is multiplied by `rates` (gates,)."""
    return scores if rates is None else scores.detach() + rates * (scores - scores.detach())


def bounded(scores: Tensor, least: Tensor | None) -> Tensor:
    """Scores (B, gates) of which those above zero lie between `least` (gates,), where it is not 0, and 2 − `least`.

    The gradient is as if they did not.
    """
    if least is None:
        return scores
    held = torch.where((scores > 0) & (least > 0), scores.clamp(least, 2 - least), scores)
    return scores + (held - scores).detach()


def _pooled(x: Tensor) -> Tensor:
    """The means of maps (B, C, H, W) as float32, (B, C); a sum first, which needs no map of quotients on its way back."""
    return x.sum(dim=(2, 3), dtype=torch.float32) / (x.shape[2] * x.shape[3])


class Means(nn.BatchNorm1d):
    """Batch norm of pooled features that also takes a single row in training: it is normalised by the running figures."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training and len(x) == 1:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        return super().forward(x)
