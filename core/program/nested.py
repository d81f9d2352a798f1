"""Writes modules with nested widths: an image runs the convolutions of its own width, whose weights are in the program beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

from core.graph.node import ChannelGate
from core.modules.nested import Nested, NestedBranch, NestedInverted
from core.modules.residual import folded
from core.program.modules import Shape, sizes, writes
from core.program.operators import Operators

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.program.network import Network


def write_width(part: Nested, to: Operators, x: str, width: int, scale: str | None) -> str:
    """Write a module at a width, a number of open groups of at least one. `scale`: of its inner channels, (images, channels, 1, 1)."""
    layers, end = part.layers_by_width, part.ends[width - 1]
    for number, layer in enumerate(layers):
        last = number == len(layers) - 1
        kept = layer.convolution.weight.detach()[: None if last else end, : None if number == 0 or layer.depthwise else end]
        factor, shift = (one.detach() for one in folded(layer.norms[width - 1]))
        if last and scale is not None:
            x = to.add("Mul", x, scale)
        attributes = sizes(layer.convolution) | {"group": len(kept) if layer.depthwise else 1}
        x = to.add("Conv", x, to.constant(kept * factor[:, None, None, None]), to.constant(shift), **attributes)
        if layer.activation is F.relu6:
            x = to.add("Clip", x, to.constant(torch.tensor(0.0)), to.constant(torch.tensor(6.0)))
        elif layer.activation is not None:
            x = to.add("Relu", x)
    return x


def write_chosen(network: Network, to: Operators, part: Nested, channels: ChannelGate, sent: dict[str, str], x: str, shape: Shape) -> str:
    """Write a module at the width that the gates of one image choose. `shape`: that of its output, (C, H, W)."""

    def at(inner: Operators, width: int) -> list[str]:
        """Write this width if the next group is closed, or else a wider one."""
        if width == part.count:
            return computed(inner, width)
        following = (channels.control, slice(channels.first + width, channels.first + width + 1))
        flag = network.piece(inner, sent, following, opened=True)
        return inner.either(flag, lambda wider: at(wider, width + 1), lambda own: computed(own, width))

    def computed(inner: Operators, width: int) -> list[str]:
        inner.module = to.module
        if not width:
            nothing = folded(part.layers_by_width[-1].norms[0])[1].detach()
            return [inner.add("Expand", inner.constant(nothing[None, :, None, None]), inner.integers(1, *shape))]
        scale = None
        if network.scales and scaling(network.graph.parts[channels.control], channels):
            gates = network.piece(inner, sent, (channels.control, channels.columns), opened=False)
            chosen = inner.add("Gather", gates, inner.integers(*part.group[: part.ends[width - 1]].tolist()), axis=1)
            scale = inner.add("Reshape", chosen, inner.integers(1, -1, 1, 1))
        return [write_width(part, inner, x, width, scale)]

    return at(to, 0)[0]


def scaling(control: nn.Module, channels: ChannelGate) -> bool:
    """Return whether the gates of a control node scale the channels that they open."""
    least = getattr(control, "least", None)
    return least is None or bool((least[channels.columns] != 1).any())


@writes(NestedBranch, NestedInverted)
def _nested(part: Nested, to: Operators, inputs: Sequence[str], shapes: Sequence[Shape]) -> str:
    return write_width(part, to, inputs[0], part.count, None)
