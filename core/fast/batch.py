"""Runs images through a network segment by segment: decides for which images each runs, and gathers them where that set changes."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.fast.answer import Answer, Mask
from core.fast.nested import NestedUnit
from core.fast.segments import Segment
from core.graph.graph import Graph
from core.graph.node import Edge, Node
from core.graph.policy import Policy
from core.graph.rows import gather_rows, overwrite_rows
from core.modules.layers import Join
from core.modules.residual import Branch, folded


class Subset:
    """A subset of B images, as a mask (B,)."""

    def __init__(self, mask: Mask) -> None:
        self.mask, self.count = mask, int(np.count_nonzero(mask))
        self.all = self.count == len(mask)

    @property
    def numbers(self) -> Tensor:
        """The indices of the subset in the batch, (n,)."""
        return torch.from_numpy(np.flatnonzero(self.mask))

    def among(self, others: "Subset") -> Tensor:
        """Return the indices of the subset in a larger subset, (n,)."""
        return torch.from_numpy(np.flatnonzero(self.mask if others.all else self.mask[others.mask]))

    def where(self, mask: Mask) -> "Subset":
        """Return the part of the subset that is in a mask (B,); the same object if that is the whole subset."""
        kept = Subset(mask if self.all else self.mask & mask)
        return self if kept.count == self.count else kept


@dataclass(frozen=True)
class SubsetValue:
    """What a node sent for a subset of the images, (n, ...); None if the subset is empty.

    `own`: nothing else refers to its memory, so that the last to read it may overwrite it.
    """

    value: Tensor | None
    rows: Subset
    own: bool = False


class BatchRunner:
    """Runs one batch."""

    def __init__(self, graph: Graph, x: Tensor, policy: Policy, lam: Tensor | float | None) -> None:
        """`lam`: for all images or for each."""
        self.graph, self.policy = graph, policy
        self.lams = None if lam is None else torch.as_tensor(lam, dtype=torch.float32).reshape(-1).expand(len(x))  # (B,)
        self.condition = None if self.lams is None else graph.tradeoff.condition(self.lams)  # (B,)
        self.everything = Subset(np.ones(len(x), dtype=np.bool_))
        self.held = {graph.input.name: SubsetValue(x, self.everything)}
        self.ran = {graph.input.name: self.everything}
        self.gates: dict[str, Tensor] = {}
        self.opened: dict[str, NDArray[np.float32]] = {}
        self.answers: list[tuple[Tensor, Subset]] = []

    def take(self, unit: Segment | NestedUnit | Node) -> None:
        """Compute a segment, or a single node, for the images for which it runs."""
        if isinstance(unit, Node):
            self._node(unit)
        elif isinstance(unit, NestedUnit):
            self._nested(unit)
        elif unit.branch is None:
            self._segment(unit)
        else:
            self._block(unit, unit.branch)

    def answer(self) -> Answer:
        """Return the answers, the gates and the images for which each node ran."""
        if self.answers and self.answers[-1][1].all:
            output = self.answers[-1][0]
        else:
            found = np.full((len(self.everything.mask), *self.graph.shapes[self.graph.outputs[0].name]), np.nan, np.float32)
            for value, rows in self.answers:
                found[rows.mask] = value.numpy()
            output = torch.from_numpy(found)
        return Answer(output, self.gates, {node.name: self.ran[node.name].mask for node in self.graph.nodes})

    def _segment(self, segment: Segment) -> None:
        rows, _ = self._enter(segment.nodes[0])
        values = self._values(segment, rows) if rows.count else {}
        self.ran |= dict.fromkeys(segment.names, rows)
        for node in segment.nodes:
            self._keep(node, values.get(node.name), rows, own=True)

    def _node(self, node: Node) -> None:
        """Compute a node by its module."""
        rows, opening = self._enter(node)
        self.ran[node.name], value = rows, None
        if rows.count:
            inputs = [self._received(edge, rows) for edge in node.inputs]
            condition = self.condition if self.condition is None or rows.all else self.condition[rows.numbers]
            weight = {"weight": condition} if node.kind == "control" else {}
            value = self.graph.parts[node.name](*inputs, **weight)
            value = value.expand(rows.count, *value.shape[1:]) if node.kind == "dummy" else value
            value = value if opening is None else _scaled(value, opening, rows)
        self._keep(node, value, rows, own=False)

    def _nested(self, unit: NestedUnit) -> None:
        """Compute a node with nested widths."""
        node, channels = unit.node, unit.node.channels
        assert channels is not None
        rows, opening = self._enter(node)
        self.ran[node.name], value = rows, None
        if rows.count:
            gates = self.gates[channels.control][:, channels.columns]
            value = unit(self._received(node.inputs[0], rows), gates if rows.all else gates[rows.numbers])
            value = value if opening is None else _scaled(value, opening, rows)
        self._keep(node, value, rows, own=True)

    def _block(self, segment: Segment, branch: Node) -> None:
        """Compute a residual block with gates: only the shortcut of images whose gate is closed."""
        (join,), (edge,) = segment.nodes, segment.reads
        rows, _ = self._enter(join)
        on = rows.where(self._opening(branch) > 0) if branch.gates else rows
        reads = on if branch.channels is None else on.where(self._reads(branch))
        self.ran[join.name], self.ran[branch.name] = rows, on
        value: Tensor | None = None
        if rows.count and segment.sends and reads is rows:
            value = self._values(segment, rows)[join.name]
        elif rows.count and segment.sends:
            computed = self._values(segment, reads)[join.name] if reads.count else None
            constant: Mask = np.logical_not(reads.mask)
            value = self._without(join, branch, edge, rows, on.where(constant))
            value = value if computed is None else overwrite_rows(value, reads.among(rows), computed)
        self._keep(join, value, rows, own=True)

    def _reads(self, branch: Node) -> Mask:
        """Return the images that keep a channel which the last convolution of a branch reads, (B,)."""
        part, channels = self.graph.parts[branch.name], branch.channels
        assert isinstance(part, Branch)
        assert channels is not None
        end = channels.first + channels.count
        kept = self.opened[channels.control][:, end - part.inner[-1] : end] > 0
        return np.asarray(kept.any(axis=1))

    def _without(self, join: Node, branch: Node, edge: Edge, rows: Subset, constant: Subset) -> Tensor:
        """Return the output of a block whose branch is not computed, in memory of its own.

        `constant`: the images for which the branch sends its last bias, as it keeps no channel; for the others it sends nothing.
        """
        part, sender, held = self.graph.parts[join.name], self.graph.parts[branch.name], self.held[edge.source]
        assert isinstance(part, Join)
        assert isinstance(sender, Branch)
        x = self._received(edge, rows)
        if constant.count:
            sent = torch.zeros(rows.count, part.channels + part.more, 1, 1)
            bias = folded(sender.layers[-1][1])[1].expand(constant.count, -1)[:, :, None, None]
            sent[constant.among(rows)] = _scaled(bias, self._opening(branch), constant) if branch.gates else bias
            ended: Tensor = part(x, sent)
            return ended
        if part.idle and (held.own or x is not held.value) and edge.source in self.graph.unread[join.name]:
            return x.relu_()
        return part.shortcut(x).relu()

    def _values(self, segment: Segment, rows: Subset) -> dict[str, Tensor]:
        """Run a segment for a subset of the images."""
        given = {edge.source: self._received(edge, rows) for edge in segment.reads}
        gates = {name: self.gates[name] if rows.all else self.gates[name][rows.numbers] for name in segment.controls}
        condition = self.condition if self.condition is None or rows.all else self.condition[rows.numbers]
        return segment(given, gates, condition, rows.count)

    def _keep(self, node: Node, value: Tensor | None, rows: Subset, *, own: bool) -> None:
        """Keep what a node sent as long as others read it."""
        if node.kind == "control":
            self._decide(node, rows, value)
        elif node.kind == "output":
            self.answers += [] if value is None else [(value, rows)]
        else:
            self.held[node.name] = SubsetValue(value, rows, own)
        for source in self.graph.unread[node.name]:
            self.held.pop(source, None)

    def _enter(self, node: Node) -> tuple[Subset, NDArray[np.float32] | None]:
        """Return the images for which a node runs, and the largest of its gates, (B,), if it has gates."""
        rows = self.everything
        for edge in node.inputs:
            there = self.ran.get(edge.source, rows)  # the branch of a join runs in the same segment
            if edge.default is None and there is not rows:
                rows = there if rows.all else rows.where(there.mask)
        opening = self._opening(node) if node.gates else None
        return rows if opening is None else rows.where(opening > 0), opening

    def _opening(self, node: Node) -> NDArray[np.float32]:
        """Return the largest of a node's gates, (B,)."""
        first, *others = node.gates
        opening = self.opened[first.control][:, first.column]
        for gate in others:
            opening = np.maximum(opening, self.opened[gate.control][:, gate.column])
        return opening

    def _received(self, edge: Edge, rows: Subset) -> Tensor:
        """Return what comes along a data edge for a subset of the images."""
        held = self.held[edge.source]
        if held.rows is rows and held.value is not None:
            return held.value
        there = rows.where(held.rows.mask)
        if there is rows and held.value is not None:
            return gather_rows(held.value, rows.among(held.rows))
        received = torch.full((rows.count, *self.graph.shapes[edge.source]), float(edge.default or 0))
        if held.value is not None and there.count:
            received[there.among(rows)] = gather_rows(held.value, there.among(held.rows))
        return received

    def _decide(self, node: Node, rows: Subset, some: Tensor | None) -> None:
        """Set the gates of a control node from its values for a subset, None if that is empty."""
        if some is None or not rows.all:
            found = torch.zeros(len(self.everything.mask), *self.graph.shapes[node.name])
            if some is not None:
                found[rows.numbers] = some
            some = found
        gates = self.policy(node, self.graph.tradeoff.score(some, self.lams))
        if not rows.all:
            gates = gates * torch.from_numpy(rows.mask)[:, None].to(gates)
        self.gates[node.name], self.opened[node.name] = gates, gates.numpy()


def _scaled(value: Tensor, opening: NDArray[np.float32], rows: Subset) -> Tensor:
    """Multiply the output of a node by its gates, (B,)."""
    some = torch.from_numpy(opening if rows.all else opening[rows.mask])
    return value if bool((some == 1).all()) else value * some.reshape(-1, *[1] * (value.dim() - 1))
