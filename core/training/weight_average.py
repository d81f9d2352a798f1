"""The exponential moving average of the weights during a training (Polyak & Juditsky, 1992; Tarvainen & Valpola, arXiv 1703.01780).

The average moves with the batch-norm statistics, too. In its first steps it follows the weights closely: its decay is at most
(1 + steps) / (10 + steps).
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from core.graph.graph import Graph


class WeightAverage:
    """A second set of weights. During an epoch the graph holds the trained ones and this object their average; `swap` exchanges them.

    Between epochs the graph holds the average, which is what is validated, stored and calibrated. With a decay of 0 there is no second set.
    """

    def __init__(self, graph: Graph, decay: float) -> None:
        self.decay = decay
        self.live = _learning(graph) if decay else {}  # the graph's own tensors
        self.other = {name: value.clone() for name, value in self.live.items()}

    def load(self, stored: Mapping[str, Tensor]) -> None:
        """Restore the trained weights of a checkpoint, whose graph holds the average."""
        for name, value in self.other.items():
            value.copy_(stored[name])

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the graph's weights for the other set, in place."""
        for name, value in self.live.items():
            held = value.clone()
            value.copy_(self.other[name])
            self.other[name].copy_(held)

    @torch.no_grad()
    def update(self, steps: int) -> None:
        """Move the average towards the graph's weights, after this number of steps."""
        if self.live:
            decay = min(self.decay, (1 + steps) / (10 + steps))
            torch._foreach_lerp_(list(self.other.values()), list(self.live.values()), 1 - decay)


def _learning(graph: Graph) -> dict[str, Tensor]:
    """Return what changes from step to step, by name: trained parameters, and the statistics of batch norm."""
    found = {name: parameter.detach() for name, parameter in graph.named_parameters() if parameter.requires_grad}
    for name, module in graph.named_modules():
        if isinstance(module, _BatchNorm) and module.running_mean is not None and module.running_var is not None:
            found |= {f"{name}.running_mean": module.running_mean, f"{name}.running_var": module.running_var}
    return found
