"""ConvNet-AIG: block gates drawn with Gumbel noise, whose opening rates learn to meet a target (Veit & Belongie, ECCV 2018).

Each gate network sees the pooled input of its block. In training a gate is drawn, 0 or 1, with the probability that its score stands for;
backwards it has the gradient of the relaxed gate, so that closed gates learn too. The loss is the cross-entropy plus the squared distance
of each gate's opening rate, its mean over the images of a batch, from the target rate.

Differs from the paper:
- λ sets the target rate, from `min_rate` at λ = 0 to 1 at λ = 1. Without a λ, one network is trained for every λ: the gate networks are
  given λ, and groups of images with similar λ have a target and opening rates of their own. After training, what the gate networks are
  given at each λ is calibrated on validation images, so that the cost rises evenly with λ.
- A trained gate opens where its score is above zero. The authors' code draws the noise in evaluation as well.
- Every gate has the same target. In the paper, some layers of the ImageNet networks have a target of 1.
- With `rate_of` = "network", the mean rate of all gates is compared with the target, so that some blocks can run for every image.
- One score per gate in place of one each for open and closed; the two differ by a number that has no effect.
- The gate network normalises the pooled features and not its hidden layer (core/modules/gate_network.py).

Reconstructed: the rate at λ = 0. The weight of the loss, the temperature and the initial opening rate are those of the authors' code for
CIFAR-10 (https://github.com/andreasveit/convnet-aig).
"""

from typing import Literal

import torch
from pydantic import Field
from torch import Generator, Tensor

from core import bibliography
from core.graph.cost import reward_cost
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.policy import GumbelStraightThrough
from core.graph.tradeoff import BudgetCurve, FixedLam
from core.methods import Batch, Method, StepResult, bn_recalibration
from core.methods.block_gates import block_gates, draw_block_gates
from core.methods.losses import classification
from core.methods.spread import spread_lams
from core.registry import Decides

INITIAL_LOG_ODDS = 1.9  # of an open gate: it opens for 87% of the images


class AIG(Method):
    """Block gates are drawn with Gumbel noise, and learn to open for a target share of the images."""

    title = "Target rates (ConvNet-AIG)"
    papers = (bibliography.ADAPTIVE_GRAPHS, bibliography.GUMBEL_SOFTMAX)
    name: Literal["aig"] = "aig"
    min_rate: float = Field(
        0.1,
        gt=0,
        le=1,
        title="Smallest target rate",
        description="Target opening rate of the gates at λ = 0; at λ = 1 the target is 1: every block runs",
    )
    rate_weight: float = Field(
        2.0, gt=0, le=1000, description="Weight of the squared distance between opening rates and their target (2 in the authors' code)"
    )
    rate_of: Literal["gate", "network"] = Field(
        "gate",
        title="Rate that meets the target",
        json_schema_extra={"labels": {"gate": "Each gate's (as published)", "network": "The mean of all gates'"}},
        description="What the target is compared with: the opening rate of each gate (gate, as published), or their mean (network)",
    )
    rate_groups: int = Field(
        4,
        ge=1,
        le=64,
        title="Groups per batch",
        description="One network for every λ: groups of images with similar λ whose opening rates are compared with a target",
    )
    temperature: float = Field(
        1.0,
        gt=0,
        le=10,
        title="Temperature of the relaxed gates",
        description="Temperature of the sigmoid whose gradient a drawn gate has",
    )
    bn_recalibration_batches: int = bn_recalibration(16)

    @property
    def decides(self) -> Decides:
        return "each"

    def prepare(self, graph: Graph, lam: float | None) -> Graph:
        draw_block_gates(graph, INITIAL_LOG_ODDS)
        graph.tradeoff = BudgetCurve() if lam is None else FixedLam(lam)
        return graph

    def targets(self, lams: Tensor) -> Tensor:
        """Return the target rate of each λ, (B,)."""
        return self.min_rate + (1 - self.min_rate) * lams

    def rate_loss(self, gates: Tensor, targets: Tensor, groups: int) -> Tensor:
        """Return the mean squared distance of the opening rates of gates (B, gates) from the mean target (B,), over groups of images."""
        rates = torch.stack([group.mean(dim=0) for group in gates.tensor_split(groups)])  # (groups, gates)
        wanted = torch.stack([group.mean() for group in targets.tensor_split(groups)])  # (groups,)
        met = rates if self.rate_of == "gate" else rates.mean(dim=1, keepdim=True)
        return ((met - wanted[:, None]) ** 2).mean()

    def step(self, graph: Graph, batch: Batch, lam: float | None, progress: float, generator: Generator) -> StepResult:
        images, labels = batch.images, batch.labels
        lams = spread_lams(len(labels), generator) if lam is None else torch.full((len(labels),), lam)  # (B,)
        lams = lams.to(images.device, non_blocking=True)
        execution = execute(graph, images, GumbelStraightThrough(self.temperature, generator), lam=lams, dense=True)
        gates = torch.stack([execution.gates[gate.control][:, gate.column].float() for gate in block_gates(graph)], dim=1)  # (B, gates)
        groups = min(self.rate_groups, len(labels)) if lam is None else 1
        losses = {
            "classification": classification(execution, batch.targets),
            "rate": self.rate_weight * self.rate_loss(gates, self.targets(lams), groups),
        }
        accuracy = (execution.predicted == labels).float().mean()
        return StepResult(losses, {"accuracy": accuracy, "cost share": reward_cost(graph, execution).float().mean()})
