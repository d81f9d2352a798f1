"""Kernels of residual blocks: the last convolution adds itself to the shortcut, and gates leave out blocks and channels."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.inference.kernels import Convolution, Kernel, kernel
from core.network.branch import Branch
from core.network.layers import Join, Residual, Shortcut


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
