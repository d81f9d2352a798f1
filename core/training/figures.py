"""The figures of an epoch, summed where they are computed, and the check that the loss is finite.

On a GPU, looking at a number waits for all work before it. So sums stay on the device, and the loss is looked at every few steps.
"""

import torch
from torch import Tensor

from core.errors import UserError
from core.graph.graph import Graph
from core.methods import StepResult

STEPS_UNSEEN = 50  # steps on a GPU after which the loss is looked at


class TrainingError(UserError):
    """Raised when a training cannot continue with its options. The text says which option to change."""


def check_finite(graph: Graph) -> None:
    """Raise TrainingError if one of the weights is not a finite number, so that no checkpoint holds it."""
    for name, tensor in graph.state_dict().items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise TrainingError(f"the weights are not finite ({name}): lower training.learning_rate")


class EpochFigures:
    """The means of the losses and figures of an epoch's steps."""

    def __init__(self, steps: int, device: torch.device) -> None:
        """`steps`: steps of an epoch."""
        self.steps = steps
        self.every = 1 if device.type == "cpu" else STEPS_UNSEEN
        self.added = 0
        self.sums: dict[str, Tensor] = {}
        self.loss = torch.zeros((), device=device)  # the first that is not finite, or the latest

    def check(self, loss: Tensor) -> None:
        """Note the loss of a step. Raises TrainingError if a loss was not finite, at once on a processor, a few steps late on a GPU."""
        self.loss = torch.where(self.loss.isfinite(), loss.detach(), self.loss)
        self.added += 1
        if self.added % self.every == 0:
            self._look()

    def add(self, step: StepResult) -> None:
        """Add the losses and figures of a step."""
        values = {f"train {name} loss": value for name, value in step.losses.items()} | {
            f"train {name}": value for name, value in step.figures.items()
        }
        for name, value in values.items():
            number = value.detach().double() if isinstance(value, Tensor) else torch.tensor(value, dtype=torch.float64)
            mean = number / self.steps
            self.sums[name] = self.sums[name] + mean if name in self.sums else mean

    def means(self) -> dict[str, float]:
        """Return the mean of each. Raises TrainingError if a loss was not finite."""
        self._look()
        return {name: float(value) for name, value in self.sums.items()}

    def _look(self) -> None:
        if not bool(self.loss.isfinite()):
            raise TrainingError(f"the loss is {self.loss.item()}: lower training.learning_rate")
