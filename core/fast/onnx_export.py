"""Writes a step of a graph as ONNX operators."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from core.fast.blocks import Gathered
from core.fast.channels import Channels
from core.fast.controllers import AnswerControllerKernel, ControllerKernel, GateNetworkKernel
from core.fast.members import MemberKernel
from core.fast.nested import NestedChannels, NestedKernel
from core.fast.onnx_builder import Operators
from core.fast.plan import Step
from core.graph.graph import Graph
from core.graph.node import ChannelGate, Gate, Node

CONDITION = ".condition"
Finish = Callable[[Operators, str], str]  # writes what follows a value, and returns its name


def gates_of(control: str) -> str:
    """Return the name of a control node's gates, (images, options, 1, 1), among the inputs of a program."""
    return f".gates.{control}"


def written(writing: Operators, graph: Graph, step: Step, sent: Mapping[str, str], *, scales: bool) -> str:
    """Write a step and return the name of its output. `sent`: the outputs of earlier steps; `scales`: whether any gate is neither 0 nor 1.

    Raises NotWrittenError.
    """
    node, kernel = step.node, step.run
    inputs = [
        sent[edge.source]
        if edge.source in sent
        else writing.constant(torch.full((1, *graph.shapes[edge.source]), float(edge.default or 0)))
        for edge in step.inputs
    ]
    if isinstance(kernel, Gathered) and step.branch is not None:
        return _block(writing, graph, step.branch, kernel, inputs[0], sent)
    if isinstance(kernel, AnswerControllerKernel):
        inputs = writing.answers(inputs, graph.shapes[step.inputs[0].source][0])
    elif node.kind == "control":
        inputs = [writing.summary(name, graph.shapes[edge.source]) for name, edge in zip(inputs, step.inputs, strict=True)]
    if isinstance(kernel, GateNetworkKernel | ControllerKernel) and kernel.takes_condition:
        inputs.append(writing.given(CONDITION, (1,)))
    if isinstance(kernel, NestedKernel) and node.channels is not None:
        (value,) = _nested(writing, graph, node.channels, kernel.channels, sent, inputs[0], lambda inner, value: value)
    elif isinstance(kernel, MemberKernel):
        value = _member(writing, kernel, inputs[0], graph.shapes[step.inputs[0].source])
    else:
        value = writing.write(kernel, *inputs)
    gate = _gate(writing, graph, node.gates if scales else (), sent)
    if gate is None:
        return value
    dimensions = len(graph.shapes[node.name])
    if dimensions != 3:
        gate = writing.add("Reshape", gate, writing.constant(np.array([-1] + [1] * dimensions)))
    return writing.add("Mul", value, gate)


def _member(writing: Operators, kernel: MemberKernel, x: str, shape: tuple[int, ...]) -> str:
    """Write a member for images of this shape, (C, H, W)."""
    channels, rows, columns = kernel.resized(shape)
    if channels is not None:
        x = writing.add("Conv", x, writing.constant(channels[:, :, None, None]))
    x = x if rows is None else writing.add("MatMul", writing.constant(rows), x)
    x = x if columns is None else writing.add("MatMul", x, writing.constant(columns))
    sent = {kernel.graph.input.name: x}
    for step in kernel.steps:
        sent[step.node.name] = written(writing, kernel.graph, step, sent, scales=False)
    return sent[kernel.graph.outputs[-1].name]


