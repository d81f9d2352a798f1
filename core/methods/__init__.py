"""How a network learns, one file each."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import AliasChoices, Field

from core.registry import Component, Decides

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from core.graph.graph import Graph


@dataclass(frozen=True)
class Batch:
    """Images (B, C, H, W) float, their classes (B,), and which of them are kept back from the modules (B,) bool; these come last.

    Where the method distils, what another network says of them, (B, classes).
    """

    images: Tensor
    labels: Tensor
    kept_back: Tensor
    teacher: Tensor | None = None

    def whole(self, bag: int) -> Batch:
        """As many of the last images as fill bags of this size."""
        left_out = len(self.labels) % bag
        teacher = None if self.teacher is None else self.teacher[left_out:]
        return Batch(self.images[left_out:], self.labels[left_out:], self.kept_back[left_out:], teacher)


@dataclass(frozen=True)
class StepResult:
    """One batch on its way to a gradient: `losses` are added up to be minimised; `figures` are only shown."""

    losses: dict[str, Tensor]
    figures: dict[str, float]


class Method(Component):
    """What turns an architecture's graph into the one to train, and a batch into losses."""

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
        """Which control nodes it trains: those that decide for one option, or for each by itself; none if it trains none."""
        return "one"

    @property
    def continues(self) -> bool:
        """Whether it makes sense only where it begins with the weights of another network."""
        return False

    @property
    def kept_back(self) -> float:
        """The share of the training images that only controllers learn from, so that they know what to expect of unseen ones."""
        return 0.0

    @property
    def group(self) -> int:
        """How many images are learnt from together: those kept back come to a batch in so many."""
        return 1

    @property
    def refits(self) -> bool:
        """Whether controllers that serve every λ are fitted once more, to the images kept back, when the modules have been trained."""
        return False

    @abstractmethod
    def prepare(self, graph: Graph) -> Graph:
        """The graph that is trained: the architecture's own or one derived from it."""

    def begin(self, graph: Graph, batch: int, images: Tensor) -> None:
        """What is measured once, when a training begins on its device with batches of so many images; kept with the weights.

        `images`: some training images (N, C, H, W). The weights are those that it begins with.
        """

    @abstractmethod
    def step(self, graph: Graph, batch: Batch, lam: float | None, progress: float, generator: Generator) -> StepResult:
        """The losses of one batch; `progress` runs from 0 to 1 over the training."""

    def adjust(self, graph: Graph, images: Tensor, labels: Tensor, *, final: bool) -> None:
        """What is set without gradients: before each epoch on training images, at last (`final`) on validation images.

        `images`: (N, C, H, W), `labels`: their classes (N,).
        """


class Pupil(Method):
    """A method whose network can also learn from the answers of another, which do not change (Hinton et al., 2015)."""

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
