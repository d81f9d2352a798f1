"""L2W-DEN: a small network weights the loss of each image at each exit, so that exits learn from the images that stop there
(Han et al., ECCV 2022).

The weight network sees the losses of an image at all exits and returns a weight for each, whose mean over a batch is 1. One half of a batch
takes a step of gradient descent on its weighted loss, and the loss of the other half after this step says what the weights are worth. In
that loss each exit counts only for its share of the images: those of which it is surest among the images that earlier exits have left. The
gradient with respect to the weights goes back through the step. Then the halves change places. All exits learn from the weighted losses of
the whole batch. Afterwards an image stops at the first exit at which the largest probability reaches a threshold of this exit.

Differs from the paper:
- λ is a budget for the mean cost, as for `branchynet`: thresholds are chosen on validation images (exit_thresholds.py). The paper gives
  each exit a share of the images and derives thresholds from these shares.
- The shares in training follow from λ: each exit gets e^(`share_range` · (2λ − 1)) times the share of the exit before it. Without a λ, each
  batch draws one. In the paper they are the same for the whole training.
- Both halves are compared before the step, and one step on the whole batch follows. The authors' code takes a step after each half.
- The step that is tried is plain gradient descent with the rate `trial_rate`; the authors' code repeats the optimiser's, with momentum.
- The weight network is trained by the optimiser of the network. The paper has a second one, Adam.
- With `distillation_weight`, the last exit also learns from a teacher.

Reconstructed: `share_range` and `trial_rate`. The form of the weights is that of the authors' code (https://github.com/LeapLabTHU/L2W-DEN).
"""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Generator, Tensor, nn
from torch.func import functional_call

from core import bibliography
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.policy import Open
from core.methods import Batch, StepResult
from core.methods.exits import ANY_LAM, ThresholdMethod
from core.methods.losses import distillation_loss
from core.modules.exits import ConfidenceRule, ExitRule
from core.modules.sample_weights import WeightNetwork

WEIGHTING = "weighting"  # the weight network, among the modules of a graph


class L2W(ThresholdMethod):
    """All exits learn together from weighted losses; a small network learns the weights of each image."""

    title = "Weighted exits (L2W-DEN)"
    papers = (bibliography.WEIGHTED_EXITS, bibliography.DISTILLATION)
    name: Literal["l2w"] = "l2w"
    max_deviation: float = Field(
        0.8, gt=0, lt=1, title="Largest deviation of weights", description="Largest deviation of an image's weights from 1, before centring"
    )
    hidden: int = Field(500, ge=1, le=10_000, title="Width of the weight network", description="Hidden units of the weight network")
    trial_rate: float = Field(
        0.1,
        gt=0,
        le=10,
        title="Rate of the tried step",
        description="Learning rate of the step of gradient descent that judges weights",
    )
    share_range: float = Field(
        1.5,
        ge=0,
        le=10,
        title="Range of the exits' shares",
        description="Logarithm of the ratio between an exit's share of the images and that of the exit before it, at λ = 1; its "
        "negative at λ = 0",
    )

    def rule(self, steps: int, classes: int) -> ExitRule:
        return ConfidenceRule(steps)

    def prepare(self, graph: Graph, lam: float | None) -> Graph:
        ruled = super().prepare(graph, lam)
        ruled.add_module(WEIGHTING, WeightNetwork(len(ruled.outputs), self.hidden, self.max_deviation))
        return ruled

    def shares(self, exits: int, lam: float) -> Tensor:
        """Return the share of the images that each exit answers for at a λ, (exits,)."""
        return (self.share_range * (2 * lam - 1) * torch.arange(exits)).softmax(dim=0)

    def step(self, graph: Graph, batch: Batch, lam: float | None, progress: float, generator: Generator) -> StepResult:
        trained, targets = batch.trained, batch.targets[: batch.trained]
        network, images = _Exits(graph), batch.images[:trained]
        at = float(torch.rand((), generator=generator)) if lam is None else lam
        shares = self.shares(len(graph.outputs), at)
        half = trained // 2
        weighting = graph.get_submodule(WEIGHTING)
        meta = [images.new_zeros(())]
        for ours, theirs in ((slice(half), slice(half, trained)), (slice(half, trained), slice(half))):
            if half:
                meta.append(self._worth(network, weighting, (images[ours], targets[ours]), (images[theirs], targets[theirs]), shares))
        answers = network(images)  # (B, exits, classes)
        losses = exit_losses(answers, targets)
        with torch.no_grad():
            weights = weighting(losses)
        found = {
            "classification": self.label_weight * (self._exit_weights(losses) * weights * losses).mean(dim=0).sum(),
            "weights": torch.stack(meta).sum(),
        }
        if batch.teacher is not None:
            found["distillation"] = self.distillation_weight * distillation_loss(answers[:, -1], batch.teacher[:trained])
        right = (answers.detach().argmax(dim=2) == batch.labels[:trained, None]).float().mean(dim=0)
        return StepResult(found, {"accuracy of the last exit": right[-1], "spread of weights": weights.std(dim=0, correction=0).mean()})

    def _exit_weights(self, losses: Tensor) -> Tensor:
        """Return the weight of each exit in the loss, (exits,)."""
        weights = torch.full_like(losses[0], self.early_exit_weight)
        weights[-1] = 1.0
        return weights

    def _worth(
        self, network: "_Exits", weighting: nn.Module, tried: tuple[Tensor, Tensor], judged: tuple[Tensor, Tensor], shares: Tensor
    ) -> Tensor:
        """Return the loss of the images `judged` after a step on the weighted loss of those `tried`.

        Its gradient reaches the weight network alone. Images are (n, C, H, W), with what they are to answer.
        """
        parameters = {name: one.detach().requires_grad_() for name, one in network.named_parameters() if f".{WEIGHTING}." not in name}
        buffers = {name: one.clone() for name, one in network.named_buffers()}  # statistics of batch norm stay as they are
        losses = exit_losses(functional_call(network, {**parameters, **buffers}, (tried[0],)), tried[1])
        weights: Tensor = weighting(losses.detach())
        leaf = weights.detach().requires_grad_()
        loss = (self._exit_weights(losses) * leaf * losses).mean(dim=0).sum()
        gradients = torch.autograd.grad(loss, list(parameters.values()), create_graph=True, allow_unused=True)
        moved = {
            name: one if gradient is None else one - self.trial_rate * gradient
            for (name, one), gradient in zip(parameters.items(), gradients, strict=True)
        }
        after = meta_loss(functional_call(network, {**moved, **buffers}, (judged[0],)), judged[1], shares)
        (slope,) = torch.autograd.grad(after, leaf)
        linear: Tensor = (slope * weights).sum()
        return after.detach() + linear - linear.detach()


