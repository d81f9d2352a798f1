"""Writes a residual block with gates: a join and the branch whose output it adds.

A branch whose gate is closed is not computed. Of its convolutions, only the filters whose gates are open are computed, and they read only
channels that were computed. Where the last convolution reads none, it sends its bias. Filters that an image chooses cannot be prepared
beforehand, so that computing all of them takes less time where they are few; the fast engine does that.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from torch import Tensor, nn

from core.graph.node import Node
from core.modules.layers import Norm, Shortcut
from core.modules.residual import Branch, folded
from core.program.modules import convolve, join, sizes, write
from core.program.operators import Operators

if TYPE_CHECKING:
    from core.program.conditions import Conditions
    from core.program.network import Network

Layer = tuple[nn.Conv2d, Norm, tuple[str, slice] | None]  # a convolution, its batch norm and its gates; the last one has none


class GatedBlock:
    """Writes one join and its branch."""

    def __init__(self, network: Network, node: Node, branch: Node, sent: dict[str, str]) -> None:
        """`sent`: the values that the block may read."""
        self.network, self.node, self.branch, self.sent = network, node, branch, sent
        part, branching = network.graph.parts[node.name], network.graph.parts[branch.name]
        assert isinstance(part, Shortcut)
        assert isinstance(branching, Branch)
        self.join, self.convolutions = part, branching
        self.x = sent[node.inputs[0].source]

    def write(self, to: Operators, held: Conditions) -> str:
        """Write the block, which runs where `held` holds. Returns the name of its output."""
        missing = self.network.needed[self.branch.name] - held
        if not missing:
            return self._open(to)
        runs = self.network.hold(to, self.sent, missing)
        return to.either(runs, lambda inner: [self._open(inner)], lambda inner: [self._joined(inner, None)])[0]

    def _open(self, to: Operators) -> str:
        """Write the block where its branch runs."""
        to.module = self.branch.name
        if self.branch.channels is None:
            return self._joined(to, write(self.convolutions, to, [self.x], [()]))
        ends = accumulate(self.convolutions.inner, initial=self.branch.channels.first)
        kept = [(self.branch.channels.control, slice(*pair)) for pair in pairwise(ends)]
        if not self.network.chooses:
            return self._multiplied(to, kept)
        layers: list[Layer] = [(*layer, gates) for layer, gates in zip(self.convolutions.layers, [*kept, None], strict=True)]
        return self._kept(to, layers, self.x, None, self.network.graph.shapes[self.branch.inputs[0].source])

    def _multiplied(self, to: Operators, kept: list[tuple[str, slice]]) -> str:
        """Write a branch of which all filters are computed and multiplied by their gates, unless one image keeps none that is read."""
        pieces = [self.network.piece(to, self.sent, gates, opened=False) for gates in kept]
        *layers, last = self.convolutions.layers

        def computed(inner: Operators) -> list[str]:
            inner.module, x = self.branch.name, self.x
            for layer, gates in zip(layers, pieces, strict=True):
                factors = inner.add("Reshape", gates, inner.integers(0, -1, 1, 1))
                x = inner.add("Mul", convolve(inner, x, *layer, activation="relu"), factors)
            return [self._joined(inner, convolve(inner, x, *last))]

        def skipped(inner: Operators) -> list[str]:
            return [self._joined(inner, inner.constant(folded(last[1])[1].detach()[None, :, None, None]))]

        if not self.network.whole:
            return computed(to)[0]
        return to.either(to.add("Greater", to.add("ReduceMax", pieces[-1], keepdims=0), to.number(0)), computed, skipped)[0]

    def _kept(self, to: Operators, layers: list[Layer], x: str | None, read: str | None, shape: tuple[int, ...]) -> str:
        """Write the rest of a branch of which only some filters are computed, and the join behind it.

        `x`: the maps that the next convolution reads, None where it reads no channel. `read`: which of its channels they are, (channels,),
        None for all. `shape`: of the maps if all were kept.
        """
        (convolution, norm, gates), *rest = layers
        factor, shift = (one.detach() for one in folded(norm))
        weight, bias = self._shared(to, convolution, convolution.weight.detach() * factor[:, None, None, None]), to.constant(shift)
        _, height, width = shape
        height, width = (-(-side // step) for side, step in zip((height, width), convolution.stride, strict=True))
        if gates is None:
            if x is None:
                return self._joined(to, to.add("Identity", to.constant(shift[None, :, None, None])))
            weight = weight if read is None else to.add("Compress", weight, read, axis=1)
            return self._joined(to, to.add("Conv", x, weight, bias, **sizes(convolution)))
        scales = self.network.piece(to, self.sent, gates, opened=False)  # (1, filters)
        flags = to.add("Reshape", self.network.piece(to, self.sent, gates, opened=True), to.integers(-1))  # (filters,)
        after = (convolution.out_channels, height, width)

        def computed(inner: Operators) -> list[str]:
            own = inner.add("Compress", bias, flags, axis=0)
            if x is None:
                sent = inner.add("Expand", inner.add("Reshape", own, inner.integers(1, -1, 1, 1)), inner.integers(1, 1, height, width))
            else:
                filters = inner.add("Compress", weight, flags, axis=0)
                filters = filters if read is None else inner.add("Compress", filters, read, axis=1)
                sent = inner.add("Conv", x, filters, own, **sizes(convolution))
            by = inner.add("Reshape", inner.add("Compress", scales, flags, axis=1), inner.integers(1, -1, 1, 1))
            return [self._kept(inner, rest, inner.add("Mul", inner.add("Relu", sent), by), flags, after)]

        some = to.add("Greater", to.add("ReduceMax", scales, keepdims=0), to.number(0))
        return to.either(some, computed, lambda inner: [self._kept(inner, rest, None, None, after)])[0]

    def _shared(self, to: Operators, convolution: nn.Conv2d, weight: Tensor) -> str:
        """Return weights that several branches of the program read."""
        found = to.find(convolution)
        if found is None:
            found = to.top.known[convolution] = to.top.constant(weight)
        return found

    def _joined(self, to: Operators, value: str | None) -> str:
        """Write the end of the block. `value`: what the branch sends, None where it does not run."""
        if value is not None:
            value = self.network.scaled(to, value, self.network.scale(to, self.sent, self.branch), 3)
        to.module = self.node.name
        return join(self.join, to, self.x, value)
