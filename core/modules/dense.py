"""The layers of a multi-scale dense network at one scale (Huang et al., ICLR 2018, section 4, arXiv 1703.09844)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from core.modules.layers import Norm, conv


@dataclass(frozen=True)
class ScaleWidth:
    """The widths of a scale: its channels before a block, the channels that each layer adds, and the factor of its bottlenecks."""

    channels: int
    growth: int
    factor: int


class DenseScale(nn.Module):
    """Consecutive layers at one scale, each of which sees all features of its scale so far: (B, C, H, W) to (B, C + layers · growth, H, W).

    With a finer scale, half of a layer's new features are convolved from that scale with stride 2, from what it held before the layer. Its
    features come with those of later layers behind them, (B, C', 2H, 2W), and a layer reads as many channels as it may see.
    """

    def __init__(self, layers: int, own: ScaleWidth, finer: ScaleWidth | None = None) -> None:
        super().__init__()
        filters = own.growth if finer is None else own.growth // 2
        self.same = nn.ModuleList(bottleneck(own.channels + number * own.growth, filters, own.factor) for number in range(layers))
        self.visible: list[int] = []
        self.down = nn.ModuleList()
        if finer is not None:
            self.visible = [finer.channels + number * finer.growth for number in range(layers)]
            self.down.extend(bottleneck(channels, filters, finer.factor, stride=2) for channels in self.visible)

    def forward(self, features: Tensor, *finer: Tensor) -> Tensor:
        for number, same in enumerate(self.same):
            added = [self.down[number](one[:, : self.visible[number]]) for one in finer]
            features = torch.cat([features, *added, same(features)], dim=1)
        return features


def pointwise(channels: int, filters: int) -> nn.Sequential:
    """Return a 1×1 convolution, batch norm and ReLU: (B, channels, H, W) to (B, filters, H, W)."""
    return nn.Sequential(nn.Conv2d(channels, filters, 1, bias=False), Norm(filters), nn.ReLU(inplace=True))


def bottleneck(channels: int, filters: int, factor: int, stride: int = 1) -> nn.Sequential:
    """Return a 1×1 convolution to at most factor · filters channels, and a 3×3 convolution with the stride."""
    inner = min(channels, factor * filters)
    return nn.Sequential(pointwise(channels, inner), conv(inner, filters, stride))
