"""Chain: links in each of which a controller picks one of several modules; the paths merge again behind each link.

Paper: Liu & Deng, AAAI 2018, section 5 (arXiv 1701.00299).

A module that was not picked sends the default 0 to the node that adds up the paths. So the number of routes grows exponentially with the
number of links.
Differs from the paper: with `controller_sees` = "answer" (the default here) a small network, the scout, answers first. Every link adds a
linear classifier's scores of its features to that answer, and each controller sees the answer so far. "features" is the published form, in
which controllers see features only and the end of the chain gives the answer. Beyond the paper, a link's cheapest module can be a
projection ("identity").
Reconstructed: the sizes, which are options.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

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
    """Links in a row: in each, a controller picks one of several modules, and their paths merge again."""

    title = "Chain of alternative modules"
    papers = (bibliography.D2NN_PAPER,)
    as_published: ClassVar[Mapping[str, Any]] = {"controller_sees": "features"}
    name: Literal["chain"] = "chain"
    links: Widths = Field(
        (32, 64, 128), title="Filters of each link", description="Filters of each link's output; every link halves the map"
    )
    alternatives: Alternatives = Field(
        ("low", "high"),
        title="Alternatives of each link",
        description="Modules that a controller picks from, the cheapest first; identity: pooling and a 1×1 projection",
    )
    low: float = Field(
        0.06,
        gt=0,
        le=1,
        title="Width of low modules (fraction)",
        description="Width of a low-capacity module, as a fraction of its link's filters",
    )
    high: float = Field(
        1.5,
        gt=0,
        le=8,
        title="Width of high modules (multiple)",
        description="Width of a high-capacity module, as a multiple of its link's filters",
    )
    stem: int = Field(16, ge=1, le=512, title="Filters of the stem", description="Filters of the first convolution, which halves the image")
    scout: Widths = Field(
        (16, 32, 32),
        title="Filters of the scout",
        description="Filters of the scout; the first convolution and each that has more filters halve the map",
    )
    controller_sees: Literal["features", "answer"] = Field(
        "answer",
        title="Controller input",
        json_schema_extra={"labels": {"features": "Features (as published)", "answer": "Features and answer"}},
        description="What controllers see: the chain's features (as published); or also the scout's answer, which links improve",
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
            before = g.add(f"add {link}", Add(), *(Edge(module, 0.0) for module in picked))
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
