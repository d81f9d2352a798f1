"""Winner-take-all channel gates: the channels with the highest predicted saliencies run (Gao et al., ICLR 2019, section 3).

Papers: Gao et al., "Dynamic Channel Pruning: Feature Boosting and Suppression" (https://arxiv.org/abs/1810.05331).
A gate network predicts a saliency per channel. Of the output channels of each convolution, the k with the highest saliencies run and are
scaled by them. The absolute value of a score is the saliency, and its sign says whether the channel won. So the sum of absolute scores is
the L1 norm of all saliencies, and a gate max(score, 0) passes no gradient to the losers, as in the paper.
Differs from the paper: k depends on λ where one network serves every λ. A winner has a saliency of at least MIN_SALIENCY, so that exactly k
channels run; in the paper, a winner whose saliency is 0 has no effect.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.modules.gate_network import GateNetwork

MIN_SALIENCY = 1e-3  # of a winner
COUNT_TOLERANCE = 1e-4  # channels by which a product of density and channels may exceed a whole number and still count as that number


class SaliencyNetwork(GateNetwork):
    """Returns scores (B, gates) above zero, the saliencies, for the winners, and the negative saliencies for the losers.

    competing    the slices of the gates that compete, one for each gated convolution
    min_density  the share of the channels that win at λ's condition 0, or without a condition. It rises linearly to 1 at the condition 1
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        gates: int,
        *,
        competing: Sequence[slice],
        min_density: float,
        hidden: int = 16,
        every_lam: bool = False,
    ) -> None:
        """`shapes`: the shapes of the inputs for one image, (C, H, W) or (classes,)."""
        super().__init__(shapes, gates, hidden=hidden, every_lam=every_lam)
        self.competing, self.min_density = tuple(competing), min_density
        nn.init.kaiming_normal_(self.head.weight)  # equal saliencies would let the first channels win for every image

    def decided(self, raw: Tensor, weight: Tensor | None) -> Tensor:
        condition = torch.zeros_like(raw[:, 0]) if weight is None else weight
        won = winners(raw, self.competing, self.min_density + (1 - self.min_density) * condition)
        return torch.where(won, raw.clamp(min=MIN_SALIENCY), -F.relu(raw))


def winners(saliencies: Tensor, competing: Sequence[slice], density: Tensor) -> Tensor:
    """Return which of the gates (B, gates) are among the highest ⌈density · n⌉ of the n that compete, (B, gates) bool.

    `density`: (B,). At least one gate wins, and of equal ones the first.
    """
    won = torch.zeros_like(saliencies, dtype=torch.bool)
    for columns in competing:
        rivals = saliencies[:, columns]
        ranks = rivals.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
        count = (density * rivals.shape[1] - COUNT_TOLERANCE).ceil().clamp(min=1)  # (B,)
        won[:, columns] = ranks < count[:, None]
    return won
