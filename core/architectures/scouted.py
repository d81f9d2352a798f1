"""The base of gated architectures whose channels can be nested and whose gate networks can see the answer of a small network, the scout.

Papers: Yu & Huang, ICCV 2019 (arXiv 1903.05134) for nested channels; Liu & Deng, AAAI 2018 (arXiv 1701.00299) for deciding by an answer.

The scout is the network of the architecture `mobile` at its defaults, 7.4 M multiply-adds for images of 32×32. It is not trained along:
`training.init_nodes` names its weights. Its cost counts, like that of a gate network, but not as a part of the static network.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from pydantic import Field
from torch import nn

from core.architectures import Architecture
from core.architectures.mobile import Mobile
from core.architectures.model_cascade import Member
from core.graph.builder import Builder
from core.graph.node import Gate
from core.modules.gate_network import GateNetwork

SCOUT = "scout"  # the name of its node


class Scouted(Architecture):
    """The options of nested channels and of the scout, and what they add to a graph."""

    channel_order: Literal["free", "nested"] = Field(
        "free",
        title="Choice of channels",
        json_schema_extra={"labels": {"free": "Any channels", "nested": "The first channels"}},
        description="Which channels of a block an image runs: any (free), or the first ones, as many as its gates open (nested), which "
        "saves time as well",
    )
    granule: Literal[8, 16, 32] = Field(
        16,
        title="Granule of nested channels",
        json_schema_extra={"labels": {str(size): f"{size} channels" for size in (8, 16, 32)}},
        description="nested: the channels of each group are a multiple of this",
    )
    width_steps: int = Field(
        4, ge=2, le=16, title="Widths of nested channels", description="nested: widths that a block can run at, in even steps"
    )
    gates_see: Literal["features", "answer"] = Field(
        "features",
        title="Input of gate networks",
        json_schema_extra={"labels": {"features": "Feature maps", "answer": "The answer of a small network"}},
        description="Input of the gate networks: feature maps, or the answer of a small network that runs first (the scout)",
    )
    scout_exit: bool = Field(
        False, title="Let the scout's answer stand", description="Let a gate decide that the scout's answer stands and no block runs"
    )

    @property
    def nested(self) -> bool:
        """Whether channels are nested."""
        return self.channel_order == "nested"

    @property
    def has_scout(self) -> bool:
        """Whether a small network answers first."""
        return self.gates_see == "answer" or self.scout_exit

    @property
    def pretrained(self) -> Mapping[str, Architecture]:
        return {SCOUT: Mobile()} if self.has_scout else {}

    def member(self, image: tuple[int, int, int]) -> Member:
        """Return the description of the scout."""
        return Member(title=SCOUT, image=image, architecture=Mobile())

    def add_scout(self, g: Builder, classes: int, hidden: int) -> tuple[Gate, ...]:
        """Add the scout, if there is one, and return the gate of all that runs behind it, if its answer may stand."""
        if not self.has_scout:
            return ()
        channels, height, width = g.image
        scout = g.add(SCOUT, self.member((channels, height, width)).build(classes), g.input)
        if not self.scout_exit:
            return ()
        g.output("y0", nn.Identity(), scout)
        part = GateNetwork([(classes,)], 1, hidden=hidden, every_lam=g.every_lam, least=torch.ones(1))
        return g.control("Q0", scout, options=("go on",), part=part, decides="each")

    def observed(self, features: str) -> str:
        """Return the node that gate networks see in place of `features`, a node that sends feature maps."""
        return SCOUT if self.gates_see == "answer" else features
