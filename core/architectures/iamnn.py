"""IamNN: residual blocks that are applied repeatedly with the same weights, as often as an image needs (Leroux et al., 2018).

Papers: Leroux et al., "IamNN: Iterative and Adaptive Mobile Neural Network for Efficient Image Classification"
(https://arxiv.org/abs/1804.10123); Graves, 2016 (https://arxiv.org/abs/1603.08983), for the halting scores.

The network has stages like a ResNet. A residual block enters each stage, which may halve the map. Another one is then applied up to
`iterations` times, with the same convolutions each time. After each iteration but the last, a control node decides whether the image stops.
With `halting` = "score" it stops as soon as its halting scores add up to 1 − ε (core/modules/halting.py); the method `act` trains this.
With `halting` = "controller" a controller that sees the state decides; the method `d2nn` trains it.
Differs from the paper:
- The iterations are nodes of their own, which share the weights of their convolutions. Each has batch norms of its own, because the states
  of different iterations have different statistics.
- With controllers, a stage sends its last state. With halting scores it sends the weighted mean of its states, as in Graves, 2016.
- The blocks have two 3×3 convolutions, as ResNets for small images do.
Reconstructed: the number of stages and of iterations, the block that enters a stage, and what the halting score sees.
"""

from typing import Literal

from pydantic import Field
from torch import nn

from core import bibliography
from core.architectures import Architecture, Widths
from core.graph.builder import Builder
from core.graph.graph import Graph
from core.graph.node import Edge, Gate
from core.modules.halting import Halt, HaltedMean, HaltingSum
from core.modules.layers import Join, Residual, classifier, conv
from core.modules.residual import Branch
from core.registry import Decides


class IamNN(Architecture):
    """A ResNet whose stages apply one block repeatedly, as often as an image needs."""

    title = "Iterated blocks (IamNN)"
    papers = (bibliography.IAMNN, bibliography.ACT_PAPER, bibliography.RESNET)
    name: Literal["iamnn"] = "iamnn"
    stages: Widths = Field(
        (16, 32, 64), title="Filters of each stage", description="Filters of each stage; every stage but the first halves the map"
    )
    iterations: int = Field(4, ge=2, le=16, title="Iterations per stage", description="Most times that a stage applies its block")
    halting: Literal["controller", "score"] = Field(
        "controller",
        title="What ends a stage",
        json_schema_extra={"labels": {"controller": "A controller (D2NN)", "score": "The sum of halting scores (ACT)"}},
        description="What decides whether an image stops: a controller, which the method d2nn trains, or the sum of halting scores, which "
        "the method act trains",
    )
    epsilon: float = Field(
        0.01,
        gt=0,
        lt=1,
        title="ε of the halting scores",
        description="Halting scores: an image stops as soon as their sum reaches 1 − ε",
    )

    @property
    def decides(self) -> Decides:
        return "halt" if self.halting == "score" else "one"

    def build(self, image: tuple[int, int, int], classes: int, *, every_lam: bool = False) -> Graph:
        g = Builder(image, every_lam=every_lam)
        before, channels = g.add("stem", conv(image[0], self.stages[0]), g.input), self.stages[0]
        for stage, filters in enumerate(self.stages, start=1):
            before = g.add(f"enter {stage}", Residual(channels, filters, 2 if stage > 1 else 1), before)
            before, channels = self._add_iterations(g, stage, filters, before), filters
        g.output("y", classifier(channels, classes), before)
        return g.build()

    def _add_iterations(self, g: Builder, stage: int, filters: int, state: str) -> str:
        """Add the iterations of a stage, each of which runs if those before it went on. Return the node with the result."""
        block = Branch(filters, (filters, filters), (3, 3), (1, 1))
        go_on: tuple[Gate, ...] = ()
        states, totals = list[str](), list[str]()
        for number in range(1, self.iterations + 1):
            of = f"{stage}-{number}"
            sent = g.add(f"block {of}", block if number == 1 else _with_its_weights(block), state, when=go_on)
            state = g.add(f"add {of}", Join(filters, filters, 1), state, Edge(sent, 0.0))
            states.append(state)
            if number == self.iterations:
                break
            if self.halting == "score":
                totals.append(g.add(f"sum {of}", HaltingSum(filters, 1 - self.epsilon), state, *totals[-1:], when=go_on))
                go_on = g.control(f"Q{of}", totals[-1], options=("stop", "go on"), part=Halt(1 - self.epsilon))[1:]
            else:
                seen = g.add(f"state {of}", nn.Identity(), state, when=go_on)  # nothing where the image has stopped
                go_on = g.control(f"Q{of}", seen, options=("stop", "go on"))[1:]
        return g.add(f"mean {stage}", HaltedMean(), *states, *(Edge(total, 1.0) for total in totals)) if totals else state


def _with_its_weights(block: Branch) -> Branch:
    """Return a branch with the very convolutions of another, and batch norms of its own."""
    (first, _), (second, _) = block.layers
    again = Branch(first.in_channels, block.filters, (3, 3), (1, 1))
    again.conv1, again.conv2 = first, second
    return again
