"""Kernels of residual blocks: the last convolution adds its output to the shortcut, and gates skip blocks and channels."""

import torch
from torch import Tensor, nn

from core.fast.channels import Channels
from core.fast.kernels import Convolution, Kernel, SequentialKernel, kernel
from core.fast.nested import NestedChannels
from core.modules.inverted_residual import InvertedResidual
from core.modules.layers import Join, Residual, Shortcut
from core.modules.nested import NestedBranch
from core.modules.residual import Branch


class ShortcutKernel:
    """A shortcut: returns the input of a block in the shape of its output, in memory that may be overwritten."""

    def __init__(self, part: Shortcut) -> None:
        self.part, self.idle = part, part.idle
        self.projection = None if part.downsample is None else kernel(part.downsample)

    def __call__(self, x: Tensor, owned: bool = False) -> Tensor:
        if self.idle:
            return x if owned else x.clone()
        if self.part.more < 0:
            return self.part.shortcut(x).contiguous(memory_format=torch.channels_last).clone()
        if self.projection is not None:
            return self.projection(x)
        short, before = x[:, :, :: self.part.stride, :: self.part.stride], self.part.more // 2
        batch, channels, height, width = short.shape
        shape = (batch, channels + self.part.more, height, width)
        shortcut = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last).zero_()
        shortcut[:, before : before + channels] = short
        return shortcut


class Block(Kernel):
    """A residual block: a shortcut, and a branch of convolutions, the last of which adds its output to the shortcut."""

    def __init__(self, shortcut: Shortcut, *branch: Convolution, relu: bool = True) -> None:
        """`relu`: whether ReLU follows the sum."""
        self.shortcut, self.branch, self.last, self.relu = ShortcutKernel(shortcut), branch[:-1], branch[-1], relu

    def __call__(self, *inputs: Tensor, owned: bool = False, **named: Tensor | None) -> Tensor:
        x = sent = inputs[0]
        for convolution in self.branch:
            sent = convolution(sent)
        shortcut = self.shortcut(x, owned and bool(self.branch))  # a lone convolution reads what it would overwrite
        return self.last.added_to(shortcut, sent, relu=self.relu)


@kernel.register
def _(part: Residual) -> Kernel:
    (first, norm, _), (last, last_norm) = part.first, part.second
    return Block(part, Convolution(first, norm, "relu"), Convolution(last, last_norm))


@kernel.register
def _(part: InvertedResidual) -> Kernel:
    layers = [one for one in (part.expand, part.depthwise, part.project) if one is not None]
    convolutions = [Convolution(one.conv, one.bn, one.activation) for one in layers]
    channels = part.project.conv.out_channels
    return Block(Shortcut(channels, channels, 1), *convolutions, relu=False) if part.adds else SequentialKernel(convolutions)


class Gathered(Block):
    """A residual block with gates: a join and its branch in one kernel.

    If the block's gate is closed, only the shortcut remains. Channel gates skip filters, or choose among nested widths.
    """

    def __init__(self, join: nn.Module, branch: nn.Module, *, positive: bool) -> None:
        """`positive`: the input has passed a ReLU."""
        assert isinstance(join, Join)
        assert isinstance(branch, Branch)
        *layers, last = branch.layers
        super().__init__(join, *(Convolution(*one, "relu") for one in layers), Convolution(*last))
        self.channels = NestedChannels(branch) if isinstance(branch, NestedBranch) else Channels(self.branch, self.last, branch.inner)
        self.unchanged = positive and join.idle

    def open(self, x: Tensor, owned: bool, scale: Tensor | float | None, channels: Tensor | None) -> Tensor:
        """Compute images (B, C, H, W) for which the block's gate is open. `scale`: a number, or (B,); `channels`: gates (B, count)."""
        if scale is None and channels is None:
            return self(x, owned=owned)
        sent = self._branch(x, channels)
        shortcut = self.shortcut(x, owned)
        if isinstance(scale, Tensor):
            return shortcut.addcmul_(sent, scale[:, None, None, None]).relu_()
        return shortcut.add_(sent, alpha=1.0 if scale is None else scale).relu_()

    def closed(self, x: Tensor, owned: bool) -> Tensor:
        """Compute images for which the block's gate is closed."""
        shortcut = self.shortcut(x, owned)
        return shortcut if self.unchanged else shortcut.relu_()

    def _branch(self, x: Tensor, channels: Tensor | None) -> Tensor:
        if channels is not None:
            return self.channels(x, channels)
        for convolution in (*self.branch, self.last):
            x = convolution(x)
        return x
