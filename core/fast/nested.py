"""A branch with nested widths: the convolutions of each width are laid out beforehand, and each image runs those of its own.

So one image runs narrow dense convolutions. The images of a batch are sorted by their widths, and those of one width run together.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.fast.kernels import Convolution, Kernel, kernel
from core.graph.rows import gather_rows, overwrite_rows
from core.modules.nested import Nested, NestedInverted
from core.modules.residual import strided

ACTIVATION_NAMES: dict[Any, str] = {None: "none", torch.nn.functional.relu: "relu", torch.nn.functional.relu6: "relu6"}


class NestedChannels:
    """Convolutions of nested widths: x (B, C, H, W), gates (B, count) to (B, filters, H / stride, W / stride).

    widths  the convolutions of each width, narrowest first, without scales
    empty   what is sent where no channel runs, (filters,)
    """

    def __init__(self, part: Nested) -> None:
        layers = part.layers_by_width
        self.ends, self.count = part.ends, part.count
        self.widths: list[list[Convolution]] = []
        for width, end in enumerate(self.ends):
            kept: list[Convolution] = []
            for number, layer in enumerate(layers):
                filters, read = None if layer is layers[-1] else end, None if number == 0 or layer.depthwise else end
                kept.append(
                    Convolution(layer.convolution, layer.norms[width], ACTIVATION_NAMES[layer.activation], filters=filters, read=read)
                )
            self.widths.append(kept)
        last = self.widths[0][-1]
        self.empty = last.weight.new_zeros(len(last.weight)) if last.bias is None else last.bias
        self.group, self.stride = part.group, [math.prod(layer.convolution.stride[axis] for layer in layers) for axis in (0, 1)]

    def __call__(self, x: Tensor, gates: Tensor) -> Tensor:
        given = gates.numpy()
        opened = (given > 0).cumprod(axis=1).sum(axis=1)  # (B,)
        kinds = np.unique(opened)
        if len(kinds) == 1:
            return self._at(x, int(kinds[0]), gates)
        sent: Tensor | None = None
        for kind in kinds[::-1]:
            rows = torch.from_numpy(np.flatnonzero(opened == kind))
            some = self._at(gather_rows(x, rows), int(kind), gates[rows])
            if sent is None:
                sent = torch.empty((len(x), *some.shape[1:]), dtype=some.dtype, memory_format=torch.channels_last)
            overwrite_rows(sent, rows, some)
        assert sent is not None
        return sent

    def _at(self, x: Tensor, opened: int, gates: Tensor) -> Tensor:
        """Compute images of one width, a number of open groups."""
        if not opened:
            height, width = strided(x, self.stride)
            return self.empty[:, None, None].expand(len(x), -1, height, width)
        *inner, last = self.widths[opened - 1]
        for convolution in inner:
            x = convolution(x)
        own = gates[:, :opened]
        if not bool((own.numpy() == 1).all()):
            x = x * own[:, self.group[: self.ends[opened - 1]], None, None]
        return last(x)


class NestedKernel(Kernel):
    """A module with nested widths that no join follows. It takes its gates as `channels`; without them it runs at full width."""

    def __init__(self, part: Nested) -> None:
        self.channels = NestedChannels(part)

    def __call__(self, *inputs: Tensor, owned: bool = False, **named: Tensor | None) -> Tensor:
        (x,), gates = inputs, named.get("channels")
        if gates is None:
            for convolution in self.channels.widths[-1]:
                x = convolution(x)
            return x
        return self.channels(x, gates)


@kernel.register
def _(part: NestedInverted) -> Kernel:
    return NestedKernel(part)
