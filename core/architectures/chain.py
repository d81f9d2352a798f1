"""Chain: links in which a controller picks one of several modules; the paths merge again behind each (Liu & Deng, AAAI 2018, section 5).

The modules that were not picked send the default 0 to the node that adds them up, so that there are exponentially many routes.
Differs from the paper: with `controller_sees` = "answer" (the default here) a small network, the scout, answers first. Every link adds to
that answer what a linear classifier makes of its features, and each controller sees the answer so far. "features" is the published
form, where controllers see features alone and only the end of the chain answers. A link may also be passed by a projection alone.
Reconstructed: the sizes, which are options.
"""

from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from core import bibliography
from core.architectures import Architecture, Widths
from core.graph.builder import Builder
from core.graph.graph import Graph
from core.graph.node import Edge
from core.modules.layers import Add, Refined, classifier, conv, convs, pyramid

Alternatives = Annotated[tuple[Literal["identity", "low", "high"], ...], Field(min_length=2)]


class Chain(Architecture):
    """One of several modules at each link, and paths that merge."""

    papers = (bibliography.D2NN,)
    name: Literal["chain"] = "chain"
    links: Widths = Field((32, 64, 128), description="filters that each link sends on; every link halves the map")
    alternatives: Alternatives = Field(
        ("low", "high"), description="what a controller picks from, cheap ones first; identity is a projection alone"
    )
    low: float = Field(0.06, gt=0, le=1, description="width of a low-capacity module as a share of what its link sends on")
    high: float = Field(1.5, gt=0, le=8, description="width of a high-capacity module as a share of what its link sends on")
    stem: int = Field(16, ge=1, le=512, description="filters of the first convolution, which halves the image")
    scout: Widths = Field((16, 32, 32), description="filters of the scout's convolutions; the map halves where they grow")
    controller_sees: Literal["features", "answer"] = Field(
        "answer", description="features: those of the chain, as published; answer: also that of a scout, which each link makes better"
    )

    def build(self, image: tuple[int, int, int], classes: int, *, every_lam: bool = False) -> Graph:
        g = Builder(image, every_lam=every_lam)
        before, channels = g.add("stem", conv(image[0], self.stem, stride=2), g.input), self.stem
        answer: tuple[str, ...] = ()
        if self.controller_sees == "answer":
            scout = g.add("scout", pyramid(self.stem, *self.scout), before)
            answer = (g.add("answer 0", classifier(self.scout[-1], classes), scout),)
            g.output("y0", nn.Identity(), *answer)
        for link, width in enumerate(self.links, start=1):
            gates = g.control(f"Q{link}", before, *answer, options=self.alternatives)
            modules = ((option, self._module(option, channels, width), gate) for option, gate in zip(self.alternatives, gates, strict=True))
            picked = [g.add(f"{option} {link}", module, before, when=gate) for option, module, gate in modules]
            before = g.add(f"add {link}", Add(), *(Edge(one, 0.0) for one in picked))
            channels = width
            if answer:
                answer = (g.add(f"answer {link}", Refined(channels, classes), before, *answer),)
                g.output(f"y{link}", nn.Identity(), *answer)
        if not answer:
            g.output("y", classifier(channels, classes), before)
        return g.build()

    def _module(self, option: str, channels: int, width: int) -> nn.Module:
        if option == "identity":
            return nn.Sequential(nn.AvgPool2d(2, ceil_mode=True), nn.Conv2d(channels, width, 1, bias=False))
        inner = max(round(width * (self.low if option == "low" else self.high)), 1)
        return convs(channels, inner, width, stride=2)
