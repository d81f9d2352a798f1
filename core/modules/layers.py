"""The layers that the architectures share."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Constant(nn.Module):
    """The module of a dummy node: sends the same value for every image."""

    def __init__(self, value: Tensor) -> None:
        """`value`: the output for one image, of any shape."""
        super().__init__()
        self.value: Tensor
        self.register_buffer("value", value[None])

    def forward(self) -> Tensor:
        return self.value


class Add(nn.Module):
    """The sum of inputs of the same shape, where paths merge."""

    def forward(self, *inputs: Tensor) -> Tensor:
        return torch.stack(inputs).sum(dim=0) if len(inputs) > 2 else sum(inputs[1:], inputs[0])


class Norm(nn.BatchNorm2d):
    """Batch norm for gated rows. In training, a single value per channel is normalised by the running statistics."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training and x.numel() == x.shape[1]:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        return super().forward(x)


def conv(channels: int, filters: int, stride: int = 1) -> nn.Sequential:
    """Return a 3×3 convolution, batch norm and ReLU: (B, channels, H, W) to (B, filters, H / stride, W / stride)."""
    return nn.Sequential(nn.Conv2d(channels, filters, 3, stride=stride, padding=1, bias=False), Norm(filters), nn.ReLU(inplace=True))


def convs(channels: int, *filters: int, stride: int = 1) -> nn.Sequential:
    """Return 3×3 convolutions in sequence, the first of which has the stride."""
    widths = (channels, *filters)
    return nn.Sequential(*(conv(widths[i], widths[i + 1], stride if i == 0 else 1) for i in range(len(filters))))


def pyramid(channels: int, *filters: int) -> nn.Sequential:
    """Return 3×3 convolutions in sequence. The first halves the map, as does each with more filters than the one before."""
    widths = (channels, *filters)
    halves = [i == 0 or widths[i + 1] > widths[i] for i in range(len(filters))]
    return nn.Sequential(*(conv(widths[i], widths[i + 1], 1 + halves[i]) for i in range(len(filters))))


def classifier(features: int, classes: int) -> nn.Sequential:
    """Return a mean over the map and a linear layer with one score per class: (B, features, H, W) to (B, classes)."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(features, classes))


class Refined(nn.Module):
    """Adds the scores of a linear classifier on features (B, C, H, W) to an earlier answer (B, classes)."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.classifier = classifier(features, classes)

    def forward(self, features: Tensor, earlier: Tensor) -> Tensor:
        answer: Tensor = self.classifier(features)
        return answer + earlier


class Shortcut(nn.Module):
    """The shortcut of a residual block: (B, channels, H, W) to (B, filters, H / stride, W / stride).

    Where the shape changes, pixels are dropped and channels padded with zeros, or with `projection` a 1×1 convolution does both.
    """

    def __init__(self, channels: int, filters: int, stride: int, *, projection: bool = False) -> None:
        super().__init__()
        self.channels, self.stride, self.more = channels, stride, filters - channels
        changed = stride > 1 or filters != channels
        self.downsample = (
            nn.Sequential(nn.Conv2d(channels, filters, 1, stride, bias=False), Norm(filters)) if projection and changed else None
        )

    @property
    def idle(self) -> bool:
        """Whether the shortcut is the identity."""
        return self.downsample is None and self.stride == 1 and not self.more

    def shortcut(self, x: Tensor) -> Tensor:
        """Return the shortcut of x without the rest of the block."""
        if self.downsample is not None:
            projected: Tensor = self.downsample(x)
            return projected
        short = x if self.stride == 1 else x[:, :, :: self.stride, :: self.stride]
        return F.pad(short, (0, 0, 0, 0, self.more // 2, self.more - self.more // 2)) if self.more else short


class Residual(Shortcut):
    """A residual block of two 3×3 convolutions with batch norm: (B, channels, H, W) to (B, filters, H / stride, W / stride)."""

    def __init__(self, channels: int, filters: int, stride: int = 1) -> None:
        super().__init__(channels, filters, stride)
        self.first = conv(channels, filters, stride)
        self.second = nn.Sequential(nn.Conv2d(filters, filters, 3, padding=1, bias=False), Norm(filters))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.second(self.first(x)) + self.shortcut(x))


class Join(Shortcut):
    """The end of a residual block: ReLU of the sum of the shortcut and the branch."""

    def forward(self, x: Tensor, branch: Tensor) -> Tensor:
        return F.relu(self.shortcut(x) + branch)


class Stem(nn.Module):
    """The first convolution, followed by max pooling for large images."""

    def __init__(self, channels: int, filters: int, large: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, filters, 7 if large else 3, 2 if large else 1, 3 if large else 1, bias=False)
        self.bn1 = Norm(filters)
        self.large = large

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        return F.max_pool2d(x, 3, 2, 1) if self.large else x
