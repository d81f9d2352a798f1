"""Runs a trained graph fast on a processor. Tested against `core.graph.execution.execute`, to the same answers.

One image passes the network as one ONNX program with the decisions inside it (whole.py). In a batch, nodes that run for the same images
are one program, and images are gathered only where their set changes (segments.py, batch.py). What has no form in ONNX operators runs as
its module; other than single precision, other sizes of images and whole networks without a form are left to the executor.
"""

import copy
import time
from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from core.fast.answer import Answer
from core.fast.batch import BatchRunner
from core.fast.nested import NestedUnit
from core.fast.segments import Segment, units
from core.fast.threads import BatchSplitter
from core.fast.whole import WholeProgram
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.node import GraphError, Node
from core.graph.policy import Greedy, Open, Policy, Replay
from core.program.operators import NotWrittenError


class Engine:
    """A graph compiled to its fastest equivalent. It copies the weights, so later changes to the graph have no effect."""

    def __init__(self, graph: Graph, *, segmented: bool = True) -> None:
        """`segmented`: whether it is written as programs, which hold several further copies of the weights; otherwise it is executed."""
        self.segmented = segmented
        self.graph = copy.deepcopy(graph).eval().requires_grad_(False)
        self._parts = BatchSplitter(self._run)
        self._one = torch.Size((1, *self.graph.shapes[self.graph.input.name]))

    def run(self, x: Tensor, policy: Policy, *, lam: Tensor | float | None = None) -> Answer:
        """Run images (B, C, H, W), as `execute` does. Raises GraphError if λ is missing."""
        if lam is None and self.graph.tradeoff.every_lam:
            raise GraphError("this network serves every λ: give one, from 0 (cheap) to 1 (accurate)")
        if x.shape == self._one and type(policy) in (Greedy, Open, Replay) and self._written(x) and (whole := self.whole) is not None:
            return whole(x, policy, None if lam is None else float(lam))
        return self._parts(x, policy, lam)

    @torch.inference_mode()
    def _run(self, x: Tensor, policy: Policy, lam: Tensor | float | None) -> Answer:
        order = self.units if self._written(x) else None
        if order is None:
            done = execute(self.graph, x, policy, lam=lam)
            return Answer(done.output, done.gates, {name: ran.numpy() for name, ran in done.ran.items()})
        runner = BatchRunner(self.graph, x, policy, lam)
        for unit in order:
            runner.take(unit)
        return runner.answer()

    @cached_property
    def _single(self) -> bool:
        """Whether the network computes on the processor in single precision."""
        return all(one.dtype == torch.float32 and one.device.type == "cpu" for one in self.graph.parameters())

    def _written(self, x: Tensor) -> bool:
        """Return whether programs take these images: they are written for one size of images."""
        return self.segmented and self._single and x.dtype == torch.float32 and x.shape[1:] == self._one[1:]

    @cached_property
    def units(self) -> Sequence[Segment | NestedUnit | Node] | None:
        """The network in segments that run for the same images of a batch, if it can be written."""
        try:
            return units(self.graph)
        except NotWrittenError:
            return None

    @cached_property
    def whole(self) -> WholeProgram | None:
        """The network as one program for one image, if it can be written."""
        try:
            return WholeProgram(self.graph)
        except NotWrittenError:
            return None

    @torch.inference_mode()
    def watched(self, x: Tensor, policy: Policy, *, lam: Tensor | float | None = None) -> dict[str, float]:
        """Return the seconds that each node took, with the batch undivided; a join's include its branch. Raises NotWrittenError."""
        runner, taken = BatchRunner(self.graph, x, policy, lam), {}
        for unit in self._single_nodes:
            start = time.perf_counter()
            runner.take(unit)
            node = unit if isinstance(unit, Node) else unit.node if isinstance(unit, NestedUnit) else unit.nodes[0]
            taken[node.name] = time.perf_counter() - start
        return taken

    @cached_property
    def _single_nodes(self) -> Sequence[Segment | NestedUnit | Node]:
        return units(self.graph, single=True)
