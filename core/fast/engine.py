"""Runs a trained graph fast on a processor. Tested against `core.graph.execution.execute`, to the same answers.

Modules run as kernels (kernels.py). Images are gathered only where the set of images changes, and stay gathered until it changes again. A
residual block with gates and the join behind it are one step, so that images whose gate is closed are not moved. For one image, several
steps run as one program (segments.py).
"""

import copy
import time
from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from core.fast.batch import BatchRunner
from core.fast.plan import Answer, Step, steps
from core.fast.segments import Segment, segments
from core.fast.single import SingleRunner
from core.fast.threads import BatchSplitter
from core.graph.graph import Graph
from core.graph.node import GraphError
from core.graph.policy import Greedy, Open, Policy, Replay


class Engine:
    """A graph compiled to its fastest equivalent. It copies the weights, so later changes to the graph have no effect."""

    def __init__(self, graph: Graph, *, segmented: bool = True) -> None:
        """`segmented`: whether one image runs in segments, which hold several further copies of the weights."""
        self.segmented = segmented
        self.graph = copy.deepcopy(graph).eval().requires_grad_(False)
        self.steps = steps(self.graph)
        self._parts = BatchSplitter(self._run)
        self._known: dict[float, tuple[Tensor, Tensor | None]] = {}

    @torch.inference_mode()
    def run(self, x: Tensor, policy: Policy, *, lam: Tensor | float | None = None) -> Answer:
        """Run images (B, C, H, W), as `execute` does. Raises GraphError if λ is missing."""
        return self._parts(x, policy, lam)

    @torch.inference_mode()
    def _run(self, x: Tensor, policy: Policy, lam: Tensor | float | None) -> Answer:
        passing = self._passing(x, policy, lam)
        if isinstance(passing, SingleRunner):
            for one in self._single_steps(x, policy):
                passing.take(one)
        else:
            for step in self.steps:
                passing.take(step)
        return passing.answer()

    def _single_steps(self, x: Tensor, policy: Policy) -> Sequence[Step | Segment]:
        """Return what one image runs: segments if they support the size of the image and the precision of the network."""
        if not self.segmented or x.shape[1:] != self.graph.shapes[self.graph.input.name] or not self._single:
            return self.steps
        return self.deciding if type(policy) in (Greedy, Open, Replay) else self.segments

    @cached_property
    def _single(self) -> bool:
        """Whether the network computes on the processor in single precision."""
        return all(one.dtype == torch.float32 and one.device.type == "cpu" for one in self.graph.parameters())

    @cached_property
    def segments(self) -> Sequence[Step | Segment]:
        """The steps in segments that end before each decision."""
        return segments(self.graph, self.steps, deciding=False)

    @cached_property
    def deciding(self) -> Sequence[Step | Segment]:
        """The steps in segments that may contain decisions: gate networks decide inside, or all gates are inputs."""
        found = segments(self.graph, self.steps, deciding=True)
        return found if len(found) < len(self.segments) else self.segments

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
        if self.graph.tradeoff.every_lam and lam is None:
            raise GraphError("this network serves every λ: give one, from 0 (cheap) to 1 (accurate)")
        lams, condition = (None, None) if lam is None else self._condition(lam)
        return SingleRunner(self.graph, x, lams, condition, policy) if len(x) == 1 else BatchRunner(self.graph, x, lams, condition, policy)

    def _condition(self, lam: Tensor | float) -> tuple[Tensor, Tensor | None]:
        """Return λ and the condition that control nodes take, (1,) or (B,) each; cached for plain numbers."""
        if isinstance(lam, Tensor):
            lams = lam.reshape(-1).float()
            return lams, self.graph.tradeoff.condition(lams)
        if lam not in self._known:
            lams = torch.tensor([float(lam)])
            self._known[lam] = (lams, self.graph.tradeoff.condition(lams))
        return self._known[lam]
