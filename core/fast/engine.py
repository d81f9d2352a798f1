"""Runs a trained graph fast on a processor. Tested against `core.graph.execution.execute`, to the same answers.

Modules run as kernels (kernels.py). Images are gathered only where the set of images changes, and stay gathered until it changes again. A
residual block with gates and the join behind it are one step, so that images whose gate is closed are not moved. Several steps run as one
program (segments.py): for one image wherever possible, in a batch where that is faster.
"""

import copy
import time
from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from core.fast.batch import BatchRunner
from core.fast.plan import Answer, AtLam, Step, steps
from core.fast.program import WholeProgram
from core.fast.segments import Segment, batch_segments, segments
from core.fast.single import SingleRunner
from core.fast.threads import BatchSplitter
from core.graph.graph import Graph
from core.graph.policy import Greedy, Open, Policy, Replay
from core.program.operators import NotWrittenError


class Engine:
    """A graph compiled to its fastest equivalent. It copies the weights, so later changes to the graph have no effect."""

    def __init__(self, graph: Graph, *, segmented: bool = True) -> None:
        """`segmented`: whether steps run together as programs, which hold several further copies of the weights."""
        self.segmented = segmented
        self.graph = copy.deepcopy(graph).eval().requires_grad_(False)
        self.steps = steps(self.graph)
        self._parts = BatchSplitter(self._run)
        self._one = torch.Size((1, *self.graph.shapes[self.graph.input.name]))
        self._known: dict[float | None, AtLam] = {}

    def run(self, x: Tensor, policy: Policy, *, lam: Tensor | float | None = None) -> Answer:
        """Run images (B, C, H, W), as `execute` does. Raises GraphError if λ is missing."""
        if x.shape == self._one and type(policy) in (Greedy, Open, Replay) and self._written(x) and (whole := self.whole) is not None:
            return whole(x, policy, self._at(lam))
        return self._parts(x, policy, lam)

    @torch.inference_mode()
    def _run(self, x: Tensor, policy: Policy, lam: Tensor | float | None) -> Answer:
        passing = self._passing(x, policy, lam)
        order = (self.segments if len(x) == 1 else self.batched) if self._written(x) else self.steps
        for one in order:
            passing.take(one)
        return passing.answer()

    @cached_property
    def _single(self) -> bool:
        """Whether the network computes on the processor in single precision."""
        return all(one.dtype == torch.float32 and one.device.type == "cpu" for one in self.graph.parameters())

    def _written(self, x: Tensor) -> bool:
        """Return whether programs take these images: they are written for one size of images."""
        return self.segmented and self._single and x.dtype == torch.float32 and (x.shape == self._one or x.shape[1:] == self._one[1:])

    @cached_property
    def batched(self) -> Sequence[Step | Segment]:
        """The steps in segments that run for the same images of a batch."""
        return batch_segments(self.graph, self.steps)

    @cached_property
    def segments(self) -> Sequence[Step | Segment]:
        """The steps in segments that end before each decision, for one image."""
        return segments(self.graph, self.steps)

    @cached_property
    def whole(self) -> WholeProgram | None:
        """The network as one program for one image, if it can be written."""
        try:
            return WholeProgram(self.graph, self.steps)
        except NotWrittenError:
            return None

    @torch.inference_mode()
    def watched(self, x: Tensor, policy: Policy, *, lam: Tensor | float | None = None) -> dict[str, float]:
        """Return the seconds that each step took, with the batch undivided; a join's include its branch."""
        passing, taken = self._passing(x, policy, lam), {}
        for step in self.steps:
            start = time.perf_counter()
            passing.take(step)
            taken[step.node.name] = time.perf_counter() - start
        return taken

    def _passing(self, x: Tensor, policy: Policy, lam: Tensor | float | None) -> SingleRunner | BatchRunner:
        runner = SingleRunner if len(x) == 1 else BatchRunner
        return runner(self.graph, x, self._at(lam), policy)

    def _at(self, lam: Tensor | float | None) -> AtLam:
        """Return what follows from λ; cached for plain numbers. Raises GraphError."""
        if isinstance(lam, Tensor):
            return AtLam.of(self.graph, lam)
        found = self._known.get(lam)
        if found is None:
            found = self._known[lam] = AtLam.of(self.graph, lam)
        return found
