"""MSDNet: a dense network of several scales with early exits, for small images.

Paper: Huang et al., ICLR 2018 (arXiv 1703.09844).

A scale has maps of half the height and width of the finer scale before it, and more filters. Each layer adds features to every scale. They
are convolved from all features of that scale so far, and from those of the next finer scale, so that even the first exit, which reads the
coarsest scale, sees features of the whole image. The blocks are divided into as many parts as there are scales: each part but the first
drops the finest scale of the part before it, and halves the channels of the others by 1×1 convolutions.
Differs from the paper: a controller that sees an exit's features and answer decides whether to continue, where the paper compares the
exit's confidence with a threshold (as `l2w` does, and a baseline). Scales are dropped between blocks, so that the finest one left
sees itself alone from its first layer on. An exit averages over the whole map.
Reconstructed: the filters of the exits, and the factors of the bottlenecks, which are those of the authors' code.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator
from torch import nn

from core import bibliography
from core.architectures import Architecture
from core.graph.builder import Builder
from core.graph.graph import Graph
from core.graph.node import Gate
from core.modules.dense import DenseScale, ScaleWidth, pointwise
from core.modules.layers import classifier, conv

FACTORS = (1, 2, 4, 4)  # filters of each scale as multiples of the finest scale's, and of a bottleneck as multiples of a layer's


class MSDNet(Architecture):
    """Dense features at several scales, from the coarsest of which easy images get their answer early."""

    title = "Multi-scale dense network (MSDNet)"
    papers = (bibliography.MSDNET,)
    name: Literal["msdnet"] = "msdnet"
    layers: Annotated[tuple[Annotated[int, Field(ge=1, le=64)], ...], Field(min_length=1, max_length=64)] = Field(
        (1, 2, 3, 4, 5), title="Layers of each block", description="Layers of each block; an exit follows each of them"
    )
    scales: int = Field(3, ge=1, le=len(FACTORS), title="Scales", description="Scales, each of which halves the map of the one before")
    growth: int = Field(6, ge=1, le=512, title="Growth", description="Filters that each layer adds to the finest scale")
    stem: int = Field(16, ge=1, le=512, title="Filters of the stem", description="Filters of the first convolution, at the finest scale")
    exit: int = Field(128, ge=1, le=4096, title="Filters of the exits", description="Filters of both convolutions of an exit")
    reduction: float = Field(
        0.5, gt=0, le=1, title="Channels kept (fraction)", description="Fraction of the channels that is kept where a scale is dropped"
    )

    @model_validator(mode="after")
    def _one_block_per_scale(self) -> "MSDNet":
        if len(self.layers) < self.scales:
            raise ValueError(f"layers must name at least {self.scales} blocks, one for each of the scales, not {len(self.layers)}")
        return self

    @property
    def early_exits(self) -> bool:
        return True

    def build(self, image: tuple[int, int, int], classes: int, *, every_lam: bool = False) -> Graph:
        g = Builder(image, every_lam=every_lam)
        finest, unit = 0, self.stem  # the finest scale that is left, and the channels of a scale per unit of its factor
        sent: dict[int, str] = {}  # the latest node of each scale
        for scale in range(self.scales):
            before, channels = (sent[scale - 1], unit * FACTORS[scale - 1]) if scale else (g.input, image[0])
            sent[scale] = g.add(f"stem {scale + 1}", conv(channels, unit * FACTORS[scale], 2 if scale else 1), before)
        go_on: tuple[Gate, ...] = ()
        for number, layers in enumerate(self.layers, start=1):
            if self._finest(number) > finest:
                finest, kept = self._finest(number), max(int(unit * self.reduction), 1)
                for scale in range(finest, self.scales):
                    reduced = pointwise(unit * FACTORS[scale], kept * FACTORS[scale])
                    sent[scale] = g.add(f"reduce {number} scale {scale + 1}", reduced, sent[scale], when=go_on)
                unit = kept
            for scale in range(finest, self.scales):
                unread = scale == finest < self._finest(number + 1)  # the last layer of a scale that is dropped behind this block
                if layers > unread:
                    sees = [one for one in (scale, scale - 1) if one >= finest]
                    part = DenseScale(layers - unread, *(self._width(one, unit) for one in sees))
                    sent[scale] = g.add(f"block {number} scale {scale + 1}", part, *(sent[one] for one in sees), when=go_on)
            unit += layers * self.growth
            head = nn.Sequential(conv(unit * FACTORS[self.scales - 1], self.exit, 2), conv(self.exit, self.exit, 2))
            features = g.add(f"exit {number}", head, sent[self.scales - 1])
            if number == len(self.layers):
                g.output("y", classifier(self.exit, classes), features)
            else:
                answer = g.add(f"answer {number}", classifier(self.exit, classes), features)
                go_on = g.control(f"Q{number}", features, answer, options=("stop", "go on"))[1:]
                g.output(f"y{number}", nn.Identity(), answer)
        return g.build()

    def _finest(self, number: int) -> int:
        """Return the finest scale of a block, the first of which has the number 1."""
        return min((number - 1) * self.scales // len(self.layers), self.scales - 1)

    def _width(self, scale: int, unit: int) -> ScaleWidth:
        return ScaleWidth(unit * FACTORS[scale], self.growth * FACTORS[scale], FACTORS[scale])
