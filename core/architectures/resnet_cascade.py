"""ResNet cascade: early exits on a CIFAR ResNet of depth 6n + 2.

Papers: Liu & Deng, AAAI 2018, section 5 (arXiv 1701.00299); He et al., CVPR 2016, section 4.2 (arXiv 1512.03385).

The network has three groups of n residual blocks, with 16, 32 and 64 filters by default. After each of the blocks named in `exits`, an
exit answers, and a controller that sees the exit's features and answer decides whether to continue.
Differs from the paper: the controllers judge an answer, where those of the paper see features only. With `scout`, a small network that
halves the map quickly answers before the first block, because the first blocks see too little of the image to answer well.
Reconstructed: where the exits are and what they consist of. A shortcut that changes the shape drops every other pixel and pads channels.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator
from torch import nn

from core import bibliography
from core.architectures import Architecture
from core.graph.builder import Builder
from core.graph.graph import Graph
from core.graph.node import Gate
from core.modules.layers import Residual, classifier, conv, pyramid

GROUPS = (1, 2, 4)  # filters as multiples of the first group's


class ResNetCascade(Architecture):
    """A ResNet whose easy images get their answer before its end."""

    title = "ResNet with early exits"
    papers = (bibliography.D2NN_PAPER, bibliography.RESNET)
    name: Literal["resnet_cascade"] = "resnet_cascade"
    n: int = Field(3, ge=1, le=18, title="Blocks per group", description="Blocks in each group; the depth is 6n + 2")
    width: int = Field(
        16,
        ge=1,
        le=512,
        title="Filters of the first group",
        description="Filters of the first group; the second and third have two and four times as many",
    )
    exits: tuple[Annotated[int, Field(ge=1, le=54)], ...] = Field(
        (2, 4, 6), title="Blocks before each exit", description="Blocks, of 3n, after which images may leave, in ascending order"
    )
    scout: tuple[Annotated[int, Field(ge=1, le=512)], ...] = Field(
        (),
        title="Filters of the scout",
        description="Filters of a small network that answers before the first block (empty: no scout)",
    )

    @model_validator(mode="after")
    def _inside(self) -> "ResNetCascade":
        if list(self.exits) != sorted(set(self.exits)) or (self.exits and self.exits[-1] >= 3 * self.n):
            raise ValueError(f"exits must be in ascending order and before the last of the {3 * self.n} blocks, not {list(self.exits)}")
        return self

    @property
    def early_exits(self) -> bool:
        return True

    def build(self, image: tuple[int, int, int], classes: int, *, every_lam: bool = False) -> Graph:
        g = Builder(image, every_lam=every_lam)
        groups = [self.width * times for times in GROUPS]
        before, channels = g.add("stem", conv(image[0], groups[0]), g.input), groups[0]
        go_on: tuple[Gate, ...] = ()
        if self.scout:
            seen = g.add("scout", pyramid(channels, *self.scout), before)
            guess = g.add("answer 0", classifier(self.scout[-1], classes), seen)
            go_on = g.control("Q0", seen, guess, options=("stop", "go on"))[1:]
            g.output("y0", nn.Identity(), guess)
        for block in range(1, 3 * self.n + 1):
            filters = groups[(block - 1) // self.n]
            before = g.add(f"block {block}", Residual(channels, filters, 2 if filters > channels else 1), before, when=go_on)
            channels, go_on = filters, ()
            if block in self.exits:
                exit_number = self.exits.index(block) + 1
                features = g.add(f"exit {exit_number}", _head(channels, groups), before)
                answer = g.add(f"answer {exit_number}", classifier(groups[-1], classes), features)
                go_on = g.control(f"Q{exit_number}", features, answer, options=("stop", "go on"))[1:]
                g.output(f"y{exit_number}", nn.Identity(), answer)
        g.output("y", classifier(channels, classes), before)
        return g.build()


def _head(channels: int, groups: Sequence[int]) -> nn.Module:
    """Return the convolutions of an exit: with stride 2, until there are as many filters as in the last group."""
    steps = [filters for filters in groups if filters > channels] or [groups[-1]]
    widths = [channels, *steps]
    return nn.Sequential(*(conv(widths[i], widths[i + 1], stride=2) for i in range(len(steps))))
