"""How a network is trained, one file each.

A method's life: `prepare` makes the graph to train from an architecture's; `setup` measures once what the training needs; `step` turns
each batch into losses; `after_epoch` and `finish` set what is set without a batch. The training loop knows no option of any method.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import AliasChoices, Field

from core.registry import Component, Decides

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from core.datasets import Split
    from core.graph.graph import Graph


@dataclass(frozen=True)
class Batch:
    """Training images.

    images   (B, C, H, W) float
    labels   (B,) their classes
    holdout  (B,) bool: images that only the controllers learn from; these come last
    teacher  (B, classes) the teacher's logits, where the method distils
    """

    images: Tensor
    labels: Tensor
    holdout: Tensor
    teacher: Tensor | None = None

    def whole(self, bag: int) -> Batch:
        """Return the last images, as many as fill bags of this size."""
        left_out = len(self.labels) % bag
        teacher = None if self.teacher is None else self.teacher[left_out:]
        return Batch(self.images[left_out:], self.labels[left_out:], self.holdout[left_out:], teacher)


@dataclass(frozen=True)
class StepResult:
    """What a batch gives: `losses`, whose sum is minimised, and `figures`, which are only shown."""

    losses: dict[str, Tensor]
    figures: dict[str, float]


class Method(Component):
    """Trains a graph: says which graph, what its losses are, and what is set between and after the epochs."""

    bn_recalibration_batches: int = Field(
        0,
        validation_alias=AliasChoices("bn_recalibration_batches", "refreshed"),
        ge=0,
        le=10_000,
        title="Batch-norm recalibration (batches)",
        description="Batches used to re-estimate batch-norm statistics after each epoch (0: keep the running averages)",
    )

    @property
    def decides(self) -> Decides:
        """Which control nodes the method trains: those that pick one option, those whose gates each decide, or none."""
        return "one"

    @property
    def continues(self) -> bool:
        """Whether the method only makes sense from the weights of another network."""
        return False

    @property
    def bag(self) -> int:
        """How many images of the holdout have to stay together in a batch."""
        return 1

    def holdout(self, count: int, batches: int) -> int:
        """Return how many of `count` training images are reserved for the controllers, where an epoch has so many batches.

        Raises ConfigError where too few are left.
        """
        return 0

    @abstractmethod
    def prepare(self, graph: Graph, lam: float | None) -> Graph:
        """Return the graph to train, the architecture's own or one derived from it, for one λ or, with None, for every λ."""

    def setup(self, graph: Graph, batch_size: int, images: Tensor) -> None:
        """Measure once what the training needs and keep it in the graph's tensors, before the first step.

        The graph is on its device, in evaluation mode, and has its initial weights; `images` are some training images (N, C, H, W).
        """

    @abstractmethod
    def step(self, graph: Graph, batch: Batch, lam: float | None, progress: float, generator: Generator) -> StepResult:
        """Return the losses of one batch; `progress` runs from 0 to 1 over the training."""

    def after_epoch(self, graph: Graph, images: Tensor, labels: Tensor) -> None:
        """Set what changes between epochs; the graph is in evaluation mode, `images` (N, C, H, W) of classes (N,) are training images."""

    def finish(self, graph: Graph, holdout: Split, val: Split, generator: Generator) -> None:
        """Change the weights for the last time, after the last epoch; the graph is in evaluation mode.

        Afterwards the training loop calibrates the graph's trade-off on the validation images.
        """


class DistillingMethod(Method):
    """A method whose network can also learn from a teacher that does not change (Hinton et al., 2015)."""

    distillation_weight: float = Field(
        0.0,
        validation_alias=AliasChoices("distillation_weight", "distilled"),
        ge=0,
        le=10,
        description="Weight of the teacher's soft labels in the loss (0: no distillation)",
    )
    teacher: str = Field(
        "",
        title="Teacher (exported run)",
        description="Exported run whose answers are the soft labels; {seed} in its name stands for the seed (empty: the static "
        "network in training.init_from)",
    )
