"""Modules in the form in which they run fastest on a processor, with the same answers.

Batch norm is folded into the convolution before it, ReLU and the addition of a shortcut are done by the convolution that they follow,
weights are brought into the layout of the library that convolves (oneDNN) once. Images lie with their channels last in memory.
A kernel takes what its module takes. `owned` says that it may overwrite its first input, `fresh` that what it returns lies in memory of its
own. Modules that are not known here run as they are.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import singledispatch

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.network.branch import Branch, folded
from core.network.controller import Controller, summary
from core.network.gate_network import GateNetwork
from core.network.layers import Join, Residual, Shortcut, Stem

PACKED: bool = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_convolution_pointwise")  # type: ignore[no-untyped-call]
NO_SCALARS: list[float] = []


class Kernel(ABC):
    """What runs in place of a module. Those of control nodes are also told `weight`, (B,) or None."""

    fresh = True

    @abstractmethod
    def __call__(self, *inputs: Tensor, owned: bool = False, **told: Tensor | None) -> Tensor:
        """What the module would return."""


@singledispatch
def kernel(part: nn.Module) -> Kernel:
    """The kernel of a module in evaluation mode. Later changes of the module's weights do not reach it."""
    return Unchanged(part)


class Unchanged(Kernel):
    """A module as it is."""

    fresh = False

    def __init__(self, part: nn.Module) -> None:
        self.part = part

    def __call__(self, *inputs: Tensor, owned: bool = False, **told: Tensor | None) -> Tensor:
        result: Tensor = self.part(*inputs, **told)
        return result


class Convolution:
    """A convolution with what follows it: batch norm, then ReLU where `relu` says so."""

    def __init__(self, convolution: nn.Module, norm: nn.Module | None, *, relu: bool) -> None:
        assert isinstance(convolution, nn.Conv2d)
        self.weight, self.bias = convolution.weight.detach(), None if convolution.bias is None else convolution.bias.detach()
        if isinstance(norm, nn.BatchNorm2d):
            scale, shift = (one.detach() for one in folded(norm))
            self.weight = self.weight * scale[:, None, None, None]
            self.bias = shift if self.bias is None else shift + self.bias * scale
        assert not isinstance(convolution.padding, str)
        self.weight = self.weight.contiguous(memory_format=torch.channels_last)
        self.relu = "relu" if relu else "none"
        self.shape = (list(convolution.padding), list(convolution.stride), list(convolution.dilation), convolution.groups)
        self.packed = PACKED and self.weight.device.type == "cpu" and self.weight.dtype == torch.float32
        if self.packed:
            self.weights = torch._C._nn.mkldnn_reorder_conv2d_weight(self.weight.to_mkldnn(), *self.shape)

    def __call__(self, x: Tensor, owned: bool = False) -> Tensor:
        if self.packed:
            result: Tensor = torch.ops.mkldnn._convolution_pointwise(x, self.weights, self.bias, *self.shape, self.relu, NO_SCALARS, "")
            return result
        padding, stride, dilation, groups = self.shape
        result = F.conv2d(x, self.weight, self.bias, stride, padding, dilation, groups)
        return result.relu_() if self.relu == "relu" else result

    def added_to(self, other: Tensor, x: Tensor) -> Tensor:
        """ReLU of `other` and the convolution of x, added up; overwrites `other`, which has to lie as the result does."""
        if self.packed:
            convolve = torch.ops.mkldnn._convolution_pointwise_.binary
            convolve(other, x, self.weights, self.bias, *self.shape, "add", 1.0, "relu", NO_SCALARS, None)
            return other
        return other.add_(self(x)).relu_()


class Series(Kernel):
    """Kernels one after the other."""

    def __init__(self, kernels: Sequence[Callable[[Tensor], Tensor]]) -> None:
        self.kernels = tuple(kernels)
        self.fresh = any(isinstance(one, Convolution) for one in kernels)

    def __call__(self, *inputs: Tensor, owned: bool = False, **told: Tensor | None) -> Tensor:
        x = inputs[0]
        for one in self.kernels:
            x = one(x)
        return x


