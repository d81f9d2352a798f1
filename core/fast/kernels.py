"""Kernels: modules in the form that runs fastest on a processor, with the same answers.

Batch norm is folded into the convolution before it. ReLU, and the addition of a shortcut, are done by the convolution that they follow.
Weights are converted to the layout of oneDNN, which computes the convolutions, once for each map size. Images are stored channels-last.
A kernel takes the inputs of its module. `owned` says that it may overwrite its first input, `fresh` that its output never shares memory
with its input. Modules without a kernel of their own run unchanged.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import singledispatch
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.modules.inverted_residual import ConvNorm
from core.modules.layers import Stem
from core.modules.residual import Branch, folded

PACKED: bool = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_convolution_pointwise")  # type: ignore[no-untyped-call]
NO_SCALARS: list[float] = []
ACTIVATIONS = {"none": ("none", NO_SCALARS), "relu": ("relu", NO_SCALARS), "relu6": ("hardtanh", [0.0, 6.0])}  # oneDNN's names


class Kernel(ABC):
    """Runs in place of a module. Kernels of control nodes also take `weight`, (B,) or None."""

    fresh = True

    @abstractmethod
    def __call__(self, *inputs: Tensor, owned: bool = False, **named: Tensor | None) -> Tensor:
        """Return what the module would return."""


@singledispatch
def kernel(part: nn.Module) -> Kernel:
    """Return the kernel of a module in evaluation mode; the two may share weights."""
    return ModuleKernel(part)


class ModuleKernel(Kernel):
    """A module, unchanged."""

    fresh = False

    def __init__(self, part: nn.Module) -> None:
        self.part = part

    def __call__(self, *inputs: Tensor, owned: bool = False, **named: Tensor | None) -> Tensor:
        result: Tensor = self.part(*inputs, **named)
        return result


class Convolution:
    """A convolution with the batch norm and the activation behind it."""

    def __init__(
        self,
        convolution: nn.Module,
        norm: nn.Module | None,
        activation: str = "none",
        *,
        filters: int | None = None,
        read: int | None = None,
    ) -> None:
        """`activation`: relu, relu6 or none. `filters`, `read`: the first filters, and the first channels that they read; None: all."""
        assert isinstance(convolution, nn.Conv2d)
        self.weight = convolution.weight.detach()[:filters, :read]
        self.bias = None if convolution.bias is None else convolution.bias.detach()[:filters]
        if isinstance(norm, nn.BatchNorm2d):
            scale, shift = (one.detach() for one in folded(norm))
            self.weight = self.weight * scale[:, None, None, None]
            self.bias = shift if self.bias is None else shift + self.bias * scale
        assert not isinstance(convolution.padding, str)
        self.weight = self.weight.contiguous(memory_format=torch.channels_last)
        self.activation = activation
        groups = 1 if convolution.groups == 1 else min(convolution.groups, len(self.weight))
        self.shape = (list(convolution.padding), list(convolution.stride), list(convolution.dilation), groups)
        self.packed = PACKED and self.weight.device.type == "cpu" and self.weight.dtype == torch.float32
        self.known: dict[tuple[bool, torch.Size], Tensor] = {}

    def weights(self, x: Tensor) -> Tensor:
        """Return the weights in oneDNN's layout for maps of this size, of one image or of several.

        Without the size oneDNN may pick a layout that is a hundred times slower, as it does for 96 filters of 96 channels on 6×6.
        """
        of = (len(x) == 1, x.shape[2:])
        found = self.known.get(of)
        if found is None:
            reorder: Any = torch._C._nn.mkldnn_reorder_conv2d_weight  # torch's type hints lack the size
            found = self.known[of] = reorder(self.weight.to_mkldnn(), *self.shape, list(x.shape))
        return found

    def __call__(self, x: Tensor, owned: bool = False) -> Tensor:
        if self.packed:
            convolve = torch.ops.mkldnn._convolution_pointwise
            result: Tensor = convolve(x, self.weights(x), self.bias, *self.shape, *ACTIVATIONS[self.activation], "")
            return result
        padding, stride, dilation, groups = self.shape
        result = F.conv2d(x, self.weight, self.bias, stride, padding, dilation, groups)
        return result if self.activation == "none" else result.relu_() if self.activation == "relu" else F.relu6(result)

    def added_to(self, other: Tensor, x: Tensor, *, relu: bool) -> Tensor:
        """Return other + convolution of x, or ReLU of the sum. Overwrites `other`, which must have the memory layout of the result."""
        if self.packed:
            convolve = torch.ops.mkldnn._convolution_pointwise_.binary
            convolve(other, x, self.weights(x), self.bias, *self.shape, "add", 1.0, "relu" if relu else None, NO_SCALARS, None)
            return other
        return other.add_(self(x)).relu_() if relu else other.add_(self(x))


class SequentialKernel(Kernel):
    """Kernels in sequence."""

    def __init__(self, kernels: Sequence[Callable[[Tensor], Tensor]]) -> None:
        self.kernels = tuple(kernels)
        self.fresh = any(isinstance(one, Convolution) for one in kernels)

    def __call__(self, *inputs: Tensor, owned: bool = False, **named: Tensor | None) -> Tensor:
        x = inputs[0]
        for one in self.kernels:
            x = one(x)
        return x


@kernel.register
def _(part: nn.Sequential) -> Kernel:
    if type(part) is not nn.Sequential:
        return ModuleKernel(part)  # a subclass may do something else
    leaves, kernels = list(_leaves(part)), list[Callable[[Tensor], Tensor]]()
    while leaves:
        leaf, *leaves = leaves
        if isinstance(leaf, nn.Conv2d) and foldable(leaf):
            norm = leaves.pop(0) if leaves and isinstance(leaves[0], nn.BatchNorm2d) else None
            relu = bool(leaves) and type(leaves[0]) is nn.ReLU
            leaves = leaves[relu:]
            kernels.append(Convolution(leaf, norm, "relu" if relu else "none"))
        elif _pools(leaf) and leaves and _flattens(leaves[0]):
            leaves.pop(0)
            kernels.append(means)
        elif type(leaf) is nn.Linear:
            kernels.append(LinearKernel(leaf))
        else:
            kernels.append(kernel(leaf))
    return SequentialKernel(kernels)


def foldable(part: nn.Conv2d) -> bool:
    """Return whether the convolution kernel supports a convolution."""
    return type(part) is nn.Conv2d and part.padding_mode == "zeros" and not isinstance(part.padding, str)


def _pools(part: nn.Module) -> bool:
    return isinstance(part, nn.AdaptiveAvgPool2d) and part.output_size in (1, (1, 1))


def _flattens(part: nn.Module) -> bool:
    return isinstance(part, nn.Flatten) and (part.start_dim, part.end_dim) == (1, -1)


class LinearKernel:
    """A linear layer."""

    def __init__(self, part: nn.Linear) -> None:
        self.part, self.matrix = part, part.weight.detach().t().contiguous()

    def __call__(self, x: Tensor) -> Tensor:
        if x.dim() != 2 or self.part.bias is None:
            result: Tensor = self.part(x)
            return result
        return torch.addmm(self.part.bias, x, self.matrix)


def _leaves(part: nn.Module) -> Iterator[nn.Module]:
    """Yield the modules of a sequence, and those of sequences inside it."""
    if type(part) is nn.Sequential:
        for child in part:
            yield from _leaves(child)
    else:
        yield part


def means(x: Tensor) -> Tensor:
    """Return the mean of each map: (B, C, H, W) to (B, C)."""
    return x.mean((2, 3))


@kernel.register
def _(part: Branch) -> Kernel:
    *layers, last = part.layers
    return SequentialKernel([*(Convolution(*one, "relu") for one in layers), Convolution(*last)])


@kernel.register
def _(part: Stem) -> Kernel:
    first = Convolution(part.conv1, part.bn1, "relu")
    return SequentialKernel([first, kernel(nn.MaxPool2d(3, 2, 1))] if part.large else [first])


@kernel.register
def _(part: ConvNorm) -> Kernel:
    return SequentialKernel([Convolution(part.conv, part.bn, part.activation)])


@kernel.register
def _(part: nn.Identity) -> Kernel:
    return SequentialKernel([])
