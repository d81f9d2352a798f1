"""LC-Net on inverted residual blocks: gates skip blocks, and choose how many hidden channels of a block run.

Papers: Xia et al., 2021 (arXiv 2007.15151) for the gates; Sandler et al., CVPR 2018 (arXiv 1801.04381) for the blocks; Yu & Huang, ICCV
2019 (arXiv 1903.05134) for nested channels.

Each block that expands its channels has a gate network. Its gates open the first hidden channels, of the expanding, the depthwise and the
projecting convolution together. A block whose input is added to its output can be skipped as well.
Differs from LC-Net's paper: channels are nested, since a depthwise convolution gains nothing from leaving out channels here and there.
Its weights have the names of those of `mobile`, so a trained network of that architecture begins one of this (`training.init_from`).
"""

from itertools import pairwise
from typing import Literal

import torch
from pydantic import Field

from core import bibliography
from core.architectures.mobile import MobileShape
from core.architectures.scouted import Scouted
from core.graph.builder import Builder
from core.graph.graph import Graph
from core.graph.node import ChannelGate, Edge, Gate
from core.modules.gate_network import GateNetwork
from core.modules.inverted_residual import ConvNorm, InvertedResidual
from core.modules.layers import Add, classifier
from core.modules.nested import NestedInverted
from core.registry import Decides


class LCMobile(Scouted, MobileShape):
    """A MobileNetV2 whose gates skip blocks and choose widths, for each image anew."""

    title = "LC-Net on a MobileNetV2"
    papers = (bibliography.LCNET, bibliography.MOBILENET, bibliography.SLIMMABLE)
    name: Literal["lc_mobile"] = "lc_mobile"
    channel_order: Literal["nested"] = Field(
        "nested",
        title="Choice of channels",
        json_schema_extra={"labels": {"nested": "The first channels"}},
        description="Which hidden channels of a block an image runs: the first ones, as many as its gates open",
    )
    layers: bool = Field(True, title="Gate blocks", description="Gate whole blocks, where a block adds its input to its output")
    hidden: int = Field(16, ge=1, le=1024, title="Hidden units of a gate network", description="Hidden units of each gate network")

    @property
    def decides(self) -> Decides:
        return "each"

    def build(self, image: tuple[int, int, int], classes: int, *, every_lam: bool = False) -> Graph:
        g = Builder(image, every_lam=every_lam)
        go_on = self.add_scout(g, classes, self.hidden)
        stem = ConvNorm(image[0], self.stem, 3, self.stem_stride, activation=self.activation)
        before, channels = g.add("stem", stem, g.input, when=go_on), self.stem
        for name, filters, stride, expansion in self.blocks:
            if not expansion:
                before, channels = g.add(name, InvertedResidual(channels, filters, stride, 0, self.activation), before), filters
                continue
            branch = NestedInverted(channels, filters, stride, expansion, self.activation, self.granule, self.width_steps)
            when, within = self._gates(g, name, before, branch)
            sent = g.add(name, branch, before, when=when, channels=within)
            before = g.add(name.replace("block", "add"), Add(), before, Edge(sent, 0.0)) if branch.adds else sent
            channels = filters
        before = g.add("head", ConvNorm(channels, self.head, 1, activation=self.activation), before)
        g.output("y", classifier(self.head, classes), before)
        return g.build()

    def _gates(self, g: Builder, name: str, before: str, branch: NestedInverted) -> tuple[tuple[Gate, ...], ChannelGate]:
        """Add the control node of a block and return the block's gate, if it has one, and those of its channels."""
        skips = int(self.layers and branch.adds)
        control, observed = name.replace("block ", "Q"), self.observed(before)
        options = ["block"] * skips + [f"channels {start + 1}–{end}" for start, end in pairwise((0, *branch.ends))]
        within = ChannelGate(control, skips, branch.count, nested=True)
        least, seen = torch.ones(len(options)), [g.shapes[observed]]
        part = GateNetwork(seen, len(options), hidden=self.hidden, every_lam=g.every_lam, least=least, nested=(within.columns,))
        gates = g.control(control, observed, options=options, part=part, decides="each")
        return gates[:skips], within
