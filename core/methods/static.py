"""Static: one route of an architecture, trained as a network of its own without gates. It is the baseline of a gated network."""

from typing import Literal

from pydantic import AliasChoices, Field
from torch import Generator

from core import bibliography
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.policy import Open
from core.graph.static import static_network
from core.graph.validation import columns
from core.methods import Batch, DistillingMethod, StepResult
from core.methods.holdout import holdout_size
from core.methods.losses import classification, distillation_loss
from core.registry import Decides


class Static(DistillingMethod):
    """Every image takes the same route; the modules learn by cross-entropy and, if set, from a teacher."""

    title = "Static network"
    papers = (bibliography.DISTILLATION,)
    name: Literal["static"] = "static"
    route: tuple[str, ...] = Field(
        (), title="Route to train", description="Route to train, as control=option, one per control node (empty: the most expensive route)"
    )
    controller_holdout: float = Field(
        0.0,
        validation_alias=AliasChoices("controller_holdout", "held_out"),
        ge=0,
        lt=1,
        title="Images withheld from training (fraction)",
        description="Fraction of the training images to leave out, so that a gated network initialised from this one (with the "
        "same seed and fraction) has unseen images for its controllers",
    )

    @property
    def decides(self) -> Decides:
        return None

    def holdout(self, count: int, batches: int) -> int:
        return holdout_size(self.controller_holdout, count, batches)

    def prepare(self, graph: Graph, lam: float | None) -> Graph:
        chosen = {control: option for control, _, option in (choice.partition("=") for choice in self.route)}
        return static_network(graph, graph.reference | columns(graph.nodes, chosen))

    def step(self, graph: Graph, batch: Batch, lam: float | None, progress: float, generator: Generator) -> StepResult:
        trained = batch.trained
        execution = execute(graph, batch.images[:trained], Open())
        losses = {"classification": self.label_weight * classification(execution, batch.targets[:trained])}
        if batch.teacher is not None:
            losses["distillation"] = self.distillation_weight * distillation_loss(execution.output, batch.teacher[:trained])
        return StepResult(losses, {})
