"""Slimmable: nested widths trained together, and gates fitted to what each width is worth (Yu & Huang, 2019; Li et al., 2021).

Every step trains the full width on the labels and from the teacher, and the narrowest and some random widths in between from the full
width's own answers to the same images (the sandwich rule with in-place distillation). Before the first step the channels of every block are
sorted by importance, so that the first ones of a trained static network (`training.init_from`) are those that matter. After the last
step the gate networks are fitted, on images that the modules have not seen, to the gain of each width (widths.py).

Differs from the papers:
- The losses of the narrower widths are averaged, so that the full width keeps half of the loss.
- Every width has batch norms of its own, as in Yu et al., 2019; those of the widest are the static network's.
- Dynamic Slimmable Network's gates learn the narrowest width that is right. Here they learn what a width adds to the probability of the
  right class, less the price of its computation, which λ sets; so one network serves every λ.
- Gates do not scale: a width is the same network for every image.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Generator, Tensor

from core import bibliography
from core.datasets import Split, normalised
from core.graph.execution import Execution, execute
from core.graph.graph import Graph
from core.graph.tradeoff import BudgetCurve, FixedLam
from core.methods import Batch, DistillingMethod, StepResult
from core.methods.holdout import holdout_size
from core.methods.losses import distillation_loss
from core.methods.static_gates import gate_networks
from core.methods.widths import at_width, fit_width_gates, nested_parts, tabulate_widths, width_steps
from core.registry import Decides


class Slimmable(DistillingMethod):
    """All widths of a network's blocks learn together; then gates learn which width is worth its cost for an image."""

    title = "Nested widths (slimmable)"
    papers = (bibliography.SLIMMABLE, bibliography.SLIMMABLE_GATES, bibliography.DISTILLATION)
    name: Literal["slimmable"] = "slimmable"
    random_widths: int = Field(
        2,
        ge=0,
        le=8,
        title="Random widths per step",
        description="Random widths that each step trains besides the widest and the narrowest",
    )
    narrow_weight: float = Field(
        1.0, gt=0, le=10, title="Weight of narrower widths", description="Weight of the narrower widths in the loss, beside the full width"
    )
    controller_holdout: float = Field(
        0.05,
        gt=0,
        lt=1,
        title="Images reserved for gates (fraction)",
        description="Fraction of the training images that only the gates learn from; the same fraction and seed as the network in "
        "training.init_from, so that its modules have not seen them",
    )
    gate_steps: int = Field(
        1500, ge=1, le=100_000, title="Steps of the gates", description="Steps in which the gates are fitted after the last epoch"
    )
    bn_recalibration_batches: int = Field(
        32,
        ge=0,
        le=10_000,
        title="Batch-norm recalibration (batches)",
        description="Batches used to re-estimate each width's batch-norm statistics after each epoch (0: keep the running averages)",
    )

    @property
    def decides(self) -> Decides:
        return "each"

    def holdout(self, count: int, batches: int) -> int:
        return holdout_size(self.controller_holdout, count, batches)

    def prepare(self, graph: Graph, lam: float | None) -> Graph:
        width_steps(graph)
        graph.tradeoff = BudgetCurve() if lam is None else FixedLam(lam)
        for network in gate_networks(graph).values():
            network.least = torch.ones_like(network.head.bias.detach())
        return graph

    def setup(self, graph: Graph, batch_size: int, images: Tensor) -> None:
        for part in nested_parts(graph).values():
            part.sort_channels()

    def step(self, graph: Graph, batch: Batch, lam: float | None, progress: float, generator: Generator) -> StepResult:
        images, labels = batch.images[: batch.trained], batch.labels[: batch.trained]
        widest = width_steps(graph)
        full = _answers(execute(graph, images, at_width(graph, widest), lam=_any(lam)))
        losses = {
            "classification": self.label_weight * F.cross_entropy(full.float(), batch.targets[: batch.trained]),
        }
        if batch.teacher is not None:
            losses["distillation"] = self.distillation_weight * distillation_loss(full, batch.teacher[: batch.trained])
        between = torch.randint(2, max(widest, 3), (self.random_widths if widest > 2 else 0,), generator=generator).tolist()
        narrow = [_answers(execute(graph, images, at_width(graph, step), lam=_any(lam))) for step in (1, *between)]
        losses["narrower widths"] = self.narrow_weight * torch.stack([distillation_loss(one, full) for one in narrow]).mean()
        accuracy, narrowest = ((one.argmax(dim=1) == labels).float().mean() for one in (full, narrow[0]))
        return StepResult(losses, {"accuracy": accuracy, "accuracy of the narrowest": narrowest})

    def finish(self, graph: Graph, holdout: Split, val: Split, generator: Generator) -> None:
        images, labels = normalised(holdout.images).to(graph.device), holdout.labels.to(graph.device)
        fit_width_gates(graph, tabulate_widths(graph.eval(), images, labels), self.gate_steps, generator)


def _answers(execution: Execution) -> Tensor:
    """Return the logits (B, classes) of the last output."""
    return list(execution.outputs.values())[-1]


def _any(lam: float | None) -> float:
    """Return a λ for gate networks whose scores are not used."""
    return 1.0 if lam is None else lam
