"""Static: one route of an architecture trained as a network of its own, without gates: what a gated network has to beat."""

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
from core.methods.holdout import reserved
from core.methods.losses import classification, taught
from core.registry import Decides


class Static(DistillingMethod):
    """Cross-entropy on a fixed path, and if it is wanted what another network says."""

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
        return reserved(self.controller_holdout, count, batches)

    def prepare(self, graph: Graph, lam: float | None) -> Graph:
        named = {control: option for control, _, option in (choice.partition("=") for choice in self.route)}
        return static_network(graph, graph.reference | columns(graph.nodes, named))

    def step(self, graph: Graph, batch: Batch, lam: float | None, progress: float, generator: Generator) -> StepResult:
        learnt = int((~batch.holdout).sum())  # the holdout comes last
        execution = execute(graph, batch.images[:learnt], Open())
        losses = {"classification": classification(execution, batch.labels[:learnt])}
        if batch.teacher is not None:
            losses["distillation"] = self.distillation_weight * taught(execution.output, batch.teacher[:learnt])
        return StepResult(losses, {})
