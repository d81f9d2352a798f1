"""LC-Net: gates of layers and channels, learned straight-through for a budget (Xia et al., 2021).

The loss is the cross-entropy plus a penalty on the distance between the mean cost of a group of images and its budget. Forwards a gate is
max(score, 0); backwards it has the gradient of a sigmoid, so that closed gates learn too. The budget starts at the full cost and falls.
Train from the weights of the static network (`training.init_from`) for the best results.

Differs from the paper:
- Without a λ, one network is trained for every λ: the gate networks are given λ, and each image of a batch has a budget of its own. After
  training, λ runs from the least cost that the network can reach to the most that still helps: what the gate networks are given at each λ
  is calibrated on validation images, so that the cost rises evenly with λ.
- `gates` = "constant" and "fixed" are baselines that do not look at the image: gates learned for each λ alone, and the most common gates of
  the network in `training.init_from`, with the modules fine-tuned.
- Where the channels of a block have gates, the gate of the block has no part in the gradient of the cost (expected_cost.py).
- With `distillation_weight`, the network also learns from a teacher: the static network in `training.init_from`, or an exported run.
- Where images are mixed (`training.mixup`), the modules and gates learn the mixed labels; the budget and the cost are as for any image.
- With `sandwich_weight`, each step also trains the network with all gates open, and distils its answers into the gated network.

Reconstructed: the losses, their weights and the schedule.
"""

from typing import Literal

import torch
from pydantic import AliasChoices, Field
from torch import Generator, Tensor

from core import bibliography
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.policy import Open, StraightThrough
from core.graph.tradeoff import BudgetCurve, FixedLam
from core.methods import Batch, DistillingMethod, StepResult, bn_recalibration
from core.methods.expected_cost import expected_share
from core.methods.losses import classification, distillation_loss
from core.methods.spread import spread_lams
from core.methods.static_gates import TABLE_ROWS, fit_tables, gate_networks
from core.registry import ConfigError, Decides


class LCNet(DistillingMethod):
    """Gates learn for each image which blocks and channels to skip, so that the mean cost keeps to a budget."""

    title = "Budgeted gates (LC-Net)"
    papers = (bibliography.LCNET, bibliography.DISTILLATION)
    name: Literal["lcnet"] = "lcnet"
    min_budget: float = Field(
        0.1,
        validation_alias=AliasChoices("min_budget", "least"),
        gt=0,
        le=1,
        title="Smallest budget (share of the static network)",
        description="Target cost (share of the static network) at λ = 0; at λ = 1 the target is the full cost",
    )
    budget_weight: float = Field(
        20.0,
        validation_alias=AliasChoices("budget_weight", "penalty"),
        gt=0,
        le=1000,
        description="Weight of the squared distance between mean cost and budget",
    )
    budget_groups: int = Field(
        8,
        validation_alias=AliasChoices("budget_groups", "groups"),
        ge=1,
        le=64,
        title="Budget groups per batch",
        description="One network for every λ: groups of images with similar λ whose mean cost is compared with the budget",
    )
    budget_warmup: float = Field(
        0.3,
        validation_alias=AliasChoices("budget_warmup", "anneal"),
        ge=0,
        le=1,
        title="Budget warm-up (fraction of training)",
        description="Fraction of the training during which the budget falls from the full cost",
    )
    sandwich_weight: float = Field(
        0.0,
        validation_alias=AliasChoices("sandwich_weight", "beside"),
        ge=0,
        le=10,
        description="Weight of training the all-open network alongside, and of distilling its answers into the gated network (0: none)",
    )
    bn_recalibration_batches: int = bn_recalibration(16)
    gates: Literal["image", "constant", "fixed"] = Field(
        "image",
        title="What gates depend on",
        json_schema_extra={
            "labels": {"image": "The image and λ", "constant": "λ alone, learned", "fixed": "λ alone, from a trained network"}
        },
        description="What the gates depend on: image and λ; λ alone, learned; or λ alone, fixed at the most common gates of the "
        "network in training.init_from",
    )

    @property
    def decides(self) -> Decides:
        return "each"

    @property
    def continues(self) -> bool:
        return self.gates == "fixed"

    def prepare(self, graph: Graph, lam: float | None) -> Graph:
        if len(graph.outputs) > 1:
            raise ConfigError(
                "this method cannot train a gate that lets an answer stand: leave out “Let the scout's answer stand” "
                "(architecture.scout_exit), or choose the method Nested widths (slimmable)"
            )
        graph.tradeoff = BudgetCurve() if lam is None else FixedLam(lam)
        for name, network in gate_networks(graph).items():
            network.blind = self.gates == "constant"
            if self.gates == "fixed":
                network.table = torch.zeros(TABLE_ROWS if lam is None else 1, len(network.head.bias))
                graph.replace(name, network)  # measures it again: a table computes nothing
        return graph

    def setup(self, graph: Graph, batch_size: int, images: Tensor) -> None:
        if self.gates == "fixed":
            fit_tables(graph, images)

    def budgets(self, lams: Tensor, progress: float) -> Tensor:
        """Return the budget of each λ, (B,), as a share of the static network's cost, at a point of the training from 0 to 1."""
        final = self.min_budget + (1 - self.min_budget) * lams
        return 1 - (1 - final) * (progress / self.budget_warmup if progress < self.budget_warmup else 1.0)

    def step(self, graph: Graph, batch: Batch, lam: float | None, progress: float, generator: Generator) -> StepResult:
        images, labels, targets = batch.images, batch.labels, batch.targets
        lams = (spread_lams(len(labels), generator) if lam is None else torch.full((len(labels),), lam)).to(
            images.device, non_blocking=True
        )  # (B,)
        execution = execute(graph, images, StraightThrough(), lam=lams, dense=True)
        shares = expected_share(graph, execution)  # (B,)
        excess = (shares - self.budgets(lams, progress)).tensor_split(min(self.budget_groups, len(labels)) if lam is None else 1)
        losses = {
            "classification": self.label_weight * classification(execution, targets),
            "cost": self.budget_weight * (torch.stack([group.mean() for group in excess]) ** 2).mean(),
        }
        if self.sandwich_weight:
            full = execute(graph, images, Open(), lam=lams)
            losses["all-open classification"] = self.label_weight * classification(full, targets)
            losses["all-open distillation"] = self.sandwich_weight * distillation_loss(execution.output, full.output)
        if batch.teacher is not None:
            losses["distillation"] = self.distillation_weight * distillation_loss(execution.output, batch.teacher)
        accuracy = (execution.predicted == labels).float().mean()
        return StepResult(losses, {"accuracy": accuracy, "cost share": shares.detach().mean()})
