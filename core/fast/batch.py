"""Runs a batch of images through a network: decides which images each step or segment runs for, and gathers them."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.fast.blocks import Gathered
from core.fast.plan import Answer, AtLam, Mask, Step
from core.fast.segments import BatchValues, Segment
from core.graph.graph import Graph
from core.graph.node import Edge, Node
from core.graph.policy import Greedy, Policy
from core.graph.rows import gather_rows, overwrite_rows


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
    """What a node sent for a subset of the images, (n, ...); None if the subset is empty."""

    value: Tensor | None
    rows: Subset


class BatchRunner:
    """Runs one batch step by step or segment by segment."""

    def __init__(self, graph: Graph, x: Tensor, lam: AtLam, policy: Policy) -> None:
        """`lam`: for all images or for each."""
        self.graph, self.policy, self.reward = graph, policy, lam.reward
        self.lams, self.condition = (None if one is None else one.expand(len(x)) for one in (lam.lams, lam.condition))  # (B,)
        self.everything = Subset(np.ones(len(x), dtype=np.bool_))
        self.held = {graph.input.name: SubsetValue(x, self.everything)}
        self.ran = {graph.input.name: self.everything}
        self.gates: dict[str, Tensor] = {}
        self.opened: dict[str, NDArray[np.float32]] = {}
        self.answers: list[tuple[Tensor, Subset]] = []

    def take(self, one: Step | Segment) -> None:
        """Compute a step or a segment for the images for which it runs."""
        if isinstance(one, Segment):
            self._cross(one)
            return
        step, node = one, one.node
        if any(edge.source == self.graph.input.name for edge in step.inputs):
            self._lay_out()
        rows, opening = self._enter(step)
        self.ran[node.name] = rows
        if step.branch is not None:
            self.held[node.name] = SubsetValue(self._block(step, step.branch, rows), rows)
        elif node.kind == "control":
            inputs = [self._received(edge, rows) for edge in step.inputs] if rows.count else []
            self._decide(node, rows, step.run(*inputs, weight=self._condition(rows)) if rows.count else None)
        else:
            value = self._computed(step, rows) if rows.count else None
            if value is not None and opening is not None:
                value = _scaled(value, opening, rows)
            if node.kind != "output":
                self.held[node.name] = SubsetValue(value, rows)
            elif value is not None:
                self.answers.append((value, rows))
        for source in step.last:
            del self.held[source]

    def _cross(self, segment: Segment) -> None:
        """Compute a segment for the images for which its first step runs, and so all of them."""
        rows, _ = self._enter(segment.steps[0])
        values = dict[str, Tensor]()
        if rows.count:
            given = {name: self._received(Edge(name), rows) for name in segment.reads}
            gates = {control: self.gates[control] if rows.all else self.gates[control][rows.numbers] for control in segment.controls}
            scales = any(((opened != 0) & (opened != 1)).any() for opened in (one.numpy() for one in gates.values()))
            values = segment.batch(BatchValues(rows.count, given, gates if scales else {}, self._condition(rows)))
        for step in segment.steps:
            name, value = step.node.name, values.get(step.node.name)
            self.ran[name] = rows
            if step.branch is not None:
                self.ran[step.branch.name] = rows
            if step.node.kind == "control":
                self._decide(step.node, rows, value)
            elif step.node.kind == "output":
                self.answers += [] if value is None else [(value, rows)]
            else:
                self.held[name] = SubsetValue(value, rows)
        for step in segment.steps:
            for source in step.last:
                del self.held[source]

    def answer(self) -> Answer:
        """Return the answers, the gates and the images for which each node ran."""
        if self.answers and self.answers[-1][1].all:
            output = self.answers[-1][0]
        else:
            found = np.full((len(self.everything.mask), *self.graph.shapes[self.graph.outputs[0].name]), np.nan, np.float32)
            for value, rows in self.answers:
                found[rows.mask] = value.numpy()
            output = torch.from_numpy(found)
        return Answer(output, self.gates, {name: rows.mask for name, rows in self.ran.items()})

    def _present(self, step: Step) -> Subset:
        """Return the images for which no input of a step is null; the output of a join's branch never is."""
        rows = self.everything
        for edge in step.inputs:
            there = self.held[edge.source].rows
            if edge.default is None and there is not rows:
                rows = there if rows.all else rows.where(there.mask)
        return rows

    def _lay_out(self) -> None:
        """Bring the images into the layout of the kernels, which segments do themselves."""
        name = self.graph.input.name
        if (x := self.held[name].value) is not None and x.dim() == 4:
            self.held[name] = SubsetValue(x.contiguous(memory_format=torch.channels_last), self.everything)

    def _enter(self, step: Step) -> tuple[Subset, NDArray[np.float32] | None]:
        """Return the images for which a step runs, and the largest of its gates, (B,), if it has gates."""
        rows, opening = self._present(step), self._opening(step.node) if step.node.gates else None
        return rows if opening is None else rows.where(opening > 0), opening

    def _condition(self, rows: Subset) -> Tensor | None:
        return self.condition if self.condition is None or rows.all else self.condition[rows.numbers]

    def _opening(self, node: Node) -> NDArray[np.float32]:
        """Return the largest of a node's gates, (B,)."""
        first, *others = node.gates
        opening = self.opened[first.control][:, first.column]
        for gate in others:
            opening = np.maximum(opening, self.opened[gate.control][:, gate.column])
        return opening

    def _computed(self, step: Step, rows: Subset) -> Tensor:
        node = step.node
        if node.kind == "dummy":
            constant = step.run()
            return constant.expand(rows.count, *constant.shape[1:])
        inputs = [self._received(edge, rows) for edge in step.inputs]
        return step.run(*inputs, owned=self._owned(step, rows), **self._channels(node, rows))

    def _channels(self, node: Node, rows: Subset) -> dict[str, Tensor]:
        """Return the channel gates (n, count) of a node for a subset of the images, under the name that its kernel takes; none without."""
        if node.channels is None:
            return {}
        gates = self.gates[node.channels.control][:, node.channels.columns]
        return {"channels": gates if rows.all else gates[rows.numbers]}

    def _owned(self, step: Step, rows: Subset) -> bool:
        """Return whether a step may overwrite its first input, because it was gathered for the step or no later step reads it."""
        return step.overwrites or self.held[step.inputs[0].source].rows is not rows

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
            found = np.zeros((len(self.everything.mask), *self.graph.shapes[node.name]), np.float32)
            if some is not None:
                found[rows.mask] = some.numpy()
            some = torch.from_numpy(found)
        if type(self.policy) is Greedy and node.decides == "one" and some.dtype == torch.float32:
            gates = torch.from_numpy(self._best(some.numpy()))
        else:
            gates = self.policy(node, self.graph.tradeoff.score(some, self.lams))
        if not rows.all:
            gates = gates * torch.from_numpy(rows.mask)[:, None].to(gates)
        self.gates[node.name], self.opened[node.name] = gates, gates.numpy()

    def _best(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return greedy gates from the values (B, K) or (B, K, 2) of a controller. NumPy takes less time than torch for so few numbers."""
        scores = values if values.ndim == 2 else (values * self.reward).sum(axis=2)
        gates = np.zeros(scores.shape, np.float32)
        gates[np.arange(len(scores)), scores.argmax(axis=1)] = 1
        return gates

    def _block(self, step: Step, branch: Node, rows: Subset) -> Tensor | None:
        """Compute a join and its branch, for the images that reach the join."""
        run, held = step.run, self.held[step.inputs[0].source]
        assert isinstance(run, Gathered)
        opening = self._opening(branch) if branch.gates else None
        on = rows if opening is None else rows.where(opening > 0)
        self.ran[branch.name] = on
        if held.value is None:
            return None
        x, owned = held.value, self._owned(step, rows)
        if not on.count:
            return run.closed(x, owned)
        scale = None if opening is None else _scale(opening, on)
        channels = self._channels(branch, on).get("channels")
        if on is rows:
            return run.open(x, owned, scale, channels)
        numbers = on.among(rows)
        opened = run.open(gather_rows(x, numbers), True, scale, channels)
        return overwrite_rows(run.closed(x, owned), numbers, opened)


def _scale(opening: NDArray[np.float32], rows: Subset) -> Tensor | float | None:
    """Return the gates (B,) of a subset as a factor: None if all are one, a number for a single image, (n,) otherwise."""
    some = opening if rows.all else opening[rows.mask]
    if len(some) == 1:
        return None if some[0] == 1 else float(some[0])
    return None if (some == 1).all() else torch.from_numpy(some)


def _scaled(value: Tensor, opening: NDArray[np.float32], rows: Subset) -> Tensor:
    scale = _scale(opening, rows)
    if scale is None:
        return value
    return value * (scale.reshape(-1, *[1] * (value.dim() - 1)) if isinstance(scale, Tensor) else scale)
