"""LC-Net on ResNets: blocks skipped and scaled by L-Net, channels by C-Net (Xia et al., 2021; He et al., CVPR 2016).

Each residual block has one gate network that sees what comes into the block. Its first gate is the block's: at or below zero only the
shortcut remains. The others are those of the channels inside the block. Either kind can be left out.
Differs from the paper: none that is known.
Reconstructed: that the gates of a block come from what enters it, and which channels have gates: those inside a block.
"""

import re
from typing import Literal

import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from core.architectures import Architecture
from core.network.branch import Branch
from core.network.builder import Builder
from core.network.gate_network import GateNetwork
from core.network.graph import Graph
from core.network.layers import Norm, classifier
from core.network.node import ChannelGate, Edge, Gate
from core.registry import Decides

IMAGENET = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}  # blocks of each group
EXPANSION = 4  # of bottleneck blocks, which the deeper two have


class Join(nn.Module):
    """What enters a block, brought to its shape, and what its branch sends, added up, and ReLU."""

    def __init__(self, channels: int, filters: int, stride: int, projection: bool) -> None:
        """`projection`: a 1×1 convolution where the shape changes; otherwise pixels are dropped and channels padded with zero."""
        super().__init__()
        self.stride, self.more = stride, filters - channels
        changed = stride > 1 or filters != channels
        self.downsample = (
            nn.Sequential(nn.Conv2d(channels, filters, 1, stride, bias=False), Norm(filters)) if projection and changed else None
        )

    def forward(self, x: Tensor, branch: Tensor) -> Tensor:
        if self.downsample is not None:
            return F.relu(self.downsample(x) + branch)
        short = x if self.stride == 1 else x[:, :, :: self.stride, :: self.stride]
        if self.more:
            short = F.pad(short, (0, 0, 0, 0, self.more // 2, self.more - self.more // 2))
        return F.relu(short + branch)


class LCResNet(Architecture):
    """A ResNet whose blocks and channels are gated for each image."""

    name: Literal["lc_resnet"] = "lc_resnet"
    depth: int = Field(20, ge=8, le=200, description="layers: 6n + 2 for CIFAR; 18, 34, 50 or 101 for ImageNet")
    images: Literal["cifar", "imagenet"] = Field("cifar", description="which family: three groups on small images, or four on large ones")
    width: int = Field(0, ge=0, le=512, description="filters of the first group; 0: 16 for CIFAR, 64 for ImageNet")
    layers: bool = Field(True, description="gates of whole blocks, L-Net")
    channels: bool = Field(True, description="gates of the channels inside blocks, C-Net")
    hidden: int = Field(16, ge=1, le=1024, description="hidden units of each gate network")

    @model_validator(mode="after")
    def _known(self) -> "LCResNet":
        if self.images == "imagenet" and self.depth not in IMAGENET:
            raise ValueError(f"ImageNet's ResNets here are {', '.join(map(str, IMAGENET))} deep, not {self.depth}")
        if self.images == "cifar" and (self.depth - 2) % 6:
            raise ValueError(f"CIFAR's ResNets are 6n + 2 deep: 8, 14, 20, 32, 38, 56, 110; not {self.depth}")
        return self

    @property
    def decides(self) -> Decides:
        return "each" if self.layers or self.channels else None

    def own_name(self, published: str) -> str:
        """For ResNets as torchvision names their weights, `layer1.0.conv1.weight` and so on."""
        if known := re.fullmatch(r"layer(\d)\.(\d+)\.(conv\d|bn\d|downsample)\.(.+)", published):
            group, number, part, rest = known.groups()
            node = "add" if part == "downsample" else "block"
            return f"parts.{node} {group}-{int(number) + 1}.{part}.{rest}"
        if published.startswith("fc."):
            return f"parts.y.2.{published.removeprefix('fc.')}"
        return f"parts.stem.{published}" if published.startswith(("conv1.", "bn1.")) else published

    def build(self, image: tuple[int, int, int], classes: int, *, every_lam: bool = False) -> Graph:
        g = Builder(image, every_lam=every_lam)
        large = self.images == "imagenet"
        width = self.width or (64 if large else 16)
        blocks = IMAGENET[self.depth] if large else ((self.depth - 2) // 6,) * 3
        expansion = EXPANSION if large and self.depth >= 50 else 1
        before, channels = g.add("stem", _Stem(image[0], width, large), g.input), width
        for group, count in enumerate(blocks):
            inner = width * 2**group
            for number in range(count):
                stride = 2 if group and not number else 1
                name = f"{group + 1}-{number + 1}"
                filters = inner * expansion
                branch = _branch(channels, inner, stride, bottleneck=expansion > 1)
                when, within = self._gates(g, f"Q{name}", before, branch.count)
                sent = g.add(f"block {name}", branch, before, when=when, channels=within)
                before = g.add(f"add {name}", Join(channels, filters, stride, projection=large), before, Edge(sent, 0.0))
                channels = filters
        g.output("y", classifier(channels, classes), before)
        return g.build()

    def _gates(self, g: Builder, name: str, before: str, inside: int) -> tuple[tuple[Gate, ...], ChannelGate | None]:
        """A block's gates and the node that decides them; none where nothing is gated."""
        count = self.layers + inside * self.channels
        if not count:
            return (), None
        options = ("block",) * self.layers + tuple(f"channel {channel}" for channel in range(1, inside + 1)) * self.channels
        part = GateNetwork([g.shapes[before]], count, hidden=self.hidden, every_lam=g.every_lam)
        gates = g.control(name, before, options=options, part=part, decides="each")
        return (gates[:1] if self.layers else ()), (ChannelGate(name, int(self.layers), inside) if self.channels else None)


class _Stem(nn.Module):
    """The first convolution, and for large images a pooling."""

    def __init__(self, channels: int, filters: int, large: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, filters, 7 if large else 3, 2 if large else 1, 3 if large else 1, bias=False)
        self.bn1 = Norm(filters)
        self.large = large

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        return F.max_pool2d(x, 3, 2, 1) if self.large else x


def _branch(channels: int, inner: int, stride: int, *, bottleneck: bool) -> Branch:
    if bottleneck:
        return Branch(channels, (inner, inner, inner * EXPANSION), (1, 3, 1), (1, stride, 1))
    return Branch(channels, (inner, inner), (3, 3), (stride, 1))
