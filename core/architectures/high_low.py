"""High-low: a controller sends each image down a path of high or of low capacity.

Paper: Liu & Deng, AAAI 2018, section 5 (arXiv 1701.00299).

Differs from the paper: with `controller_sees` = "answer" (the default here) the low path always runs and the controller judges its
answer. The high path adds its scores to that answer. "features" is the published form, in which the controller sees the shared features
and picks one of the two paths.
Reconstructed: the sizes, which are options.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field
from torch import nn

from core import bibliography
from core.architectures import Architecture, Widths
from core.graph.builder import Builder
from core.graph.graph import Graph
from core.modules.layers import Refined, classifier, conv, pyramid


class HighLow(Architecture):
    """A small and a large path: one controller decides which images need the large one."""

    title = "High-low capacity"
    papers = (bibliography.D2NN_PAPER,)
    as_published: ClassVar[Mapping[str, Any]] = {"controller_sees": "features"}
    name: Literal["high_low"] = "high_low"
    stem: int = Field(
        16, ge=1, le=512, title="Filters of the stem", description="Filters of the shared first convolution, which halves the image"
    )
    low: Widths = Field(
        (24, 40, 40),
        title="Filters of the low path",
        description="Filters of the low path; the first convolution and each with more filters halve the map",
    )
    high: Widths = Field(
        (48, 48, 48, 96, 96, 96),
        title="Filters of the high path",
        description="Filters of the high path; the first convolution and each with more filters halve the map",
    )
    controller_sees: Literal["features", "answer"] = Field(
        "answer",
        title="Controller input",
        json_schema_extra={"labels": {"features": "Features (as published)", "answer": "Features and answer"}},
        description="What the controller sees: shared features, to pick a path (as published); or the low path's answer",
    )

    @property
    def early_exits(self) -> bool:
        return self.controller_sees == "answer"

    def build(self, image: tuple[int, int, int], classes: int, *, every_lam: bool = False) -> Graph:
        g = Builder(image, every_lam=every_lam)
        stem = g.add("stem", conv(image[0], self.stem, stride=2), g.input)
        low_path, high_path = self._path(self.low), self._path(self.high)
        if self.controller_sees == "features":
            take_low, take_high = g.control("Q", stem, options=("low", "high"))
            low = g.add("low", low_path, stem, when=take_low)
            g.output("y low", classifier(self.low[-1], classes), low)
        else:
            low = g.add("low", low_path, stem)
            answer = g.add("low answer", classifier(self.low[-1], classes), low)
            g.output("y low", nn.Identity(), answer)
            _, take_high = g.control("Q", low, answer, options=("stop", "go on"))
        high = g.add("high", high_path, stem, when=take_high)
        if self.controller_sees == "features":
            g.output("y high", classifier(self.high[-1], classes), high)
        else:
            g.output("y high", Refined(self.high[-1], classes), high, answer)
        return g.build()

    def _path(self, widths: tuple[int, ...]) -> nn.Module:
        return pyramid(self.stem, *widths)
