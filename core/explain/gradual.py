"""One image at more and more values of λ: at one, at a few, then at all, so that a large network answers before its sweep ends."""

import time
from collections.abc import Collection, Generator, Mapping

import torch
from torch import Tensor

from core.datasets import normalised
from core.explain.model import Model
from core.explain.predict import LamSweep, Trace, forced_policy, full_path, sweep_of
from core.explain.thresholds import EVERY_LAM, execute_along, locate
from core.graph.copies import concatenated, copies_at_once, execute_in_parts
from core.graph.execution import Execution
from core.scale import SLIDER_STEPS

STRIDES = (20, 10, 5, 1)  # steps of the slider between those that are executed, in the order of the stages
EVERY_STEP = frozenset(range(SLIDER_STEPS))
QUICK_SECONDS = 0.25  # of computing, for which a first answer may wait for the other steps
LIST_ITEM_BYTES = 32  # of a number in a list


class GradualSweep:
    """The execution of one image (C, H, W) uint8 at a growing number of steps of the slider.

    The last `sweep` is the same as `sweep_lam` of the image. For one thread at a time.
    """

    def __init__(self, model: Model, image: Tensor, forced: Mapping[str, bool] | None = None) -> None:
        """Raises GraphError if nodes cannot be forced as `forced` says."""
        self.model, self.image = model, image
        self.policy = forced_policy(model.graph, forced or {})
        self.sweep: LamSweep | None = None
        self._parts: list[tuple[tuple[int, ...], Execution]] = []  # steps of the slider, and their execution
        self._pace = 0.0  # seconds for a step, in the latest execution
        self._reference: Trace | None = None

    @property
    def steps(self) -> set[int]:
        """The steps that have been executed."""
        return {step for steps, _ in self._parts for step in steps}

    @property
    def complete(self) -> bool:
        """Whether all steps have been executed, and the thresholds located."""
        return self.sweep is not None and self.sweep.computed is None

    @property
    def seconds_left(self) -> float:
        """About how many seconds of computing the steps that are missing take, at the pace of the latest execution."""
        return 0.0 if self.complete else self._pace * (SLIDER_STEPS - len(self.steps))

    @property
    def size(self) -> int:
        """About how many bytes the sweep takes."""
        if self.sweep is None:
            return self.image.numel()
        trace = self.sweep.traces[0]
        gates = sum(len(one) if isinstance(one, list) else 1 for one in trace.gates.values())
        scores = sum(len(one.scores or []) for one in trace.controls.values())
        numbers = len(self.sweep.traces) * (gates + 2 * len(trace.probabilities) + 2 * len(trace.executed)) + SLIDER_STEPS * scores
        return self.image.numel() + LIST_ITEM_BYTES * numbers

    @torch.no_grad()
    def answer(self, step: int) -> LamSweep:
        """Execute one step, and all of them where that is quick; return the sweep as far as it is known."""
        if self.sweep is not None and (self.sweep.computed is None or step in self.sweep.computed):
            return self.sweep
        if self.model.graph.tradeoff.every_lam:
            if step not in self.steps:  # without a sweep yet, where a stage has not ended
                self._execute([step])
            few = self._wanted()
            for wanted in (few, EVERY_STEP):  # a few show how much of their computation the steps share
                if self.complete:
                    break
                if self._pace * len(wanted) > QUICK_SECONDS or self.steps == EVERY_STEP:  # a stage on its way locates the thresholds
                    return self._assemble()
                for _ in self._reach(wanted):
                    pass
        else:
            for _ in self.refine():
                pass
        assert self.sweep is not None
        return self.sweep

    @torch.no_grad()
    def refine(self) -> Generator[None, None, None]:
        """Execute what the next stage lacks. Yields after each execution."""
        graph = self.model.graph
        if self.complete:
            return
        if not graph.tradeoff.every_lam:
            execution = execute_along(graph, self.image, self.policy, None)
            self.sweep = sweep_of(self.model, execution, full_path(self.model, self.image), [0], [])
            return
        yield from self._reach(self._wanted())

    def _reach(self, wanted: Collection[int]) -> Generator[None, None, None]:
        """Execute those of the `wanted` steps that are missing. Yields after each execution."""
        graph = self.model.graph
        while not self.complete and (missing := sorted(set(wanted) - self.steps)):  # another session may have gone on in between
            self._execute(missing[: copies_at_once(graph)])
            yield
        if self.complete:
            return
        if len(wanted) < SLIDER_STEPS:
            self._assemble()
            return
        changes = yield from locate(graph, self.image, self.policy, self._along())
        if not self.complete:
            self._assemble(changes)

    def _wanted(self) -> set[int]:
        """Return the steps of the first stage that is not complete."""
        known = self.steps
        stages = [set(range(0, SLIDER_STEPS, stride)) for stride in STRIDES]
        return next((stage for stage in stages if not stage <= known), stages[-1])

    def _execute(self, steps: Collection[int]) -> None:
        """Execute these steps, as many at a time as fit."""
        begun, count = time.thread_time(), len(steps)
        for part in execute_in_parts(self.model.graph, normalised(self.image[None]), self.policy, EVERY_LAM[list(steps)]):
            taken = tuple(steps)[: len(part.output)]
            self._parts.append((taken, part))
            steps = tuple(steps)[len(part.output) :]
        self._pace = (time.thread_time() - begun) / count

    def _along(self) -> Execution:
        """Return the execution at all executed steps, in ascending order."""
        order = torch.tensor([step for steps, _ in self._parts for step in steps]).argsort()
        return concatenated([part for _, part in self._parts], order)

    def _assemble(self, thresholds: list[float] | None = None) -> LamSweep:
        """Return the sweep over the executed steps; it is complete only with `thresholds`."""
        if self._reference is None:
            self._reference = full_path(self.model, self.image)
        steps = sorted(self.steps)
        self.sweep = sweep_of(self.model, self._along(), self._reference, steps, thresholds or [], complete=thresholds is not None)
        if self.complete:
            self._parts = []
        return self.sweep
