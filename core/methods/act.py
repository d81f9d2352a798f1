"""ACT: halting scores learn when to stop, by a price on every iteration (Graves, 2016; Leroux et al., 2018).

The loss is the cross-entropy plus the ponder cost N + R of each stage: its iterations N and the remainder R, 1 minus the halting scores of
all iterations but the last. N has no gradient. The gradient of R raises the scores of the iterations before the last one, so that an image
stops earlier. Iterations after an image has stopped are not computed in training either.

Differs from the papers: λ sets the price of an iteration, (1 − λ) times `ponder_weight`.
Reconstructed: the price.
"""

from typing import Literal

import torch
from pydantic import Field
from torch import Generator, Tensor

from core import bibliography
from core.graph.cost import reward_cost
from core.graph.execution import Execution, execute
from core.graph.graph import Graph
from core.graph.policy import Greedy
from core.graph.tradeoff import FixedLam
from core.methods import Batch, DistillingMethod, StepResult
from core.methods.losses import classification, distillation_loss
from core.registry import ConfigError, Decides


class ACT(DistillingMethod):
    """Halting scores learn, for one λ, how often an image needs the block of each stage; each iteration has a price."""

    title = "Adaptive computation time (ACT)"
    papers = (bibliography.ACT_PAPER, bibliography.IAMNN, bibliography.DISTILLATION)
    name: Literal["act"] = "act"
    ponder_weight: float = Field(
        0.1,
        ge=0,
        le=10,
        title="Price of an iteration",
        description="Weight of the ponder cost in the loss at λ = 0; none is left at λ = 1",
    )

    @property
    def decides(self) -> Decides:
        return "halt"

    def prepare(self, graph: Graph, lam: float | None) -> Graph:
        if lam is None:
            raise ConfigError("act trains a network for one λ: choose it, or train a sweep (sweep --lams)")
        graph.tradeoff = FixedLam(lam)
        return graph

    def step(self, graph: Graph, batch: Batch, lam: float | None, progress: float, generator: Generator) -> StepResult:
        assert lam is not None  # prepare has refused a network for every λ
        execution = execute(graph, batch.images, Greedy())
        ponder = ponder_cost(graph, execution).mean()
        losses = {
            "classification": self.label_weight * classification(execution, batch.targets),
            "ponder cost": self.ponder_weight * (1 - lam) * ponder,
        }
        if batch.teacher is not None:
            losses["distillation"] = self.distillation_weight * distillation_loss(execution.output, batch.teacher)
        accuracy = (execution.predicted == batch.labels).float().mean()
        share = reward_cost(graph, execution).mean()
        return StepResult(losses, {"accuracy": accuracy, "cost share": share, "ponder cost": ponder.detach()})


def ponder_cost(graph: Graph, execution: Execution) -> Tensor:
    """Return the iterations of an image and their remainders, summed over the stages, (B,)."""
    went_on: dict[str, list[Tensor]] = {}  # by the stage: the halting scores so far where the image went on, otherwise 0
    for control in graph.controls:
        stage = control.name.partition("-")[0]
        went_on.setdefault(stage, []).append(execution.gates[control.name][:, 1] * execution.values[control.name][:, 0])
    costs = []
    for totals in went_on.values():
        found = torch.stack(totals, dim=1)  # (B, iterations - 1)
        costs.append(1 + (found > 0).sum(dim=1) + 1 - found.amax(dim=1))
    return torch.stack(costs).sum(dim=0)
