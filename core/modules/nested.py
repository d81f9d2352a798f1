"""Nested widths: of the channels inside a module, the first ones run, as many as an image's gates open.

Papers: Yu et al., ICLR 2019 (arXiv 1812.08928) for batch norm per width, Yu & Huang, ICCV 2019 (arXiv 1903.05134) for the nesting.

The channels lie in a few groups, whose sizes are multiples of a granule. A gate belongs to a group; the first closed one closes all groups
behind it. So the channels that run are one slice of the weights, and images of the same width share one dense convolution. Every width
has batch norms of its own: narrower maps have other statistics.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.modules.importance import importance
from core.modules.inverted_residual import InvertedResidual
from core.modules.layers import Norm
from core.modules.residual import Branch

Activation = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class NestedLayer:
    """A convolution with one batch norm per width, narrowest first, and the activation behind it, if any."""

    convolution: nn.Conv2d
    norms: Sequence[Norm]
    activation: Activation | None

    @property
    def depthwise(self) -> bool:
        """Whether each filter reads one channel."""
        return self.convolution.groups > 1


class Nested(nn.Module):
    """The base class of modules with nested widths. A subclass names its layers; all but the last have the same number of filters.

    ends     the channels that run at each width, ascending; the last is all of them
    count    how many gates it takes, one per group
    ordered  whether the channels have been sorted by importance, a scalar
    """

    ordered: Tensor
    group: Tensor

    def nest(self, granule: int, steps: int) -> None:
        """Give the module its groups and the batch norms of its narrower widths, called `narrow1` and so on."""
        first, *_, last = layers = self.base_layers
        inner = first[0].out_channels
        self.ends, self.granule, self.steps = group_ends(inner, granule, steps), granule, steps
        self.count = len(self.ends)
        for number, (convolution, norm, _) in enumerate(layers, start=1):
            sizes = [norm.num_features if convolution is last[0] else end for end in self.ends[:-1]]
            self.add_module(f"narrow{number}", nn.ModuleList(Norm(size) for size in sizes))
        sizes = [end - start for start, end in pairwise((0, *self.ends))]
        self.register_buffer("ordered", torch.tensor(False))
        self.register_buffer("group", torch.arange(self.count).repeat_interleave(torch.tensor(sizes)), persistent=False)

    @property
    def base_layers(self) -> list[tuple[nn.Conv2d, Norm, Activation | None]]:
        """Each convolution with the batch norm of its full width and its activation."""
        raise NotImplementedError

    @property
    def layers_by_width(self) -> list[NestedLayer]:
        """Each convolution with the batch norms of all widths."""
        return [
            NestedLayer(convolution, [*cast("nn.ModuleList", getattr(self, f"narrow{number}")), norm], activation)
            for number, (convolution, norm, activation) in enumerate(self.base_layers, start=1)
        ]

    def derives(self, name: str) -> bool:
        """Return whether a parameter of this name can begin with the numbers of another parameter of the module (see `sort_channels`)."""
        return name.startswith("narrow")

    def groups_at(self, step: int) -> int:
        """Return how many groups are open at a step of the widths, from 1 to `steps`: the fewest that hold that share of the channels."""
        inner = self.ends[-1]
        return next(number for number, end in enumerate(self.ends, start=1) if end * self.steps >= inner * step)

    def share(self, kept: Tensor, shapes: Sequence[tuple[int, ...]]) -> Tensor:
        """Return the share of the multiply-adds that is computed for the open gates, (B,) double.

        `kept`: (B, count), bool or gates of 0 and 1; `shapes`: the shape of the module's only input, (C, H, W).
        """
        sizes = torch.bincount(self.group).double() / len(self.group)  # (count,)
        density = kept.double().cumprod(dim=1) @ sizes.to(kept.device)  # (B,)
        return sum(
            (cost * (density**2 if squared else density) for cost, squared in zip(*self.costs_by_layer(shapes), strict=True)),
            torch.zeros_like(density),
        )

    def costs_by_layer(self, shapes: Sequence[tuple[int, ...]]) -> tuple[list[float], list[bool]]:
        """Return each convolution's share of the module's multiply-adds, and whether both its filters and what it reads are gated."""
        ((_, height, width),) = shapes
        layers, costs, squared = self.layers_by_width, list[int](), list[bool]()
        for number, layer in enumerate(layers):
            height, width = (-(-side // step) for side, step in zip((height, width), layer.convolution.stride, strict=True))
            costs.append(layer.convolution.weight.numel() * height * width)
            squared.append(0 < number < len(layers) - 1 and not layer.depthwise)
        return [cost / sum(costs) for cost in costs], squared

    def run(self, x: Tensor, gates: Tensor | None, dense: bool) -> Tensor:
        """Compute images (B, C, H, W) with gates (B, count) ≥ 0; without them all are open and unscaled.

        Images of the same width run together. `dense` also computes closed channels where gradients are recorded, so that these reach
        closed gates; the answer is the same.
        """
        if gates is None or gates.is_meta:  # as it is measured, with all gates open
            return self._at(x, self.count, None, dense=False)
        opened = (gates > 0).cumprod(dim=1).sum(dim=1)  # (B,)
        kinds = torch.unique(opened).tolist()
        if len(kinds) == 1:
            return self._at(x, kinds[0], gates, dense)
        rows = [(opened == kind).nonzero()[:, 0] for kind in kinds]
        return torch.cat([self._at(x[some], kind, gates[some], dense) for kind, some in zip(kinds, rows, strict=True)])[
            torch.cat(rows).argsort()
        ]

    def _at(self, x: Tensor, opened: int, gates: Tensor | None, dense: bool) -> Tensor:
        """Compute images of one width, a number of open groups."""
        layers = self.layers_by_width
        if not opened:
            return self._empty(x, layers)
        kept, width = self.ends[opened - 1], opened - 1
        whole = dense and torch.is_grad_enabled() and opened < self.count
        scale = None if gates is None or (not gates.requires_grad and bool((gates[:, :opened] == 1).all())) else gates
        for number, layer in enumerate(layers[:-1]):
            x = convolve(layer.convolution, x, self.ends[-1] if whole else kept, None if number == 0 else len(x[0]))
            norm = layer.norms[width]
            x = torch.cat([norm(x[:, :kept]), _closed(layer.norms[-1], x[:, kept:])], dim=1) if whole else norm(x)
            x = x if layer.activation is None else layer.activation(x)
            if number == len(layers) - 2 and scale is not None:
                x = x * scale[:, self.group[: x.shape[1]], None, None].to(x)
            elif whole:
                x = torch.cat([x[:, :kept], torch.zeros_like(x[:, kept:])], dim=1)
        return self._last(layers[-1], width, convolve(layers[-1].convolution, x, None, len(x[0])))

    def _empty(self, x: Tensor, layers: Sequence[NestedLayer]) -> Tensor:
        """Return what the last layer makes of no channels."""
        height, width = x.shape[2:]
        for layer in layers:
            height, width = (-(-side // step) for side, step in zip((height, width), layer.convolution.stride, strict=True))
        return self._last(layers[-1], 0, x.new_zeros(len(x), layers[-1].convolution.out_channels, height, width))

    def _last(self, layer: NestedLayer, width: int, x: Tensor) -> Tensor:
        x = layer.norms[width](x)
        return x if layer.activation is None else layer.activation(x)

    @torch.no_grad()
    def sort_channels(self) -> None:
        """Order the channels by importance, most important first, and begin every width with the full width's batch norms.

        At full width the module computes the same. Does nothing a second time.
        """
        if bool(self.ordered):
            return
        layers = self.layers_by_width
        for layer, reader in pairwise(layers):
            if not reader.depthwise:
                order = importance(layer.norms[-1], reader.convolution).argsort(descending=True, stable=True)
                self._reorder(layers, layers.index(layer), order)
        for layer in layers:
            for norm in layer.norms[:-1]:
                for name, tensor in norm.state_dict().items():
                    tensor.copy_(layer.norms[-1].state_dict()[name][: len(tensor)] if tensor.dim() else layer.norms[-1].state_dict()[name])
        self.ordered.fill_(True)

    def _reorder(self, layers: Sequence[NestedLayer], number: int, order: Tensor) -> None:
        """Reorder the filters of a layer, and of a depthwise one before the reader, and what the next layer reads."""
        first = number
        while layers[first].depthwise:
            first -= 1
        for layer in layers[first : number + 1]:
            layer.convolution.weight.copy_(layer.convolution.weight[order])
            for tensor in (layer.norms[-1].weight, layer.norms[-1].bias, layer.norms[-1].running_mean, layer.norms[-1].running_var):
                assert tensor is not None
                tensor.copy_(tensor[order])
        reader = layers[number + 1].convolution
        reader.weight.copy_(reader.weight[:, order])


class NestedBranch(Nested, Branch):
    """The branch of a residual block with nested widths, which all its inner convolutions share."""

    def __init__(
        self, channels: int, filters: Sequence[int], kernels: Sequence[int], strides: Sequence[int], granule: int, steps: int
    ) -> None:
        """`granule`, `steps`: see `group_ends`."""
        super().__init__(channels, filters, kernels, strides)
        self.nest(granule, steps)

    @property
    def base_layers(self) -> list[tuple[nn.Conv2d, Norm, Activation | None]]:
        *inner, last = self.layers
        return [*((convolution, norm, F.relu) for convolution, norm in inner), (*last, None)]

    def forward(self, x: Tensor, channels: Tensor | None = None, dense: bool = False) -> Tensor:
        return self.run(x, channels, dense)


class NestedInverted(Nested, InvertedResidual):
    """The branch of an inverted residual block with nested widths of its hidden channels; whoever joins it adds the input."""

    def __init__(self, channels: int, filters: int, stride: int, expansion: int, activation: str, granule: int, steps: int) -> None:
        """`granule`, `steps`: see `group_ends`. `expansion`: at least 1."""
        super().__init__(channels, filters, stride, expansion, activation)
        self.nest(granule, steps)

    @property
    def base_layers(self) -> list[tuple[nn.Conv2d, Norm, Activation | None]]:
        assert self.expand is not None
        found = []
        for layer in (self.expand, self.depthwise, self.project):
            activation = {"none": None, "relu": F.relu, "relu6": F.relu6}[layer.activation]
            found.append((layer.conv, layer.bn, cast("Activation | None", activation)))
        return found

    def forward(self, x: Tensor, channels: Tensor | None = None, dense: bool = False) -> Tensor:
        return self.run(x, channels, dense)


def group_ends(inner: int, granule: int, steps: int) -> tuple[int, ...]:
    """Return where the groups of some channels end: at even shares of them in so many steps, rounded up to multiples of the granule."""
    return tuple(sorted({min(math.ceil(inner * step / (steps * granule)) * granule, inner) for step in range(1, steps + 1)}))


def convolve(convolution: nn.Conv2d, x: Tensor, filters: int | None, read: int | None) -> Tensor:
    """Convolve x (B, C, H, W) with the first `filters` of a convolution, of which the first `read` channels are read; None: all."""
    depthwise = convolution.groups > 1
    weight = convolution.weight[:filters] if depthwise else convolution.weight[:filters, :read]
    return F.conv2d(x, weight, None, convolution.stride, convolution.padding, groups=len(weight) if depthwise else 1)


def _closed(norm: Norm, x: Tensor) -> Tensor:
    """Normalise the last channels of x by a norm's running statistics, as the full width would."""
    parts = (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    mean, var, weight, bias = (None if part is None else part[-x.shape[1] :] for part in parts)
    return F.batch_norm(x, mean, var, weight, bias, False, 0.0, norm.eps)