@kernel.register
def _(part: nn.Sequential) -> Kernel:
    leaves, kernels = list(_leaves(part)), list[Callable[[Tensor], Tensor]]()
    while leaves:
        leaf, *leaves = leaves
        if isinstance(leaf, nn.Conv2d):
            norm = leaves.pop(0) if leaves and isinstance(leaves[0], nn.BatchNorm2d) else None
            relu = bool(leaves) and isinstance(leaves[0], nn.ReLU)
            leaves = leaves[relu:]
            kernels.append(Convolution(leaf, norm, relu=relu))
        elif isinstance(leaf, nn.AdaptiveAvgPool2d) and leaf.output_size == 1 and leaves and isinstance(leaves[0], nn.Flatten):
            leaves.pop(0)
            kernels.append(means)
        else:
            kernels.append(kernel(leaf))
    return Series(kernels)


def _leaves(part: nn.Module) -> Iterator[nn.Module]:
    """What a sequence is made of, sequences inside it opened."""
    if isinstance(part, nn.Sequential):
        for child in part:
            yield from _leaves(child)
    else:
        yield part


def means(x: Tensor, owned: bool = False) -> Tensor:
    """The means of maps (B, C, H, W): (B, C)."""
    return x.mean((2, 3))


class Brought:
    """A shortcut: what enters a block in the shape of what leaves it, in memory that may be overwritten."""

    def __init__(self, part: Shortcut) -> None:
        self.part, self.idle = part, part.idle
        self.projection = None if part.downsample is None else kernel(part.downsample)

    def __call__(self, x: Tensor, owned: bool = False) -> Tensor:
        if self.idle:
            return x if owned else x.clone()
        if self.projection is not None:
            return self.projection(x)
        short, before = x[:, :, :: self.part.stride, :: self.part.stride], self.part.more // 2
        batch, channels, height, width = short.shape
        brought = torch.empty(batch, channels + self.part.more, height, width, memory_format=torch.channels_last, device=x.device).zero_()
        brought[:, before : before + channels] = short
        return brought


@kernel.register
def _(part: nn.Identity) -> Kernel:
    return Series([])


class Block(Kernel):
    """A residual block: shortcut, and a branch of convolutions of which the last adds itself to it."""

    def __init__(self, shortcut: Shortcut, *branch: Convolution) -> None:
        self.shortcut, self.branch, self.last = Brought(shortcut), branch[:-1], branch[-1]

    def __call__(self, *inputs: Tensor, owned: bool = False, **told: Tensor | None) -> Tensor:
        x = sent = inputs[0]
        for one in self.branch:
            sent = one(sent)
        return self.last.added_to(self.shortcut(x, owned), sent)


@kernel.register
def _(part: Residual) -> Kernel:
    (first, norm, _), (last, last_norm) = part.first, part.second
    return Block(part, Convolution(first, norm, relu=True), Convolution(last, last_norm, relu=False))


class Gathered(Block):
    """A block with gates: its join and its branch in one.

    Where the block's gate is closed the shortcut goes on alone; the gates of channels leave out filters.
    """

    def __init__(self, join: nn.Module, branch: nn.Module, *, positive: bool) -> None:
        """`positive`: what enters has passed a ReLU."""
        assert isinstance(join, Join)
        assert isinstance(branch, Branch)
        layers = branch.layers
        relus = [number < len(layers) for number in range(1, len(layers) + 1)]
        super().__init__(join, *(Convolution(one, norm, relu=relu) for (one, norm), relu in zip(layers, relus, strict=True)))
        self.inner, self.unchanged = branch.inner, positive and join.idle

    def open(self, x: Tensor, owned: bool, scale: Tensor | float | None, channels: Tensor | None) -> Tensor:
        """For images (B, C, H, W) whose block's gate is open. `scale`: a number, or (B,); `channels`: (B, count)."""
        if scale is None and channels is None:
            return self(x, owned=owned)
        sent = self._branch(x, channels)
        brought = self.shortcut(x, owned)
        if isinstance(scale, Tensor):
            return brought.addcmul_(sent, scale[:, None, None, None]).relu_()
        return brought.add_(sent, alpha=1.0 if scale is None else scale).relu_()

    def closed(self, x: Tensor, owned: bool) -> Tensor:
        """For images whose block's gate is closed."""
        brought = self.shortcut(x, owned)
        return brought if self.unchanged else brought.relu_()

    def _branch(self, x: Tensor, channels: Tensor | None) -> Tensor:
        if channels is None:
            for one in (*self.branch, self.last):
                x = one(x)
            return x
        if len(x) == 1 or bool((channels[1:] > 0).eq(channels[:1] > 0).all()):
            return self._sliced(x, channels)
        return torch.cat([self._sliced(x[row : row + 1], channels[row : row + 1]) for row in range(len(x))])

    def _sliced(self, x: Tensor, channels: Tensor) -> Tensor:
        """For images that keep the same channels."""
        kept: Tensor | None = None
        for one, gates in zip(self.branch, torch.split(channels, self.inner, dim=1), strict=True):
            after = gates[0].nonzero().squeeze(1)
            after = after if len(after) else torch.zeros(1, dtype=torch.long)
            weight = one.weight.index_select(0, after)
            weight = weight if kept is None else weight.index_select(1, kept)
            padding, stride, dilation, groups = one.shape
            assert one.bias is not None
            x = F.conv2d(x, weight, one.bias[after], stride, padding, dilation, groups).relu_()
            x.mul_(gates[:, after, None, None])
            kept = after
        assert kept is not None
        padding, stride, dilation, groups = self.last.shape
        return F.conv2d(x, self.last.weight.index_select(1, kept), self.last.bias, stride, padding, dilation, groups)


