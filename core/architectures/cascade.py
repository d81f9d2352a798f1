"""Cascade: stages from small to large, with an early exit after each stage but the last.

Paper: Liu & Deng, AAAI 2018, section 5 (arXiv 1701.00299).

Each stage has a trunk (N1, N3, N5, N7), which the next stage builds on, and a head (N2, N4, N6, N8) with a classifier of its own. After
each stage but the last, a controller stops or continues.
Differs from the paper: with `controller_sees` = "answer" (the default here) a stage's head always runs, and the controller judges the
head's answer. "features" is the published form, in which the controller sees the trunk and picks the head or the next stage.
Reconstructed: the sizes, which are options. The last stage has a head too.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator
from torch import nn

from core import bibliography
from core.architectures import Architecture, Widths
from core.graph.builder import Builder
from core.graph.graph import Graph
from core.graph.node import Gate
from core.modules.layers import classifier, convs


class Cascade(Architecture):
    """Stages from small to large: an easy image gets its answer from an early stage."""

    title = "Cascade with early exits"
    papers = (bibliography.D2NN_PAPER,)
    as_published: ClassVar[Mapping[str, Any]] = {"controller_sees": "features"}
    name: Literal["cascade"] = "cascade"
    trunk: Widths = Field(
        (8, 16, 32, 64), title="Filters of each trunk", description="Filters of each stage's trunk; the first three trunks halve the map"
    )
    head: Widths = Field(
        (8, 16, 32, 64),
        title="Filters of each head",
        description="Filters of each stage's head, which halves the map; one number per stage",
    )
    depth: int = Field(1, ge=1, le=8, title="Convolutions per trunk and head", description="Convolutions in each trunk and in each head")
    controller_sees: Literal["features", "answer"] = Field(
        "answer",
        title="Controller input",
        json_schema_extra={"labels": {"features": "Features (as published)", "answer": "Features and answer"}},
        description="What the controllers see: the trunk's features, to pick head or next stage (as published); or the head's answer",
    )

    @model_validator(mode="after")
    def _as_many(self) -> "Cascade":
        if len(self.trunk) != len(self.head):
            raise ValueError(f"trunk has {len(self.trunk)} stages and head has {len(self.head)}: give both the same number")
        return self

    @property
    def early_exits(self) -> bool:
        return self.controller_sees == "answer"

    def build(self, image: tuple[int, int, int], classes: int, *, every_lam: bool = False) -> Graph:
        g = Builder(image, every_lam=every_lam)
        before, channels = g.input, image[0]
        go_on: tuple[Gate, ...] = ()
        for stage, (width, head_width) in enumerate(zip(self.trunk, self.head, strict=True), start=1):
            trunk = g.add(f"N{2 * stage - 1}", convs(channels, *[width] * self.depth, stride=2 if stage <= 3 else 1), before, when=go_on)
            last = stage == len(self.trunk)
            if self.controller_sees == "features" and not last:
                stop, further = g.control(f"Q{stage}", trunk, options=("stop", "go on"))
                go_on = (further,)
                head = g.add(f"N{2 * stage}", convs(width, *[head_width] * self.depth, stride=2), trunk, when=stop)
            else:
                head = g.add(f"N{2 * stage}", convs(width, *[head_width] * self.depth, stride=2), trunk)
            answer = g.add(f"answer {stage}", classifier(head_width, classes), head)
            if self.controller_sees == "answer" and not last:
                go_on = g.control(f"Q{stage}", head, answer, options=("stop", "go on"))[1:]
            g.output(f"y{stage}", nn.Identity(), answer)
            before, channels = trunk, width
        return g.build()
