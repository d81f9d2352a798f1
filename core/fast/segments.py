"""Segments: consecutive steps that run as one ONNX Runtime program.

Which nodes run is known before a segment begins. Each pattern of running nodes has a program of its own, made when the pattern first
occurs, so that skipped nodes are not in it. For one image, the branches of blocks are left to the program, which looks at their gates. A
segment ends where a policy decides.

In a batch, a segment consists of steps that run for the same images. Convolutions one by one may be faster there, or the program for a few
images at a time, whose maps stay in the processor's cache. So the forms are timed once for each size of batch.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.fast.autotune import fastest
from core.fast.controllers import ControllerKernel, GateNetworkKernel
from core.fast.onnx_builder import NotWrittenError, Operators
from core.fast.onnx_export import CONDITION, gates_of, written
from core.fast.plan import Mask, Step, conditions, run_steps
from core.graph.graph import Graph

MAX_NODE_GATES = 6  # different gates of nodes in a segment, not counting branches
MAX_PROGRAMS = 64  # programs of a segment that are kept at a time
IMAGES_PER_CALL = 16  # images that a program takes at a time, if that is faster
YES, NO = np.ones(1, dtype=np.bool_), np.zeros(1, dtype=np.bool_)

Numbers = NDArray[np.float32]


@dataclass(frozen=True)
class Pattern:
    """What the program of a segment depends on.

    there   whether each of the values that the segment reads was computed
    open    whether each gate of its nodes is open, not counting branches
    scales  whether any of these gates is neither 0 nor 1
    """

    threads: int
    there: tuple[bool, ...]
    open: tuple[bool, ...]
    scales: bool


@dataclass(frozen=True)
class Program:
    """The program of a segment for one pattern.

    ran    whether each node but the branches runs, (1,) each
    takes  the names of the program's inputs
    sends  the steps whose values the program returns
    """

    ran: Mapping[str, Mask]
    takes: tuple[str, ...]
    sends: tuple[str, ...]
    session: Any

    def __call__(self, given: Mapping[str, Numbers]) -> dict[str, Numbers]:
        """Return the values of the steps in `sends`, (images, …) each."""
        if not self.sends:
            return {}
        return dict(zip(self.sends, self.session.run(None, {name: given[name] for name in self.takes}), strict=True))


@dataclass(frozen=True)
class BatchValues:
    """What a segment takes for a batch.

    given      the values that it reads, (B, …)
    gates      the gates of its nodes by control node, (B, options), if any of them scales
    condition  the input of control nodes, (B,), if there is one
    """

    count: int
    given: Mapping[str, Tensor]
    gates: Mapping[str, Tensor]
    condition: Tensor | None


BatchForm = Callable[[BatchValues], dict[str, Tensor]]


class Segment:
    """Consecutive steps of a graph.

    reads     the earlier steps whose values it reads
    controls  the control nodes on which it depends
    gates     the gates of its nodes, not counting branches
    branches  the branches inside, each with the name of its join
    """

    def __init__(self, graph: Graph, steps: Sequence[Step], sends: frozenset[str]) -> None:
        """`sends`: the steps whose values are read later or are answers."""
        self.graph, self.steps, self.sends = graph, tuple(steps), sends
        inside = {step.node.name for step in steps}
        self.reads = tuple({edge.source: None for step in steps for edge in step.inputs if edge.source not in inside})
        self.controls = tuple(dict.fromkeys(control for step in steps for control in _controls_of(step)))
        self.gates = tuple({gate: None for step in steps for gate in step.node.gates})
        self.branches = tuple((step.node.name, step.branch) for step in steps if step.branch is not None)
        self.programs: dict[Pattern, Program] = {}
        self.chosen: dict[tuple[int, int], BatchForm] = {}

    def program(self, pattern: Pattern) -> Program:
        """Return the program of a pattern, and make it if it is not kept."""
        program = self.programs.get(pattern)
        if program is None:
            for oldest in list(self.programs)[: 1 - MAX_PROGRAMS]:
                self.programs.pop(oldest, None)
            program = self.programs[pattern] = self._program(pattern)
        return program

    def batch(self, values: BatchValues) -> dict[str, Tensor]:
        """Return the values of the steps in `sends` for images that all run these steps, in the form that was fastest."""
        if values.gates:
            return self.by_program(IMAGES_PER_CALL, values)
        kind = (torch.get_num_threads(), values.count.bit_length())
        if kind not in self.chosen:
            sizes = sorted({IMAGES_PER_CALL, max(values.count, IMAGES_PER_CALL)})
            forms: list[BatchForm] = [self.by_steps, *(partial(self.by_program, size) for size in sizes)]
            self.chosen[kind] = fastest(forms, values)
        return self.chosen[kind](values)

    def by_program(self, size: int, values: BatchValues) -> dict[str, Tensor]:
        """Run the program for `size` images at a time."""
        everything = (True,) * len(self.reads), (True,) * len(self.gates)
        program = self.program(Pattern(torch.get_num_threads(), *everything, bool(values.gates)))
        given = {name: value.contiguous().numpy() for name, value in values.given.items()}
        given |= {gates_of(control): gates.numpy()[:, :, None, None] for control, gates in values.gates.items()}
        if values.condition is not None:
            given[CONDITION] = values.condition.numpy()[:, None]
        starts = range(0, values.count, size)
        parts = [program({name: value[start : start + size] for name, value in given.items()}) for start in starts]
        sent = {name: parts[0][name] if len(parts) == 1 else np.concatenate([part[name] for part in parts]) for name in program.sends}
        return {name: _channels_last(torch.from_numpy(value)) for name, value in sent.items()}

    def by_steps(self, values: BatchValues) -> dict[str, Tensor]:
        """Run the kernels one by one."""
        return run_steps(self.steps, values.given, values.condition)

    def _program(self, pattern: Pattern) -> Program:
        open_gates = {gate for gate, is_open in zip(self.gates, pattern.open, strict=True) if is_open}
        writing, sent, ran = Operators(), dict[str, str](), {}
        for name, there in zip(self.reads, pattern.there, strict=True):
            if there:
                sent[name] = writing.given(name, self.graph.shapes[name])
        for step in self.steps:
            name = step.node.name
            ready = all(edge.default is not None or edge.source in sent for edge in step.inputs)
            runs = ready and (not step.node.gates or not open_gates.isdisjoint(step.node.gates))
            ran[name] = YES if runs else NO
            if runs:
                sent[name] = written(writing, self.graph, step, sent, scales=pattern.scales)
        answers = [step.node.name for step in self.steps if step.node.kind == "output" and step.node.name in sent]
        names = [step.node.name for step in self.steps if step.node.name in self.sends and step.node.name in sent]
        sends = tuple(name for name in names if name not in answers[:-1])
        return Program(ran, tuple(writing.takes), sends, session(writing, [sent[name] for name in sends], pattern.threads))


def segments(graph: Graph, steps: Sequence[Step]) -> list[Step | Segment]:
    """Return the steps in order, grouped into segments as long as possible; steps that cannot be written stay single."""
    writable = {step.node.name for step in steps if _writable(graph, step)}
    found = _grouped(steps, writable, _fits)
    return [_segment(graph, steps, some) if some[0].node.name in writable else some[0] for some in found]


def batch_segments(graph: Graph, steps: Sequence[Step]) -> list[Step | Segment]:
    """Return the steps in order, those grouped into segments that run for the same images of any batch."""
    running = conditions(graph, steps)
    writable = set()
    for step in steps:
        gated = step.branch is not None and bool(step.branch.gates or step.branch.channels)
        by_image = gated or step.node.channels is not None
        if not by_image and all(edge.default is None for edge in step.inputs) and _writable(graph, step):
            writable.add(step.node.name)
    found = _grouped(steps, writable, lambda some: running[some[0].node.name] == running[some[-1].node.name])
    return [one for some in found for one in ([_segment(graph, steps, some)] if len(some) > 1 else some)]


def _grouped(steps: Iterable[Step], writable: Collection[str], fits: Callable[[Sequence[Step]], bool]) -> list[list[Step]]:
    """Return the steps in order, writable ones in groups. `fits`: whether the last of several steps can be in one group with the others."""
    found: list[list[Step]] = []
    for step in steps:
        if found and {found[-1][0].node.name, step.node.name} <= set(writable) and fits([*found[-1], step]):
            found[-1].append(step)
        else:
            found.append([step])
    return found


def _segment(graph: Graph, steps: Sequence[Step], some: Sequence[Step]) -> Segment:
    inside = {step.node.name for step in some}
    later = {edge.source for step in steps if step.node.name not in inside for edge in step.inputs}
    sends = frozenset(step.node.name for step in some if step.node.kind in ("control", "output") or step.node.name in later)
    return Segment(graph, some, sends)


def _controls_of(step: Step) -> list[str]:
    """Return the names of the control nodes that decide on a step."""
    nodes = [node for node in (step.node, step.branch) if node is not None]
    return [node.channels.control for node in nodes if node.channels is not None] + [gate.control for node in nodes for gate in node.gates]


def _fits(steps: Sequence[Step]) -> bool:
    """Return whether the last of these steps can be in one segment with the others."""
    if {step.node.name for step in steps if step.node.kind == "control"} & set(_controls_of(steps[-1])):
        return False
    return len({step.node.gates for step in steps if step.node.gates}) <= MAX_NODE_GATES


def _writable(graph: Graph, step: Step) -> bool:
    """Return whether a step can be part of a program."""
    if not step.inputs or (step.node.kind == "control" and not isinstance(step.run, GateNetworkKernel | ControllerKernel)):
        return False
    try:
        written(Operators(), graph, step, {edge.source: edge.source for edge in step.inputs}, scales=True)
    except NotWrittenError:
        return False
    return True


def session(writing: Operators, sends: Sequence[str], threads: int, images: int | str = "images") -> Any:
    """Return a session that runs the program, or None if the program returns nothing."""
    if not sends:
        return None
    twice = {name for name in sends if list(sends).count(name) > 1} | writing.takes.keys()
    named = [writing.add("Identity", name) if name in twice else name for name in sends]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # it would take the time of torch's threads
    return onnxruntime.InferenceSession(writing.model(named, images), options, providers=["CPUExecutionProvider"])


def _channels_last(value: Tensor) -> Tensor:
    return value.contiguous(memory_format=torch.channels_last) if value.dim() == 4 else value