def _block(writing: Operators, graph: Graph, branch: Node, kernel: Gathered, x: str, sent: Mapping[str, str]) -> str:
    """Write a join with its branch. The branch is skipped if its gate is closed, or if its last convolution reads no channel."""
    gate, channels = _gate(writing, graph, branch.gates, sent), branch.channels
    if channels is not None and isinstance(nested := kernel.channels, NestedChannels):

        def added(inner: Operators, value: str) -> str:
            return inner.joined(kernel, x, value if gate is None else inner.add("Mul", value, gate))

        def branched(inner: Operators) -> list[str]:
            return _nested(inner, graph, channels, nested, sent, x, added)

        if gate is None:
            return branched(writing)[0]
        return writing.either(_all_open(writing, [gate]), branched, lambda inner: [inner.joined(kernel, x, None)])[0]

    free = kernel.channels if isinstance(kernel.channels, Channels) else None

    def computed(inner: Operators) -> list[str]:
        columns = [] if channels is None or free is None else [_shifted(one, channels.first) for one in free.columns]
        gates = [] if channels is None else [_columns(inner, graph, channels.control, one, sent) for one in columns]
        value = inner.branched(kernel, x, gates)
        return [inner.joined(kernel, x, value if gate is None else inner.add("Mul", value, gate))]

    def skipped(inner: Operators) -> list[str]:
        if free is None or channels is None:
            return [inner.joined(kernel, x, None)]
        value = inner.constant(free.bias[None, :, None, None])
        return [inner.joined(kernel, x, value if gate is None else inner.add("Mul", value, gate))]

    closing = [] if gate is None else [gate]
    if channels is not None and free is not None:
        read = _columns(writing, graph, channels.control, _shifted(free.columns[-1], channels.first), sent)
        closing.append(writing.add("ReduceMax", read, axes=[1]))
    return (writing.either(_all_open(writing, closing), computed, skipped) if closing else computed(writing))[0]


def _nested(
    writing: Operators, graph: Graph, gates: ChannelGate, nested: NestedChannels, sent: Mapping[str, str], x: str, finish: Finish
) -> list[str]:
    """Write convolutions of nested widths, of which only those of an image's own width run, and what `finish` writes behind them."""
    least = getattr(graph.parts[gates.control], "least", None)
    scales = least is None or bool((least[gates.columns] != 1).any())
    columns = _columns(writing, graph, gates.control, gates.columns, sent)

    def at(inner: Operators, opened: int) -> list[str]:
        """Write this width if the next group is closed, or else a wider one."""
        if opened == nested.count:
            return computed(inner, opened)
        following = _columns(inner, graph, gates.control, slice(gates.first + opened, gates.first + opened + 1), sent)
        return inner.either(_all_open(inner, [following]), lambda wider: at(wider, opened + 1), lambda own: computed(own, opened))

    def computed(inner: Operators, opened: int) -> list[str]:
        *convolutions, last = nested.widths[max(opened, 1) - 1]
        value = x if opened else inner.add("Mul", x, inner.constant(np.zeros(1, dtype=np.float32)))
        for convolution in convolutions:
            value = inner.write(convolution, value)
        if scales or not opened:
            groups = inner.constant(nested.group[: nested.ends[max(opened, 1) - 1]])
            value = inner.add("Mul", value, inner.add("Gather", columns, groups, axis=1))
        return [finish(inner, inner.write(last, value))]

    return at(writing, 0)


def some_open(writing: Operators, graph: Graph, sets: Sequence[Sequence[Gate]], sent: Mapping[str, str]) -> str:
    """Write whether each set of gates has an open one, for one image."""
    largest = (_gate(writing, graph, gates, sent) for gates in sets)
    return _all_open(writing, [gate for gate in largest if gate is not None])


def _all_open(writing: Operators, gates: Sequence[str]) -> str:
    least = writing.add("Min", *gates) if len(gates) > 1 else gates[0]
    return writing.add("Greater", least, writing.constant(np.zeros(1, dtype=np.float32)))


def _gate(writing: Operators, graph: Graph, gates: Sequence[Gate], sent: Mapping[str, str]) -> str | None:
    """Write the largest of several gates, (images, 1, 1, 1). Returns None if there are none."""
    found = [_columns(writing, graph, gate.control, slice(gate.column, gate.column + 1), sent) for gate in gates]
    return writing.add("Max", *found) if len(found) > 1 else next(iter(found), None)


def _columns(writing: Operators, graph: Graph, control: str, columns: slice, sent: Mapping[str, str]) -> str:
    """Write a slice of a control node's gates, (images, columns, 1, 1), which the program decides or takes as an input."""
    name = gates_of(control)
    gates = sent[name] if name in sent else writing.given(name, (len(graph.by_name[control].options), 1, 1))
    return writing.add("Slice", gates, *(writing.constant(np.array([end])) for end in (columns.start, columns.stop, 1)))


def _shifted(columns: slice, by: int) -> slice:
    return slice(columns.start + by, columns.stop + by)
