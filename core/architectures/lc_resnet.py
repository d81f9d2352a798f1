"""LC-Net on ResNets: L-Net skips and scales blocks, C-Net skips and scales channels.

Papers: Xia et al., 2021 (arXiv 2007.15151); He et al., CVPR 2016 (arXiv 1512.03385).
With `channel_order` = "nested" an image runs the first channels of a block (core/modules/nested.py). With `gates_see` = "answer" a small
network answers first, and the gate networks see its answer (scouted.py).

Each residual block has one gate network, which sees the input of the block. Its first gate is the block's: if its score is not above zero,
only the shortcut remains. The other gates are those of the channels inside the block. Either kind can be left out.
Differs from the paper: with `gates_of` = "group" one gate network sees the input of a group and decides for all its blocks, which takes
less time. The scales of open channel gates are clamped, and block gates learn slower than channel gates (core/modules/gate_network.py).
Reconstructed: that a block's gates see the block's input, and that the channels with gates are those inside a block.
"""

import re
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Literal

import torch
from pydantic import AliasChoices, Field, model_validator
from torch import Tensor

from core import bibliography
from core.architectures.imagenet import absorb_colours
from core.architectures.scouted import Scouted
from core.graph.builder import Builder
from core.graph.graph import Graph
from core.graph.node import ChannelGate, Edge, Gate
from core.graph.weight_file import CheckpointError
from core.modules.gate_network import GateNetwork
from core.modules.layers import Join, Stem, classifier
from core.modules.nested import NestedBranch
from core.modules.residual import Branch
from core.registry import Decides

Gates = tuple[tuple[Gate, ...], ChannelGate | None]  # the gate of a block, and those of the channels inside it
IMAGENET = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}  # blocks of each group
CIFAR_GROUPS = 3
EXPANSION = 4  # output filters of a bottleneck block per inner filter; depths 50 and 101 have such blocks
PUBLISHED = re.compile(r"layer(\d)\.(\d+)\.(conv\d|bn\d|downsample)\.(.+)")
STEM, STEM_MEAN = "parts.stem.conv1.weight", "parts.stem.bn1.running_mean"


