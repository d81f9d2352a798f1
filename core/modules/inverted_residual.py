"""The inverted residual block of MobileNetV2 (Sandler et al., CVPR 2018, section 3, arXiv 1801.04381)."""

import torch.nn.functional as F
from torch import Tensor, nn

from core.modules.layers import Norm


class ConvNorm(nn.Module):
    """Convolve, normalise and, unless `activation` is none, activate: (B, channels, H, W) to (B, filters, H / stride, W / stride)."""

    def __init__(self, channels: int, filters: int, kernel: int, stride: int = 1, groups: int = 1, activation: str = "none") -> None:
        """`activation`: relu, relu6 or none."""
        super().__init__()
        self.conv = nn.Conv2d(channels, filters, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = Norm(filters)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn(self.conv(x))
        if self.activation == "none":
            return x
        return F.relu(x) if self.activation == "relu" else F.relu6(x)


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project: (B, channels, H, W) to (B, filters, H / stride, W / stride).

    The input is added where the stride is 1 and the number of channels stays.
    """

    def __init__(self, channels: int, filters: int, stride: int, expansion: int, activation: str = "relu") -> None:
        """`expansion`: hidden channels as a multiple of `channels`; 0 leaves the expanding convolution out."""
        super().__init__()
        hidden = channels * max(expansion, 1)
        self.adds = stride == 1 and channels == filters
        self.expand = ConvNorm(channels, hidden, 1, activation=activation) if expansion else None
        self.depthwise = ConvNorm(hidden, hidden, 3, stride, groups=hidden, activation=activation)
        self.project = ConvNorm(hidden, filters, 1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = x if self.expand is None else self.expand(x)
        sent: Tensor = self.project(self.depthwise(hidden))
        return x + sent if self.adds else sent