class _Exits(nn.Module):
    """The answers of all exits of a graph: images (B, C, H, W) to logits (B, exits, classes)."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph

    def forward(self, images: Tensor) -> Tensor:
        return torch.stack(list(execute(self.graph, images, Open(), lam=ANY_LAM).outputs.values()), dim=1)


def exit_losses(answers: Tensor, targets: Tensor) -> Tensor:
    """Return the cross-entropy of each exit's answer for each image, (B, exits), from logits (B, exits, classes).

    `targets`: classes, (B,), or the probability of each class, (B, classes).
    """
    return torch.stack([F.cross_entropy(answer, targets, reduction="none") for answer in answers.unbind(dim=1)], dim=1)


def answering_exit(answers: Tensor, shares: Tensor) -> Tensor:
    """Return the exit that answers for each image, (B,), from logits (B, exits, classes) and the share of each exit, (exits,).

    One exit after the other takes the images of which it is surest among those that are left, the last one all others.
    """
    sure = answers.detach().softmax(dim=2).amax(dim=2)  # (B, exits)
    count, exits = sure.shape
    found = torch.full((count,), exits - 1, device=answers.device)
    left = torch.ones(count, dtype=torch.bool, device=answers.device)
    for number, share in enumerate(shares.tolist()[:-1]):
        ranked = torch.where(left, sure[:, number], -1.0).argsort(descending=True, stable=True)
        taken = ranked[: min(math.floor(share * count), int(left.sum()))]
        found[taken], left[taken] = number, False
    return found


def meta_loss(answers: Tensor, targets: Tensor, shares: Tensor) -> Tensor:
    """Return the loss of images each of which one exit answers, as `answering_exit` says: the sum over exits of their mean loss.

    `answers`: logits (B, exits, classes); `targets`: classes, (B,), or the probability of each class, (B, classes).
    """
    losses, by = exit_losses(answers, targets), answering_exit(answers, shares)
    means = [losses[by == number, number].mean() for number in range(losses.shape[1]) if bool((by == number).any())]
    return torch.stack(means).sum()
