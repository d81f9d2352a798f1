"""Runs a trained graph fast on a processor. Tested against `core.graph.execution.execute`, to the same answers.

One image passes the network as one ONNX program with the decisions inside it (whole.py). In a batch, nodes that run for the same images
are one program, and images are gathered only where their set changes (segments.py, batch.py), or images pass one by one: both are timed
once for each size of batch. What has no form in ONNX operators runs as
its module; other than single precision, other sizes of images and whole networks without a form are left to the executor.
"""

import copy
import time
from collections.abc import Callable, Sequence
from functools import cached_property, partial

import torch
from torch import Tensor

from core.fast.answer import Answer
from core.fast.autotune import fastest
from core.fast.batch import BatchRunner
from core.fast.nested import NestedUnit
from core.fast.segments import IMAGES_PER_CALL, Segment, units
from core.fast.threads import BatchSplitter, Run
from core.fast.whole import WholeProgram
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.node import GraphError, Node
from core.graph.policy import Greedy, Open, Policy, Replay
from core.program.operators import NotWrittenError


class Engine:
    """A graph compiled to its fastest equivalent."""

    def __init__(self, graph: Graph, *, segmented: bool = True) -> None:
        """`segmented`: whether it is written as programs, which hold several copies of the weights, so that later changes to the graph
        have no effect. Otherwise the graph itself is executed, which must be in evaluation mode.
        """
        self.segmented = segmented
        self.graph = copy.deepcopy(graph).eval().requires_grad_(False) if segmented else graph
        self._parts = BatchSplitter(self._run)
        self._every_lam = graph.tradeoff.every_lam
        self._image = torch.Size(self.graph.shapes[self.graph.input.name])
        self.chosen: dict[tuple[int, int, type], Run] = {}  # by threads, size of batch and policy

    def run(self, x: Tensor, policy: Policy, *, lam: Tensor | float | None = None) -> Answer:
        """Run images (B, C, H, W), as `execute` does. Raises GraphError if λ is missing."""
        if lam is None and self._every_lam:
            raise GraphError("this network serves every λ: give one, from 0 (cheap) to 1 (accurate)")
        if len(x) == 1 and (whole := self._program(x, policy)) is not None:
            return whole(x, policy, lam)
        return self._parts(x, policy, lam)

    def prepared(self, x: Tensor, policy: Policy, lam: Tensor | float | None) -> Callable[[], object]:
        """Return what runs images as `run` does, with everything done beforehand that is no part of inference: all of it is for timing."""
        if len(x) == 1 and (whole := self._program(x, policy)) is not None:
            return whole.prepared(x, policy, lam)
        return partial(self.run, x, policy, lam=lam)

    def form(self, batch: int, policy: Policy) -> str:
        """Return in words how it runs batches of this size under a policy."""
        if not (self.segmented and self._single) or (order := self.units) is None:
            return "module by module"
        if batch == 1 and self.whole is not None:
            return "one program with the decisions inside" if self.graph.controls else "one program"
        if any(one is self.whole for key, one in self.chosen.items() if key[1:] == (batch.bit_length(), type(policy))):
            return "one program, images one by one"
        programs = sum(isinstance(one, Segment | NestedUnit) for one in order)
        counted = f"{programs} program{'s' * (programs != 1)}, {IMAGES_PER_CALL} images at a time"
        return counted if programs == len(order) else f"{counted}, and {len(order) - programs} modules"

    @torch.inference_mode()
    def _run(self, x: Tensor, policy: Policy, lam: Tensor | float | None) -> Answer:
        if not self._written(x) or self.units is None:
            done = execute(self.graph, x, policy, lam=lam)
            return Answer(done.output, done.gates, {name: ran.numpy() for name, ran in done.ran.items()})
        whole = self._program(x, policy)
        if whole is None or (isinstance(lam, Tensor) and lam.numel() not in (1, len(x))):
            return self._by_segments(x, policy, lam)
        kind = (torch.get_num_threads(), len(x).bit_length(), type(policy))
        if kind not in self.chosen:
            forms: tuple[Run, ...] = (self._by_segments, whole)
            self.chosen[kind] = fastest(forms, x, policy, lam)
        return self.chosen[kind](x, policy, lam)

    def _by_segments(self, x: Tensor, policy: Policy, lam: Tensor | float | None) -> Answer:
        runner = BatchRunner(self.graph, x, policy, lam)
        for unit in self.units or ():
            runner.take(unit)
        return runner.answer()

    def _program(self, x: Tensor, policy: Policy) -> WholeProgram | None:
        """Return the program for one image, if it can run these images under this policy, which must not need scores."""
        return self.whole if type(policy) in (Greedy, Open, Replay) and self._written(x) else None

    @cached_property
    def _single(self) -> bool:
        """Whether the network computes on the processor in single precision."""
        return all(one.dtype == torch.float32 and one.device.type == "cpu" for one in self.graph.parameters())

    def _written(self, x: Tensor) -> bool:
        """Return whether programs take these images: they are written for one size of images."""
        return self.segmented and self._single and x.dtype == torch.float32 and x.shape[1:] == self._image

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
