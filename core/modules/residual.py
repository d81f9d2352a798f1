"""The branch of a residual block, whose inner channels can be gated for each image (He et al., CVPR 2016; Xia et al., 2021).

A channel whose gate is zero is not computed, and the next convolution does not read it. For one image, or several with the same gates, the
filters are sliced. In a batch each image's filters are gathered, and images that keep equally many run as one grouped convolution.
Where none is kept one filter is computed all the same, and multiplied by zero.
Reconstructed: where the gates act: on every convolution's output but the last one's, after batch norm and ReLU.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.modules.layers import Norm


class Branch(nn.Module):
    """Convolutions with batch norm, ReLU between them: (B, channels, H, W) to (B, filters[-1], H / stride, W / stride).

    Gates, (B, count), are those of the outputs of all convolutions but the last, one after the other. Modules are called conv1, bn1, conv2
    and so on, as in the published weights of ResNets.
    """

    def __init__(
        self, channels: int, filters: Sequence[int], kernels: Sequence[int], strides: Sequence[int], size: tuple[int, int] = (32, 32)
    ) -> None:
        """`filters`, `kernels` and `strides` of each convolution; `size`: H and W of what comes in, by which they share the cost."""
        super().__init__()
        self.filters, self.inner, self.count = tuple(filters), list(filters[:-1]), sum(filters[:-1])
        (height, width), costs = size, []
        for number, ((before, after), kernel, stride) in enumerate(
            zip(pairwise((channels, *filters)), kernels, strides, strict=True), start=1
        ):
            self.add_module(f"conv{number}", nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False))
            self.add_module(f"bn{number}", Norm(after))
            height, width = -(-height // stride), -(-width // stride)
            costs.append(before * after * kernel**2 * height * width)
        self.costs: Tensor
        self.register_buffer("costs", torch.tensor(costs, dtype=torch.float64) / sum(costs), persistent=False)

    @property
    def layers(self) -> list[tuple[nn.Conv2d, Norm]]:
        """Each convolution with its batch norm."""
        return [(getattr(self, f"conv{number}"), getattr(self, f"bn{number}")) for number in range(1, len(self.filters) + 1)]

    def share(self, kept: Tensor) -> Tensor:
        """The share of the multiply-adds that is left with the channels that are kept, (B, count) bool or their gates: (B,) double."""
        whole = torch.ones(len(kept), 1, dtype=torch.float64, device=kept.device)
        densities = [part.double().mean(dim=1, keepdim=True) for part in torch.split(kept, self.inner, dim=1)]
        along = torch.cat([whole, *densities, whole], dim=1)  # (B, convolutions + 1)
        return (along[:, :-1] * along[:, 1:]) @ self.costs.to(kept.device)

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
                x = x if gates is None else x * gates[number][:, :, None, None].to(x)  # else bfloat16 becomes float32
        return x

    def _sliced(self, x: Tensor, channels: Tensor) -> Tensor:
        """For images that keep the same channels."""
        kept: Tensor | slice = slice(None)
        for (convolution, norm), gates in zip(self.layers, torch.split(channels, self.inner, dim=1), strict=False):
            scale, shift = folded(norm)
            after = gates[0].topk(max(int((gates[0] > 0).sum()), 1)).indices  # (kept,), a closed one where all are
            x = F.conv2d(x, convolution.weight[after][:, kept], None, convolution.stride, convolution.padding)
            x = F.relu(x * scale[after, None, None] + shift[after, None, None]) * gates[:, after, None, None]
            kept = after
        convolution, norm = self.layers[-1]
        last: Tensor = norm(F.conv2d(x, convolution.weight[:, kept], None, convolution.stride, convolution.padding))
        return last

    def _grouped(self, x: Tensor, channels: Tensor) -> Tensor:
        """For images that keep different channels, but equally many of each convolution."""
        batch, kept = len(x), None
        for (convolution, norm), gates in zip(self.layers, torch.split(channels, self.inner, dim=1), strict=False):
            scale, shift = folded(norm)
            count = max(int((gates[0] > 0).sum()), 1)
            gates, after = gates.topk(count, dim=1)  # (B, count), a closed one where all are
            weights = convolution.weight[after]  # (B, count, channels, k, k)
            x = _by_image(x, _read(weights, kept), convolution)
            x = F.relu(x * scale[after][:, :, None, None] + shift[after][:, :, None, None]) * gates[:, :, None, None]
            kept = after
        convolution, norm = self.layers[-1]
        weights = convolution.weight.expand(batch, *convolution.weight.shape)
        last: Tensor = norm(_by_image(x, _read(weights, kept), convolution))
        return last


def folded(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """What batch norm does in evaluation as a factor and a summand per channel, (C,) each."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    return scale, norm.bias - norm.running_mean * scale


def _read(weights: Tensor, kept: Tensor | None) -> Tensor:
    """The weights (B, filters, channels, k, k) for the channels that were computed, (B, kept)."""
    if kept is None:
        return weights
    index = kept[:, None, :, None, None].expand(-1, weights.shape[1], -1, *weights.shape[3:])
    return weights.gather(2, index)


def _by_image(x: Tensor, weights: Tensor, convolution: nn.Conv2d) -> Tensor:
    """Each image (B, C, H, W) with filters of its own (B, filters, C, k, k): one grouped convolution."""
    batch, filters = weights.shape[:2]
    flat = x.reshape(1, -1, *x.shape[2:])
    result = F.conv2d(flat, weights.reshape(-1, *weights.shape[2:]), None, convolution.stride, convolution.padding, groups=batch)
    return result.reshape(batch, filters, *result.shape[2:])
