"""The modules that the architectures are made of."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Constant(nn.Module):
    """What a dummy node sends: the same value for every image."""

    def __init__(self, value: Tensor) -> None:
        """`value`: what is sent for one image, of any shape."""
        super().__init__()
        self.value: Tensor
        self.register_buffer("value", value[None])

    def forward(self) -> Tensor:
        return self.value


class Add(nn.Module):
    """The sum of its inputs, all of one shape: where paths merge."""

    def forward(self, *inputs: Tensor) -> Tensor:
        return torch.stack(inputs).sum(dim=0) if len(inputs) > 2 else sum(inputs[1:], inputs[0])


class Norm(nn.BatchNorm2d):
    """Batch norm that can be trained on whatever rows a gate lets through: one value per channel is normalised by the running figures."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training and x.numel() == x.shape[1]:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        return super().forward(x)


def conv(channels: int, filters: int, stride: int = 1) -> nn.Sequential:
    """A 3×3 convolution, batch norm and ReLU: (B, channels, H, W) to (B, filters, H / stride, W / stride)."""
    return nn.Sequential(nn.Conv2d(channels, filters, 3, stride=stride, padding=1, bias=False), Norm(filters), nn.ReLU(inplace=True))


def convs(channels: int, *filters: int, stride: int = 1) -> nn.Sequential:
    """3×3 convolutions one after the other, the first of them with the stride."""
    widths = (channels, *filters)
    return nn.Sequential(*(conv(widths[i], widths[i + 1], stride if i == 0 else 1) for i in range(len(filters))))


def pyramid(channels: int, *filters: int) -> nn.Sequential:
    """3×3 convolutions one after the other; the first halves the map, and so does each that has more filters than the one before."""
    widths = (channels, *filters)
    halves = [i == 0 or widths[i + 1] > widths[i] for i in range(len(filters))]
    return nn.Sequential(*(conv(widths[i], widths[i + 1], 1 + halves[i]) for i in range(len(filters))))


def classifier(features: int, classes: int) -> nn.Sequential:
    """Mean over the map, then one score per class: (B, features, H, W) to (B, classes)."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(features, classes))


class Refined(nn.Module):
    """An earlier answer (B, classes) and what a linear classifier makes of features (B, C, H, W), added up."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.classifier = classifier(features, classes)

    def forward(self, features: Tensor, earlier: Tensor) -> Tensor:
        answer: Tensor = self.classifier(features)
        return answer + earlier