@kernel.register
def _(part: Branch) -> Kernel:
    layers = part.layers
    return Series([Convolution(one, norm, relu=number < len(layers)) for number, (one, norm) in enumerate(layers, start=1)])


@kernel.register
def _(part: Stem) -> Kernel:
    first = Convolution(part.conv1, part.bn1, relu=True)
    return Series([first, kernel(nn.MaxPool2d(3, 2, 1))] if part.large else [first])


class Scores(Kernel):
    """A gate network: batch norm folded into its hidden layer."""

    def __init__(self, part: GateNetwork) -> None:
        norm, seen = part.norm, part.norm.num_features
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
        matrix = part.hidden.weight.detach()
        self.matrix = (matrix[:, :seen] * scale).detach().t().contiguous()  # (C, hidden)
        self.bias = (part.hidden.bias + matrix[:, :seen] @ (norm.bias - norm.running_mean * scale)).detach()
        self.told = matrix[:, seen] if part.every_lam else None  # (hidden,)
        self.share: Tensor | None = None  # (1, H·W)
        self.head, self.shift = part.head.weight.detach().t().contiguous(), part.head.bias.detach()

    def __call__(self, *seen: Tensor, owned: bool = False, **told: Tensor | None) -> Tensor:
        weight = told["weight"]
        pooled = self._pooled(seen[0]) if len(seen) == 1 else torch.cat([one.mean((2, 3)) for one in seen], dim=1)
        hidden = torch.addmm(self.bias, pooled, self.matrix)
        if self.told is not None and weight is not None:
            hidden.addr_(weight, self.told)
        return torch.addmm(self.shift, hidden.relu_(), self.head)

    def _pooled(self, x: Tensor) -> Tensor:
        """The means of maps (B, C, H, W); for one image as a product, which takes half the time."""
        if len(x) > 1 or not x.is_contiguous(memory_format=torch.channels_last):
            return x.mean((2, 3))
        flat = x.movedim(1, 3).view(-1, x.shape[1])  # (H·W, C)
        if self.share is None or self.share.shape[1] != len(flat):
            self.share = torch.full((1, len(flat)), 1 / len(flat))
        return torch.mm(self.share, flat)


@kernel.register
def _(part: GateNetwork) -> Kernel:
    return Unchanged(part) if part.blind or len(part.table) else Scores(part)


class Values(Kernel):
    """A controller without what only training needs."""

    def __init__(self, part: Controller) -> None:
        self.part = part

    def __call__(self, *seen: Tensor, owned: bool = False, **told: Tensor | None) -> Tensor:
        part, weight = self.part, told["weight"]
        features = [summary(one) for one in seen]
        if part.every_lam:
            assert weight is not None
            features.append(weight[:, None] if part.looks_on else features[0].new_zeros(len(features[0]), 1))
        values: Tensor = part.head(F.relu(part.hidden(torch.cat(features, dim=1))))
        if not part.every_lam:
            return values
        accuracy, later = values.chunk(2, dim=1)
        to_come = part.known + F.softplus(later) if part.looks_on else part.known.expand_as(accuracy)
        return torch.stack([accuracy.sigmoid(), -to_come], dim=2)


@kernel.register
def _(part: Controller) -> Kernel:
    return Values(part)
