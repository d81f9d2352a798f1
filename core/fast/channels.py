"""A branch that leaves out the channels whose gates are closed, in whichever of three ways is fastest.

Fewer channels are fewer multiply-adds, but not always less time: a processor's vectors hold 8 or 16 numbers, and images that keep
different channels cannot share one product. So the three ways are timed once for each kind of batch. All give the same answer.
Where the last convolution reads no channel, the whole branch is skipped, because the last convolution then sends its bias: this can be
less than what the cost charges (core/graph/cost.py). Computing all channels can be more.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from core.fast.autotune import fastest
from core.fast.kernels import Convolution
from core.graph.rows import gather_rows, overwrite_rows
from core.modules.residual import strided

ChannelKernel = Callable[[Tensor, Tensor], Tensor]

DENSITY_STEPS = 4  # of the share of channels that are kept, for each of which the three ways are timed


class Channels:
    """Convolutions whose channels in between are gated: x (B, C, H, W), gates (B, count) to (B, filters, H / stride, W / stride).

    Returns (1, filters, 1, 1) if no image keeps a channel that the last convolution reads.
    """

    def __init__(self, branch: Sequence[Convolution], last: Convolution, inner: Sequence[int]) -> None:
        self.branch, self.last = tuple(branch), last
        self.bias = last.weight.new_zeros(len(last.weight)) if last.bias is None else last.bias  # sent where nothing is read
        ends = list(accumulate(inner, initial=0))
        self.columns = [slice(start, end) for start, end in pairwise(ends)]  # the gates of each convolution of the branch
        self.chosen: dict[tuple[int, int, bool, int], ChannelKernel] = {}

    def __call__(self, x: Tensor, gates: Tensor) -> Tensor:
        kept = gates.numpy() > 0  # (B, count); torch takes longer for so little
        read = kept[:, self.columns[-1]].any(axis=1)  # (B,), whether the last convolution reads a channel
        if read.all():
            return self._fastest(x, gates, kept)
        if not read.any():
            return self.bias[None, :, None, None]
        rows = torch.from_numpy(np.flatnonzero(read))
        some = self._fastest(gather_rows(x, rows), gates[rows], kept[read])
        sent = self.bias[:, None, None].expand(len(x), *some.shape[1:]).contiguous(memory_format=torch.channels_last)
        return overwrite_rows(sent, rows, some)

    def _fastest(self, x: Tensor, gates: Tensor, kept: NDArray[np.bool_]) -> Tensor:
        same = len(x) == 1 or bool((kept[1:] == kept[:1]).all())
        kind = (torch.get_num_threads(), len(x).bit_length(), same, int(DENSITY_STEPS * np.count_nonzero(kept)) // kept.size)
        if kind not in self.chosen:
            implementations: tuple[ChannelKernel, ...] = (self.whole, self.sliced) if same else (self.whole, self.grouped)
            self.chosen[kind] = fastest(implementations, x, gates)
        return self.chosen[kind](x, gates)

    def whole(self, x: Tensor, gates: Tensor) -> Tensor:
        """Compute all channels and multiply them by their gates."""
        for convolution, columns in zip(self.branch, self.columns, strict=True):
            x = convolution(x).mul_(gates[:, columns, None, None])
        return self.last(x)

    def sliced(self, x: Tensor, gates: Tensor) -> Tensor:
        """Compute the kept filters only, for images that keep the same ones."""
        kept: Tensor | None = None
        for convolution, columns in zip(self.branch, self.columns, strict=True):
            own = gates[:, columns]
            after = own[0].topk(int((own[0] > 0).sum())).indices  # (kept,)
            weight = convolution.weight.index_select(0, after)
            weight = weight if kept is None else weight.index_select(1, kept)
            x = _convolved(x, weight, _bias(convolution, after), convolution).relu_().mul_(own[:, after, None, None])
            kept = after
        assert kept is not None
        return _convolved(x, self.last.weight.index_select(1, kept), self.last.bias, self.last)

    def grouped(self, x: Tensor, gates: Tensor) -> Tensor:
        """Compute each image with filters of its own, as one grouped convolution, as many as the image needs that keeps the most."""
        batch, kept = len(x), torch.empty(0)
        x = x.contiguous()
        for number, (convolution, columns) in enumerate(zip(self.branch, self.columns, strict=True)):
            own = gates[:, columns]
            most = int((own > 0).sum(dim=1).max())
            own, after = own.topk(most, dim=1)  # (B, most): an image that keeps fewer multiplies the others by zero
            weight = convolution.weight.contiguous()[after]  # (B, most, C, k, k)
            x = _by_image(x, _read(weight, kept) if number else weight, convolution)
            bias = _bias(convolution, after)
            x = (x if bias is None else x.add_(bias[:, :, None, None])).relu_().mul_(own[:, :, None, None])
            kept = after
        weight = self.last.weight.contiguous().expand(batch, *self.last.weight.shape)
        x = _by_image(x, _read(weight, kept), self.last)
        return x if self.last.bias is None else x.add_(self.last.bias[:, None, None])


def _bias(convolution: Convolution, filters: Tensor) -> Tensor | None:
    """Return the biases of some filters, in the shape of `filters`."""
    return None if convolution.bias is None else convolution.bias[filters]


def _convolved(x: Tensor, weight: Tensor, bias: Tensor | None, like: Convolution) -> Tensor:
    """Convolve images (B, C, H, W) with filters (filters, C, k, k). Without filters or channels nothing is computed."""
    padding, stride, dilation, groups = like.shape
    if not weight.numel():
        empty = x.new_zeros(len(x), len(weight), *strided(x, stride))
        return empty if bias is None else empty.add_(bias[:, None, None])
    return F.conv2d(x, weight, bias, stride, padding, dilation, groups)


def _read(weight: Tensor, kept: Tensor) -> Tensor:
    """Return the filters (B, filters, C, k, k) for the channels that were computed, (B, kept)."""
    index = kept[:, None, :, None, None].expand(-1, weight.shape[1], -1, *weight.shape[3:])
    return weight.gather(2, index)


def _by_image(x: Tensor, weight: Tensor, like: Convolution) -> Tensor:
    """Convolve each image (B, C, H, W) with filters of its own (B, filters, C, k, k). Without filters or channels nothing is computed."""
    batch, filters = weight.shape[:2]
    padding, stride, dilation, _ = like.shape
    if not weight.numel():
        return x.new_zeros(batch, filters, *strided(x, stride))
    flat = x.reshape(1, -1, *x.shape[2:])
    result = F.conv2d(flat, weight.reshape(-1, *weight.shape[2:]), None, stride, padding, dilation, batch)
    return result.reshape(batch, filters, *result.shape[2:])
