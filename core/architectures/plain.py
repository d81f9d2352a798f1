"""Plain: a convolutional network without gates, as a baseline."""

from typing import Literal

from pydantic import Field

from core.architectures import Architecture, Widths
from core.graph.builder import Builder
from core.graph.graph import Graph
from core.modules.layers import classifier, conv
from core.registry import Decides


class Plain(Architecture):
    """Convolutions in sequence, without gates."""

    title = "Plain convolutional network"
    name: Literal["plain"] = "plain"
    widths: Widths = Field(
        (16, 32, 64),
        title="Filters of each convolution",
        description="Filters of each convolution; the first three convolutions halve the map",
    )

    @property
    def decides(self) -> Decides:
        return None

    def build(self, image: tuple[int, int, int], classes: int, *, every_lam: bool = False) -> Graph:
        g = Builder(image)
        before, channels = g.input, image[0]
        for depth, width in enumerate(self.widths, start=1):
            before = g.add(f"N{depth}", conv(channels, width, stride=2 if depth <= 3 else 1), before)
            channels = width
        g.output("y", classifier(channels, classes), before)
        return g.build()
