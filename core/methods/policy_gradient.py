"""The policy gradient of control nodes, REINFORCE (Williams, 1992), with a self-critical baseline (Rennie et al., CVPR 2017).

Each image draws its options at random. Options become more likely where the image's reward exceeds that of its most likely options, and
less likely where it falls short. Papers: https://doi.org/10.1007/BF00992696, https://arxiv.org/abs/1612.00563.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor

from core.graph.execution import Execution, execute
from core.graph.graph import Graph
from core.graph.policy import Forced, Sampled, Unscaled
from core.methods import Method, bn_recalibration
from core.methods.holdout import holdout_size

Held = Mapping[str, Mapping[int, bool]]  # columns of control nodes that are not drawn, as `Forced` has them


class PolicyGradientMethod(Method):
    """Base class of methods whose control nodes learn from the rewards of options drawn at random."""

    policy_weight: float = Field(
        1.0, gt=0, le=100, description="Weight of the control nodes' loss where the modules learn too, beside the labels"
    )
    controller_holdout: float = Field(
        0.0,
        ge=0,
        lt=1,
        title="Images reserved for controllers (fraction)",
        description="Fraction of the training images whose answers alone are rewarded, and from which the modules do not learn (0: all "
        "images are rewarded, and train the modules, as published)",
    )
    bn_recalibration_batches: int = bn_recalibration(16)

    @property
    def rewards_trained_images(self) -> bool:
        return not self.controller_holdout

    def holdout(self, count: int, batches: int) -> int:
        return holdout_size(self.controller_holdout, count, batches)


@dataclass(frozen=True)
class Rollout:
    """The execution of a batch with drawn options, and its loss.

    loss    its gradient is that of the negative expected reward
    reward  the mean reward of the drawn options
    """

    execution: Execution
    loss: Tensor
    reward: Tensor


def roll_out(
    graph: Graph,
    images: Tensor,
    lams: Tensor,
    sampled: Sampled,
    reward: Callable[[Execution], Tensor],
    *,
    held: Held | None = None,
    counted: Tensor | None = None,
) -> Rollout:
    """Execute images (B, C, H, W) at λ (B,) with drawn options, and compare their rewards (B,) with those of the most likely ones.

    `counted`: the images that the control nodes learn from, (B,) bool; by default all of them.
    """
    held = held or {}
    weights = torch.ones_like(lams) if counted is None else counted.to(lams)  # (B,)
    with torch.no_grad():
        baseline = reward(execute(graph, images, Forced(held, Unscaled()), lam=lams))  # (B,)
    execution = execute(graph, images, Forced(held, sampled), lam=lams)
    rewards = reward(execution).detach()  # (B,)
    losses = -(rewards - baseline) * log_likelihood(graph, execution, sampled, held)  # (B,)
    loss, mean = ((weights * figure).sum() / weights.sum().clamp(min=1) for figure in (losses, rewards))
    return Rollout(execution, loss, mean)


def log_likelihood(graph: Graph, execution: Execution, sampled: Sampled, held: Held) -> Tensor:
    """Return the logarithm of the probability with which each image drew its options, (B,), over the control nodes that ran.

    Columns that are held open or closed are not drawn, so they do not count.
    """
    total = torch.zeros(len(next(iter(execution.ran.values()))), device=graph.device)
    for control in graph.controls:
        likely = sampled.probabilities(control, execution.scores[control.name])  # (B, K)
        opened = execution.gates[control.name] > 0  # (B, K)
        if control.decides == "each":
            drawn = [column for column in range(len(control.options)) if column not in held.get(control.name, {})]
            taken = torch.where(opened, likely, 1 - likely)[:, drawn]
        else:
            taken = torch.where(opened, likely, 0.0).sum(dim=1, keepdim=True)
        logarithms = taken.clamp(min=torch.finfo(taken.dtype).tiny).log().sum(dim=1)  # (B,)
        total = total + torch.where(execution.ran[control.name], logarithms, 0.0)
    return total
