"""LC-Net: gates of layers and channels learned through a straight-through estimate, at a cost that is asked for (Xia et al., 2021).

Cross-entropy, and a penalty on how far the mean cost of a group of images is from what was asked for it. Forwards a gate is max(score, 0);
backwards it has the gradient of a sigmoid, so that closed gates learn too. What is asked for begins at the whole cost and comes down.
Best begun from the weights of the static network (`training.start`).

Differs from the paper:
- Without a λ one network is trained for every λ: the gate networks are told what is asked for, and each image of a batch is asked for a
  cost of its own. Then λ is the cost share between the least that the network can do and the most that still helps, and what the gate
  networks are told for each λ is found on validation images, so that the cost moves evenly with λ.
- `gates` = "constant" and "fixed" are rivals that do not look at the image: gates learned for each λ alone, and those that were most
  common in the network that is begun with, modules fine-tuned.
- Where channels of a block have gates, the gate of the block has no part in the gradient of the cost (learning/expectation.py).
- With `distilled`, the gated network also learns from the answers of a trained one: the static network that it begins with, or another.
- With `beside`, each step also trains the network with all gates open, and the gated one learns from its answers too.

Reconstructed: the losses, the weights and the schedule.
"""

from typing import Literal

import torch
from pydantic import Field
from torch import Generator, Tensor

from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.policy import Open, StraightThrough
from core.methods import Batch, Pupil, Step
from core.methods.calibration import even_course
from core.methods.expected_cost import expected_share
from core.methods.losses import classification, taught
from core.methods.static_gates import ASKED, gate_networks, settle
from core.registry import Decides

BEYOND = 0.05  # share of the images of a batch, nearly, that are asked for as little as there is, and for as much
STEPS = 101  # of λ for which it is kept what the gate networks are told


class LCNet(Pupil):
    """Gates of layers and channels, straight-through, at a cost that is asked for."""

    name: Literal["lcnet"] = "lcnet"
    least: float = Field(0.1, gt=0, le=1, description="the cost share that is asked for at λ = 0; at λ = 1 it is the whole cost")
    penalty: float = Field(20.0, gt=0, le=1000, description="weight of the squared distance between the mean cost and what is asked for")
    groups: int = Field(
        8, ge=1, le=64, description="with every λ: groups of a batch, of similar λ, whose mean costs are held against what is asked"
    )
    anneal: float = Field(0.3, ge=0, le=1, description="share of the training in which what is asked for comes down from the whole cost")
    beside: float = Field(
        0.0, ge=0, le=10, description="weight of what the network with all gates open teaches the gated one; 0: not at all"
    )
    refreshed: int = Field(
        16,
        ge=0,
        le=10_000,
        description="batches from which batch norm's figures are taken anew after each epoch; 0: those that ran along stay",
    )
    gates: Literal["image", "constant", "fixed"] = Field(
        "image",
        description="what gates depend on: the image and λ; λ alone, learned; λ alone, fixed at what was most common in the network that "
        "training.start names",
    )

    @property
    def decides(self) -> Decides:
        return "each"

    @property
    def continues(self) -> bool:
        return self.gates == "fixed"

    def prepare(self, graph: Graph) -> Graph:
        graph.course = torch.linspace(0, 1, STEPS)
        for network in gate_networks(graph).values():
            network.blind = self.gates == "constant"
            if self.gates == "fixed":
                network.table = torch.zeros(ASKED if graph.every_lam else 1, len(network.head.bias))
        return graph

    def begin(self, graph: Graph, batch: int, images: Tensor) -> None:
        if self.gates == "fixed":
            settle(graph, images)

    def asked(self, lams: Tensor, progress: float) -> Tensor:
        """The cost share that is asked for at each λ, at a point of the training from 0 to 1."""
        final = self.least + (1 - self.least) * lams
        return 1 - (1 - final) * (progress / self.anneal if progress < self.anneal else 1.0)

    def step(self, graph: Graph, batch: Batch, lam: float | None, progress: float, generator: Generator) -> Step:
        images, labels = batch.images, batch.labels
        lams = (_drawn(len(labels), generator) if lam is None else torch.full((len(labels),), lam)).to(images.device)  # (B,)
        execution = execute(graph, images, StraightThrough(), lam=lams, dense=True)
        shares = expected_share(graph, execution)  # (B,)
        beyond = (shares - self.asked(lams, progress)).tensor_split(min(self.groups, len(labels)) if lam is None else 1)
        losses = {
            "classification": classification(execution, labels),
            "cost": self.penalty * (torch.stack([some.mean() for some in beyond]) ** 2).mean(),
        }
        if self.beside:
            full = execute(graph, images, Open(), lam=lams)
            losses["full network"] = classification(full, labels)
            losses["beside"] = self.beside * taught(execution.output, full.output)
        if batch.teacher is not None:
            losses["distilled"] = self.distilled * taught(execution.output, batch.teacher)
        accuracy = float((execution.predicted == labels).float().mean())
        return Step(losses, {"accuracy": accuracy, "cost share": float(shares.detach().mean())})

    def adjust(self, graph: Graph, images: Tensor, labels: Tensor, *, final: bool) -> None:
        if final and graph.every_lam:
            graph.course.copy_(even_course(graph, images, labels))


def _drawn(count: int, generator: Generator) -> Tensor:
    """A λ for each image of a batch, (count,), ascending and evenly spread; some are exactly 0 and 1, which people ask for."""
    even = (torch.arange(count) + torch.rand(count, generator=generator)) / count
    return ((1 + 2 * BEYOND) * even - BEYOND).clamp(0, 1)
