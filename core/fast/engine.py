"""The fast way to run a trained graph on a processor. `core.graph.execution.execute` is the reference that it is tested against.

What differs from the executor is where the time goes, not what comes out: modules are kernels (kernels.py), rows are gathered only where
the set of images changes and stay so until it changes again, and a residual block with gates is one step with the join behind it: images
that it is closed for are left where they are. One image passes steps together, as programs (stretch.py).
"""

import copy
import time
from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from core.fast.batch import BatchRunner
from core.fast.plan import Answer, Step, steps
from core.fast.segments import Segment, stretches
from core.fast.single import SingleRunner
from core.fast.threads import BatchSplitter
from core.graph.graph import Graph
from core.graph.node import GraphError
from core.graph.policy import Greedy, Open, Policy, Replay


class Engine:
    """A graph ready to run; later changes of its weights do not reach it."""

    def __init__(self, graph: Graph) -> None:
        self.graph = copy.deepcopy(graph).eval().requires_grad_(False)
        self.steps = steps(self.graph)
        self._parts = BatchSplitter(self._run)
        self._known: dict[float, tuple[Tensor, Tensor | None]] = {}

    @torch.inference_mode()
    def run(self, x: Tensor, policy: Policy, *, lam: Tensor | float | None = None) -> Answer:
        """Run images (B, C, H, W), as `execute` does. Raises GraphError where λ is missing."""
        return self._parts(x, policy, lam)

    @torch.inference_mode()
    def _run(self, x: Tensor, policy: Policy, lam: Tensor | float | None) -> Answer:
        passing = self._passing(x, policy, lam)
        if isinstance(passing, SingleRunner):
            for one in self._alone(x, policy):
                passing.take(one)
        else:
            for step in self.steps:
                passing.take(step)
        return passing.answer()

    def _alone(self, x: Tensor, policy: Policy) -> Sequence[Step | Segment]:
        """What one image passes: programs where they are made for it."""
        if x.shape[1:] != self.graph.shapes[self.graph.input.name] or not self._single:
            return self.steps
        return self.deciding if type(policy) in (Greedy, Open, Replay) else self.stretches

    @cached_property
    def _single(self) -> bool:
        """Whether all is computed on the processor in single precision."""
        return all(one.dtype == torch.float32 and one.device.type == "cpu" for one in self.graph.parameters())

    @cached_property
    def stretches(self) -> Sequence[Step | Segment]:
        """The steps as programs that end before each decision."""
        return stretches(self.graph, self.steps, deciding=False)

    @cached_property
    def deciding(self) -> Sequence[Step | Segment]:
        """The steps as programs whose gate networks decide, or to which all gates are given."""
        found = stretches(self.graph, self.steps, deciding=True)
        return found if len(found) < len(self.stretches) else self.stretches

    @torch.inference_mode()
    def watched(self, x: Tensor, policy: Policy, *, lam: Tensor | float | None = None) -> dict[str, float]:
        """The seconds that each step took, with the batch as a whole whatever the threads; a join's are with its branch."""
        passing, taken = self._passing(x, policy, lam), {}
        for step in self.steps:
            start = time.perf_counter()
            passing.take(step)
            taken[step.node.name] = time.perf_counter() - start
        return taken

    def _passing(self, x: Tensor, policy: Policy, lam: Tensor | float | None) -> SingleRunner | BatchRunner:
        if self.graph.tradeoff.every_lam and lam is None:
            raise GraphError("this network serves every λ: say which (0 is cheap, 1 is accurate)")
        lams, told = (None, None) if lam is None else self._told(lam)
        return SingleRunner(self.graph, x, lams, told, policy) if len(x) == 1 else BatchRunner(self.graph, x, lams, told, policy)

    def _told(self, lam: Tensor | float) -> tuple[Tensor, Tensor | None]:
        """λ, and what control nodes are told of it, (1,) or (B,) each; remembered for plain numbers."""
        if isinstance(lam, Tensor):
            lams = lam.reshape(-1).float()
            return lams, self.graph.tradeoff.condition(lams)
        if lam not in self._known:
            lams = torch.tensor([float(lam)])
            self._known[lam] = (lams, self.graph.tradeoff.condition(lams))
        return self._known[lam]
