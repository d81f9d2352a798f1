"""Training methods, one file each.

The life of a method: `prepare` returns the graph to train; `setup` takes measurements before the first step; `step` turns each batch into
losses; `after_epoch` and `finish` change the graph between epochs and after the last one. The training loop reads what the base class
defines, and no option of a single method.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import AliasChoices, Field

from core.registry import Component, Trains

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from core.datasets import Split
    from core.graph.graph import Graph


@dataclass(frozen=True)
class Batch:
    """Training images.

    images         (B, C, H, W) float
    labels         (B,) their classes; of a mixed image, the class of its larger part
    holdout        (B,) bool: images that only the controllers learn from; they come last, and are never mixed
    teacher        (B, classes) the teacher's logits for these very images, where the method distils
    probabilities  (B, classes) what the modules are to answer, where labels are smoothed or images mixed
    holdout_count  how many images are of the holdout, if it is known without looking at the device
    """

    images: Tensor
    labels: Tensor
    holdout: Tensor
    teacher: Tensor | None = None
    probabilities: Tensor | None = None
    holdout_count: int | None = None

    @property
    def targets(self) -> Tensor:
        """What the modules learn, as torch's cross-entropy takes it: classes, (B,), or the probability of each class, (B, classes)."""
        return self.labels if self.probabilities is None else self.probabilities

    @property
    def trained(self) -> int:
        """How many of the images, the first ones, the modules learn from."""
        return len(self.labels) - (int(self.holdout.sum()) if self.holdout_count is None else self.holdout_count)

    def whole_bags(self, bag_size: int) -> Batch:
        """Return the last images of the batch, in as many whole mini-bags as possible."""
        left_out = len(self.labels) % bag_size
        teacher, probabilities = (None if rows is None else rows[left_out:] for rows in (self.teacher, self.probabilities))
        known = None if self.holdout_count is None else min(self.holdout_count, len(self.labels) - left_out)
        return Batch(self.images[left_out:], self.labels[left_out:], self.holdout[left_out:], teacher, probabilities, known)


@dataclass(frozen=True)
class StepResult:
    """The result of a step: `losses`, whose sum is minimised, and `figures`, which are only logged.

    Figures may be tensors without dimensions: on a GPU, converting one to a number would wait for it.
    """

    losses: dict[str, Tensor]
    figures: Mapping[str, float | Tensor]


@dataclass(frozen=True)
class Teacher:
    """The network whose answers a method learns from.

    file    the name of an exported run's file; if empty, the static network in training.init_from teaches
    option  the option that names the file
    """

    file: str
    option: str


def bn_recalibration(default: int) -> Any:
    """Return the option of the batches that batch norm is recalibrated on, with this default."""
    return Field(
        default,
        validation_alias=AliasChoices("bn_recalibration_batches", "refreshed"),
        ge=0,
        le=10_000,
        title="Batch-norm recalibration (batches)",
        description="Batches used to re-estimate batch-norm statistics after each epoch (0: keep the running averages)",
    )


class Method(Component):
    """Base class of training methods. The training loop reads what this class defines, and no other option of a method."""

    bn_recalibration_batches: int = bn_recalibration(0)

    @property
    def decides(self) -> Trains:
        """The control nodes that the method trains: "one" picks one option, "each" opens each gate, "any": both, "halt" stops when the
        halting scores add up to enough. None: no gates.
        """
        return "one"

    @property
    def needs_early_exits(self) -> bool:
        """Whether each control node must see an answer and decide whether it stands."""
        return False

    @property
    def continues(self) -> bool:
        """Whether the method requires the weights of a trained network (training.init_from)."""
        return False

    @property
    def bag(self) -> int:
        """How many images of the holdout must stay together in a batch."""
        return 1

    @property
    def rewards_trained_images(self) -> bool:
        """Whether control nodes learn from the right and wrong answers to images that the modules learn from, and that may be mixed."""
        return False

    @property
    def learns_from(self) -> Teacher | None:
        """The network whose logits each batch carries as `teacher`, if any."""
        return None

    def holdout(self, count: int, batches: int) -> int:
        """Return how many of `count` training images are reserved for the controllers, if an epoch has `batches` batches.

        Raises ConfigError if too few images are left for the modules.
        """
        return 0

    @abstractmethod
    def prepare(self, graph: Graph, lam: float | None) -> Graph:
        """Return the graph to train, the architecture's own or one derived from it. `lam`: the λ to train for; None: every λ."""

    def setup(self, graph: Graph, batch_size: int, images: Tensor) -> None:
        """Measure what the training needs and store it in the graph's tensors, once before the first step.

        The graph is on its device, in evaluation mode, and has its initial weights. `images`: a sample of training images (N, C, H, W).
        """

    @abstractmethod
    def step(self, graph: Graph, batch: Batch, lam: float | None, progress: float, generator: Generator) -> StepResult:
        """Return the losses of one batch. `progress`: the point of the training, from 0 to 1."""

    def after_epoch(self, graph: Graph, images: Tensor, labels: Tensor) -> None:
        """Change the graph between epochs, given a sample of training images (N, C, H, W) and their labels (N,), in evaluation mode."""

    def finish(self, graph: Graph, holdout: Split, val: Split, generator: Generator) -> None:
        """Change the weights after the last epoch. The graph is in evaluation mode.

        Afterwards the training loop calibrates the graph's trade-off on the validation images.
        """


class DistillingMethod(Method):
    """A method whose network can also learn from the soft labels of a trained teacher (Hinton et al., 2015)."""

    distillation_weight: float = Field(
        0.0,
        validation_alias=AliasChoices("distillation_weight", "distilled"),
        ge=0,
        le=10,
        description="Weight of the teacher's soft labels in the loss (0: no distillation)",
    )
    label_weight: float = Field(1.0, ge=0, le=10, description="Weight of the labels in the loss; below 1 where a teacher says more")
    teacher: str = Field(
        "",
        title="Teacher (exported run)",
        description="Exported run whose answers are the soft labels; {seed} in its name is replaced by the seed (empty: the static "
        "network in training.init_from)",
    )

    @property
    def learns_from(self) -> Teacher | None:
        return Teacher(self.teacher, "method.teacher") if self.distillation_weight else None