class LCResNet(Scouted):
    """A ResNet whose gates skip blocks and channels, for each image anew."""

    title = "LC-Net on a ResNet"
    papers = (bibliography.LCNET, bibliography.RESNET, bibliography.SLIMMABLE)
    name: Literal["lc_resnet"] = "lc_resnet"
    depth: int = Field(
        20, ge=8, le=200, title="Depth (layers)", description="Layers: 6n + 2 for CIFAR's three groups; 18, 34, 50 or 101 for ImageNet"
    )
    images: Literal["cifar", "imagenet"] = Field(
        "cifar",
        title="ResNet family",
        json_schema_extra={"labels": {"cifar": "CIFAR (small images)", "imagenet": "ImageNet (large images)"}},
        description="Family: cifar (three groups, small images) or imagenet (four groups, large images)",
    )
    width: int = Field(
        0,
        ge=0,
        le=512,
        title="Filters of the first group",
        description="Filters of the first group, doubled in each later group (0: 16 for CIFAR, 64 for ImageNet)",
    )
    widths: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field(
        (),
        max_length=5,
        title="Filters of each group",
        description="Filters of each group of a CIFAR ResNet; every group but the first halves the map (empty: derived from width)",
    )
    layers: bool = Field(True, title="Gate blocks", description="Gate whole blocks (L-Net)")
    channels: bool = Field(True, title="Gate channels", description="Gate the channels inside blocks (C-Net)")
    gates_of: Literal["block", "group"] = Field(
        "block",
        title="Scope of a gate network",
        json_schema_extra={"labels": {"block": "One block", "group": "All blocks of a group"}},
        description="Scope of one gate network: a block, or all blocks of a group from the group's input, which is faster",
    )
    hidden: int = Field(16, ge=1, le=1024, title="Hidden units of a gate network", description="Hidden units of each gate network")
    min_scale: float = Field(
        0.5,
        validation_alias=AliasChoices("min_scale", "least_scale"),
        ge=0,
        le=1,
        title="Smallest scale of an open channel gate",
        description="Clamp the scale of open channel gates to [m, 2 − m] (0: no clamping)",
    )
    layer_gate_lr: float = Field(
        0.1,
        validation_alias=AliasChoices("layer_gate_lr", "layer_rate"),
        gt=0,
        le=1,
        title="Learning rate of block gates (multiplier)",
        description="Learning-rate multiplier of block gates where channels are gated too",
    )

    @model_validator(mode="after")
    def _known(self) -> "LCResNet":
        if self.images == "imagenet" and self.depth not in IMAGENET:
            raise ValueError(f"the depth of an ImageNet ResNet must be {', '.join(map(str, IMAGENET))}, not {self.depth}")
        if self.widths and (self.width or self.images == "imagenet"):
            raise ValueError(f"widths is for CIFAR's ResNets, in place of width: leave out {'width' if self.width else 'widths'}")
        if list(self.widths) != sorted(self.widths):
            raise ValueError(f"no group of widths has fewer filters than the one before; not {', '.join(map(str, self.widths))}")
        if self.images == "cifar" and (self.depth - 2) % (each := 2 * self._groups):
            some = ", ".join(str(each * blocks + 2) for blocks in range(1, 7) if each * blocks + 2 >= 8)
            raise ValueError(f"CIFAR's ResNets of {self._groups} groups are {each}n + 2 deep: {some} and so on; not {self.depth}")
        return self

    @property
    def _groups(self) -> int:
        """How many groups a CIFAR ResNet has."""
        return len(self.widths) or CIFAR_GROUPS

    @property
    def _blocks(self) -> tuple[int, ...]:
        """How many blocks each group has."""
        return IMAGENET[self.depth] if self.images == "imagenet" else ((self.depth - 2) // (2 * self._groups),) * self._groups

    @property
    def _bottleneck(self) -> bool:
        """Whether its blocks have three convolutions, the first and last of which change the number of channels."""
        return self.images == "imagenet" and self.depth >= 50

    @property
    def decides(self) -> Decides:
        return "each" if self.layers or self.channels or self.scout_exit else None

    def own_weights(self, published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the weights of a ResNet under the names of this graph, from torchvision's names (`layer1.0.conv1.weight` and so on).

        Published ImageNet weights expect images normalised by MEAN and DEVIATION. The first convolution and its batch norm are changed to
        make up for it, exactly but for the border, which is padded with grey instead of the mean colour.
        Raises CheckpointError if the weights belong to another depth.
        """
        own = {_own_name(name): tensor for name, tensor in published.items()}
        known = [found.groups() for name in published if (found := PUBLISHED.fullmatch(name))]
        theirs = Counter(group for group, _ in {(group, number) for group, number, *_ in known})
        blocks = [theirs[group] for group in sorted(theirs)]
        if blocks and blocks != list(self._blocks):
            given, own_blocks = (", ".join(map(str, some)) for some in (blocks, self._blocks))
            raise CheckpointError(f"these weights are of another depth: their groups have {given} blocks, this network's {own_blocks}")
        if known and (theirs_have_three := any(part == "conv3" for *_, part, _ in known)) != self._bottleneck:
            of = ("bottleneck blocks of three convolutions, as in ResNet-50", "blocks of two convolutions, as in ResNet-18")
            theirs_of, own_of = of if theirs_have_three else of[::-1]
            raise CheckpointError(f"these weights are of {theirs_of}, this network has {own_of}: choose the depth that they belong to")
        return absorb_colours(own, STEM, STEM_MEAN) if self.images == "imagenet" else own

    def build(self, image: tuple[int, int, int], classes: int, *, every_lam: bool = False) -> Graph:
        g = Builder(image, every_lam=every_lam)
        large = self.images == "imagenet"
        blocks = self._blocks
        first = self.width or (64 if large else 16)
        widths = self.widths or tuple(first * 2**group for group in range(len(blocks)))
        expansion = EXPANSION if self._bottleneck else 1
        go_on = self.add_scout(g, classes, self.hidden)
        before, channels = g.add("stem", Stem(image[0], widths[0], large), g.input, when=go_on), widths[0]
        for group, (inner, count) in enumerate(zip(widths, blocks, strict=True), start=1):
            filters = inner * expansion
            strides = [2 if group > 1 and not number else 1 for number in range(count)]
            branches = {
                f"{group}-{number}": self._branch(channels if number == 1 else filters, inner, stride)
                for number, stride in enumerate(strides, start=1)
            }
            gates = {} if self.gates_of == "block" else self._gates(g, f"Q{group}", before, branches)
            for (name, branch), stride in zip(branches.items(), strides, strict=True):
                gates |= self._gates(g, f"Q{name}", before, {name: branch}) if self.gates_of == "block" else {}
                when, within = gates[name]
                sent = g.add(f"block {name}", branch, before, when=when, channels=within)
                before = g.add(f"add {name}", Join(channels, filters, stride, projection=large), before, Edge(sent, 0.0))
                channels = filters
        g.output("y", classifier(channels, classes), before)
        return g.build()

    def _branch(self, channels: int, inner: int, stride: int) -> Branch:
        filters: tuple[int, ...] = (inner, inner)
        kernels: tuple[int, ...] = (3, 3)
        strides: tuple[int, ...] = (stride, 1)
        if self._bottleneck:
            filters, kernels, strides = (inner, inner, inner * EXPANSION), (1, 3, 1), (1, stride, 1)
        if self.nested:
            return NestedBranch(channels, filters, kernels, strides, self.granule, self.width_steps)
        return Branch(channels, filters, kernels, strides)

    def _gates(self, g: Builder, control: str, before: str, branches: Mapping[str, Branch]) -> dict[str, Gates]:
        """Add a control node for some blocks and return the gates of each block; without gated parts no node is added."""
        options: list[str] = []
        layers, channels = dict[str, int](), dict[str, ChannelGate]()
        for name, branch in branches.items():
            of = f" {name}" if len(branches) > 1 else ""
            if self.layers:
                layers[name] = len(options)
                options.append(f"block{of}")
            if self.channels:
                channels[name] = ChannelGate(control, len(options), branch.count, self.nested)
                options += _channel_names(branch, of)
        if not options:
            return dict.fromkeys(branches, ((), None))
        of_layers = torch.zeros(len(options), dtype=torch.bool)  # (gates,)
        of_layers[list(layers.values())] = True
        least = torch.where(of_layers, 0.0, self.min_scale) if self.channels and self.min_scale else None
        rates = torch.where(of_layers, self.layer_gate_lr, 1.0) if self.layers and self.channels and self.layer_gate_lr < 1 else None
        observed = self.observed(before)
        seen, nested = [g.shapes[observed]], tuple(one.columns for one in channels.values()) if self.nested else ()
        part = GateNetwork(seen, len(options), hidden=self.hidden, every_lam=g.every_lam, least=least, rates=rates, nested=nested)
        gates = g.control(control, observed, options=options, part=part, decides="each")
        return {name: ((gates[layers[name]],) if self.layers else (), channels.get(name)) for name in branches}


def _channel_names(branch: Branch, of: str) -> list[str]:
    """Return the names of a branch's channel gates. `of`: the block in words, if the gate network decides for several."""
    if not isinstance(branch, NestedBranch):
        return [f"channel{of} {channel}" for channel in range(1, branch.count + 1)]
    return [f"channels{of} {start + 1}–{end}" for start, end in pairwise((0, *branch.ends))]


def _own_name(published: str) -> str:
    if known := PUBLISHED.fullmatch(published):
        group, number, part, rest = known.groups()
        node = "add" if part == "downsample" else "block"
        return f"parts.{node} {group}-{int(number) + 1}.{part}.{rest}"
    if published.startswith("fc."):
        return f"parts.y.2.{published.removeprefix('fc.')}"
    return f"parts.stem.{published}" if published.startswith(("conv1.", "bn1.")) else published
