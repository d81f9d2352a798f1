"""The branch of a residual block, whose inner channels can be gated for each image.

Papers: He et al., CVPR 2016 (arXiv 1512.03385) for the block, Xia et al., 2021 (arXiv 2007.15151) for the gates.

A channel whose gate is zero is not computed, and the next convolution does not read it. For one image, or for several with the same
gates, the filters are sliced. In a batch each image's filters are gathered, and images that keep equally many run as one grouped
convolution. Where a convolution keeps no filter, or reads no channel, nothing is computed: a convolution of nothing is zero everywhere,
the border included, because maps are padded with zeros and the convolutions have no bias. If the last convolution reads no channel, the
branch sends a constant per channel: what its last batch norm makes of zero.
Reconstructed: where the gates act: on every convolution's output but the last one's, after batch norm and ReLU.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.modules.layers import Norm


class Branch(nn.Module):
    """Convolutions with batch norm, and ReLU between them: (B, channels, H, W) to (B, filters[-1], H / stride, W / stride).

    Gates, (B, count), are those of the output channels of all convolutions but the last, concatenated. Modules are called conv1, bn1, conv2
    and so on, as in the published weights of ResNets.
    """

    def __init__(self, channels: int, filters: Sequence[int], kernels: Sequence[int], strides: Sequence[int]) -> None:
        """`filters`, `kernels` (odd) and `strides` of each convolution."""
        super().__init__()
        self.filters, self.inner, self.count = tuple(filters), list(filters[:-1]), sum(filters[:-1])
        for number, ((before, after), kernel, stride) in enumerate(
            zip(pairwise((channels, *filters)), kernels, strides, strict=True), start=1
        ):
            self.add_module(f"conv{number}", nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False))
            self.add_module(f"bn{number}", Norm(after))

    @property
    def layers(self) -> list[tuple[nn.Conv2d, Norm]]:
        """The convolutions, each with its batch norm."""
        return [(getattr(self, f"conv{number}"), getattr(self, f"bn{number}")) for number in range(1, len(self.filters) + 1)]

    def share(self, kept: Tensor, shapes: Sequence[tuple[int, ...]]) -> Tensor:
        """Return the share of the multiply-adds that is computed for the kept channels, (B,) double.

        `kept`: (B, count), bool or gates of 0 and 1; `shapes`: the shape of the branch's only input, (C, H, W).
        A convolution costs the share of its filters that are kept times the share of its input channels that are kept, which is what
        `forward` computes, convolution by convolution. So a convolution that keeps filters is charged, and computed, even if a later one
        keeps none and nothing reads it.
        """
        whole = torch.ones(len(kept), 1, dtype=torch.float64, device=kept.device)
        densities = [part.double().mean(dim=1, keepdim=True) for part in torch.split(kept, self.inner, dim=1)]
        along = torch.cat([whole, *densities, whole], dim=1)  # (B, convolutions + 1)
        return (along[:, :-1] * along[:, 1:]) @ self._costs(shapes).to(kept.device)

    def _costs(self, shapes: Sequence[tuple[int, ...]]) -> Tensor:
        """Return the share of each convolution in the multiply-adds of the whole branch, (convolutions,) double."""
        ((_, height, width),) = shapes
        costs = []
        for convolution, _ in self.layers:
            height, width = (-(-side // step) for side, step in zip((height, width), convolution.stride, strict=True))
            costs.append(convolution.weight.numel() * height * width)
        return torch.tensor(costs, dtype=torch.float64) / sum(costs)

    def forward(self, x: Tensor, channels: Tensor | None = None, dense: bool = False) -> Tensor:
        """`channels`: gates (B, count) ≥ 0; without them all are open and unscaled. `dense` computes everything and multiplies."""
        if channels is None or dense or self.training:
            return self._dense(x, channels)
        if len(x) == 1 or bool((channels[1:] > 0).eq(channels[:1] > 0).all()):
            return self._sliced(x, channels)
        counts = torch.stack([(part > 0).sum(dim=1) for part in torch.split(channels, self.inner, dim=1)], dim=1)  # (B, convolutions - 1)
        kinds, kind = torch.unique(counts, dim=0, return_inverse=True)  # kind: (B,)
        rows = [(kind == number).nonzero()[:, 0] for number in range(len(kinds))]
        return torch.cat([self._grouped(x[some], channels[some]) for some in rows])[torch.cat(rows).argsort()]

    def _dense(self, x: Tensor, channels: Tensor | None) -> Tensor:
        gates = None if channels is None else torch.split(channels, self.inner, dim=1)
        for number, (convolution, norm) in enumerate(self.layers):
            x = norm(convolution(x))
            if number < len(self.filters) - 1:
                x = F.relu(x)
                x = x if gates is None else x * gates[number][:, :, None, None].to(x)  # otherwise bfloat16 becomes float32
        return x

    def _sliced(self, x: Tensor, channels: Tensor) -> Tensor:
        """Compute images that keep the same channels."""
        kept: Tensor | slice = slice(None)
        for (convolution, norm), gates in zip(self.layers, torch.split(channels, self.inner, dim=1), strict=False):
            scale, shift = folded(norm)
            after = gates[0].topk(int((gates[0] > 0).sum())).indices  # (kept,)
            x = _convolved(x, convolution.weight[after][:, kept], convolution)
            x = F.relu(x * scale[after, None, None] + shift[after, None, None]) * gates[:, after, None, None]
            kept = after
        convolution, norm = self.layers[-1]
        last: Tensor = norm(_convolved(x, convolution.weight[:, kept], convolution))
        return last

    def _grouped(self, x: Tensor, channels: Tensor) -> Tensor:
        """Compute images that keep different channels, but equally many of each convolution."""
        batch, kept = len(x), None
        for (convolution, norm), gates in zip(self.layers, torch.split(channels, self.inner, dim=1), strict=False):
            scale, shift = folded(norm)
            gates, after = gates.topk(int((gates[0] > 0).sum()), dim=1)  # (B, kept)
            weights = convolution.weight[after]  # (B, kept, channels, k, k)
            x = _convolved(x, _read(weights, kept), convolution)
            x = F.relu(x * scale[after][:, :, None, None] + shift[after][:, :, None, None]) * gates[:, :, None, None]
            kept = after
        convolution, norm = self.layers[-1]
        weights = convolution.weight.expand(batch, *convolution.weight.shape)
        last: Tensor = norm(_convolved(x, _read(weights, kept), convolution))
        return last


def folded(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return the scale and shift per channel by which batch norm acts in evaluation mode, (C,) each."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    return scale, norm.bias - norm.running_mean * scale


def _read(weights: Tensor, kept: Tensor | None) -> Tensor:
    """Return the weights (B, filters, channels, k, k) for the channels that were computed, (B, kept)."""
    if kept is None:
        return weights
    index = kept[:, None, :, None, None].expand(-1, weights.shape[1], -1, *weights.shape[3:])
    return weights.gather(2, index)


def _convolved(x: Tensor, weights: Tensor, convolution: nn.Conv2d) -> Tensor:
    """Convolve images (B, C, H, W) with filters that they share, (filters, C, k, k), or of their own, (B, filters, C, k, k).

    Filters of their own are one grouped convolution. Without filters, or without channels, nothing is computed.
    """
    filters = weights.shape[-4]
    if not weights.numel():
        return x.new_zeros(len(x), filters, *strided(x, convolution.stride))
    if weights.dim() == 4:
        return F.conv2d(x, weights, None, convolution.stride, convolution.padding)
    flat = x.reshape(1, -1, *x.shape[2:])
    result = F.conv2d(flat, weights.reshape(-1, *weights.shape[2:]), None, convolution.stride, convolution.padding, groups=len(x))
    return result.reshape(len(x), filters, *result.shape[2:])


def strided(x: Tensor, stride: Sequence[int]) -> tuple[int, ...]:
    """Return the output height and width of a branch's convolution for maps (B, C, H, W)."""
    return tuple(-(-side // step) for side, step in zip(x.shape[2:], stride, strict=True))
