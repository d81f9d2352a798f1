"""Chain: links in which a controller picks one of several modules; the paths merge again behind each (Liu & Deng, AAAI 2018, section 5).

The modules that were not picked send the default 0 to the node that adds them up, so that there are exponentially many routes.
Differs from the paper: each link may also be passed without computing anything, and a controller sees, beside pooled features, what a
linear probe of them would answer (an output of its own, which the last one always overrides).
Reconstructed: the sizes, which are options.
"""

from typing import Literal

from pydantic import Field
from torch import nn

from core.architectures import Architecture, Widths
from core.network.builder import Builder
from core.network.graph import Graph
from core.network.layers import Add, classifier, conv, convs
from core.network.node import Edge


class Chain(Architecture):
    """One of several modules at each link, and paths that merge."""

    name: Literal["chain"] = "chain"
    links: Widths = Field((16, 32, 48), description="filters that each link sends on; every link halves the map")
    low: float = Field(0.25, gt=0, le=1, description="width of a low-capacity module as a share of what its link sends on")
    high: float = Field(1.5, gt=0, le=8, description="width of a high-capacity module as a share of what its link sends on")
    identity: bool = Field(False, description="whether a link may also be passed by a projection alone")
    stem: int = Field(16, ge=1, le=512, description="filters of the first convolution, which halves the image")

    def build(self, image: tuple[int, int, int], classes: int, *, every_lam: bool = False) -> Graph:
        g = Builder(image, every_lam=every_lam)
        before, channels = g.add("stem", conv(image[0], self.stem, stride=2), g.input), self.stem
        options = ("pass", "low", "high") if self.identity else ("low", "high")
        for link, width in enumerate(self.links, start=1):
            probe = g.add(f"probe {link}", classifier(channels, classes), before)
            g.output(f"y{link}", nn.Identity(), probe)
            gates = g.control(f"Q{link}", before, probe, options=options)
            picked = [g.add(f"{o} {link}", self._module(o, channels, width), before, when=w) for o, w in zip(options, gates, strict=True)]
            before = g.add(f"add {link}", Add(), *(Edge(one, 0.0) for one in picked))
            channels = width
        g.output("y", classifier(channels, classes), before)
        return g.build()

    def _module(self, option: str, channels: int, width: int) -> nn.Module:
        if option == "pass":
            return nn.Sequential(nn.AvgPool2d(2, ceil_mode=True), nn.Conv2d(channels, width, 1, bias=False))
        inner = max(round(width * (self.low if option == "low" else self.high)), 1)
        return convs(channels, inner, width, stride=2)
