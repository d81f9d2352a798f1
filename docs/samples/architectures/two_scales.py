"""Two scales: a small network reads the image at half its size, and a controller decides whether to read it in full."""

from typing import Literal

from pydantic import Field
from torch import nn

from core.architectures import Architecture
from core.graph.builder import Builder
from core.graph.graph import Graph
from core.modules.layers import Refined, classifier, convs


class TwoScales(Architecture):
    """A glance first, a closer look where it is worth its cost."""

    name: Literal["two_scales"] = "two_scales"
    glance: int = Field(8, ge=1, le=512, description="Filters of the network that reads the image at half its size")
    look: int = Field(32, ge=1, le=512, description="Filters of the network that reads the image in full")

    def build(self, image: tuple[int, int, int], classes: int, *, every_lam: bool = False) -> Graph:
        g = Builder(image, every_lam=every_lam)
        glance = g.add("glance", nn.Sequential(nn.AvgPool2d(2), convs(image[0], self.glance, self.glance)), g.input)
        answer = g.add("answer", classifier(self.glance, classes), glance)
        g.output("y glance", nn.Identity(), answer)
        _, closer = g.control("Q", glance, answer, options=("stop", "look closer"))
        look = g.add("look", convs(image[0], self.look, self.look, stride=2), g.input, when=closer)
        g.output("y look", Refined(self.look, classes), look, answer)
        return g.build()
