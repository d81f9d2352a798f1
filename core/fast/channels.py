"""A branch some of whose channels are left out, in whichever of three ways is quickest here.

Fewer channels are fewer multiply-adds, but not always less time: a processor's vectors hold 8 or 16 numbers, and images that keep
different channels cannot share one product. So the ways are timed once for each kind of batch, and all give the same answer.
For images that keep none nothing is computed: the last convolution sends its bias.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from core.fast.autotune import quickest
from core.fast.kernels import Convolution
from core.graph.rows import gathered, replaced

ChannelKernel = Callable[[Tensor, Tensor], Tensor]

DENSITY_STEPS = 4  # of the share of channels that are kept, for each of which the ways are timed


class Channels:
    """Convolutions with gates of the channels between them: x (B, C, H, W), gates (B, count) to (B, filters, H / stride, W / stride).

    (1, filters, 1, 1) where all images send the same everywhere.
    """

    def __init__(self, branch: Sequence[Convolution], last: Convolution, inner: Sequence[int]) -> None:
        self.branch, self.last = tuple(branch), last
        self.bias = last.weight.new_zeros(len(last.weight)) if last.bias is None else last.bias  # what is sent where nothing is read
        ends = list(accumulate(inner, initial=0))
        self.columns = [slice(start, end) for start, end in pairwise(ends)]  # of the gates, for each convolution of the branch
        self.chosen: dict[tuple[int, int, bool, int], ChannelKernel] = {}

    def __call__(self, x: Tensor, gates: Tensor) -> Tensor:
        kept = gates.numpy() > 0  # (B, count); torch takes longer for so little
        read = kept[:, self.columns[-1]].any(axis=1)  # (B,), for which the last convolution has something to read
        if read.all():
            return self._quickest(x, gates, kept)
        if not read.any():
            return self.bias[None, :, None, None]
        rows = torch.from_numpy(np.flatnonzero(read))
        some = self._quickest(gathered(x, rows), gates[rows], kept[read])
        sent = self.bias[:, None, None].expand(len(x), *some.shape[1:]).contiguous(memory_format=torch.channels_last)
        return replaced(sent, rows, some)

    def _quickest(self, x: Tensor, gates: Tensor, kept: NDArray[np.bool_]) -> Tensor:
        same = len(x) == 1 or bool((kept[1:] == kept[:1]).all())
        kind = (torch.get_num_threads(), len(x).bit_length(), same, int(DENSITY_STEPS * np.count_nonzero(kept)) // kept.size)
        if kind not in self.chosen:
            ways: tuple[ChannelKernel, ...] = (self.whole, self.sliced) if same else (self.whole, self.grouped)
            self.chosen[kind] = quickest(ways, x, gates)
        return self.chosen[kind](x, gates)

    def whole(self, x: Tensor, gates: Tensor) -> Tensor:
        """All channels computed, and multiplied by their gates."""
        for one, columns in zip(self.branch, self.columns, strict=True):
            x = one(x).mul_(gates[:, columns, None, None])
        return self.last(x)

    def sliced(self, x: Tensor, gates: Tensor) -> Tensor:
        """The filters that are kept alone, for images that keep the same."""
        kept: Tensor | None = None
        for one, columns in zip(self.branch, self.columns, strict=True):
            some = gates[:, columns]
            after = some[0].topk(max(int((some[0] > 0).sum()), 1)).indices  # a closed one where all are
            weight = one.weight.index_select(0, after)
            weight = weight if kept is None else weight.index_select(1, kept)
            x = _convolved(x, weight, _of(one.bias, after), one).relu_().mul_(some[:, after, None, None])
            kept = after
        assert kept is not None
        return _convolved(x, self.last.weight.index_select(1, kept), self.last.bias, self.last)

    def grouped(self, x: Tensor, gates: Tensor) -> Tensor:
        """Each image with filters of its own, as one convolution in groups; as many as the image needs that keeps most."""
        batch, kept = len(x), torch.empty(0)
        x = x.contiguous()
        for number, (one, columns) in enumerate(zip(self.branch, self.columns, strict=True)):
            some = gates[:, columns]
            most = max(int((some > 0).sum(dim=1).max()), 1)
            some, after = some.topk(most, dim=1)  # (B, most): what is too much for an image has gate zero
            weight = one.weight.contiguous()[after]  # (B, most, C, k, k)
            x = _by_image(x, _read(weight, kept) if number else weight, one)
            bias = _of(one.bias, after)
            x = (x if bias is None else x.add_(bias[:, :, None, None])).relu_().mul_(some[:, :, None, None])
            kept = after
        weight = self.last.weight.contiguous().expand(batch, *self.last.weight.shape)
        x = _by_image(x, _read(weight, kept), self.last)
        return x if self.last.bias is None else x.add_(self.last.bias[:, None, None])


def _of(bias: Tensor | None, filters: Tensor) -> Tensor | None:
    return None if bias is None else bias[filters]


def _convolved(x: Tensor, weight: Tensor, bias: Tensor | None, like: Convolution) -> Tensor:
    padding, stride, dilation, groups = like.shape
    return F.conv2d(x, weight, bias, stride, padding, dilation, groups)


def _read(weight: Tensor, kept: Tensor) -> Tensor:
    """Filters (B, filters, C, k, k) for the channels that were computed, (B, kept)."""
    index = kept[:, None, :, None, None].expand(-1, weight.shape[1], -1, *weight.shape[3:])
    return weight.gather(2, index)


def _by_image(x: Tensor, weight: Tensor, like: Convolution) -> Tensor:
    """Each image (B, C, H, W) with filters of its own (B, filters, C, k, k)."""
    batch, filters = weight.shape[:2]
    padding, stride, dilation, _ = like.shape
    flat = x.reshape(1, -1, *x.shape[2:])
    result = F.conv2d(flat, weight.reshape(-1, *weight.shape[2:]), None, stride, padding, dilation, batch)
    return result.reshape(batch, filters, *result.shape[2:])
