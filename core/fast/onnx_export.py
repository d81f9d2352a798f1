"""What a step of a graph does for one image, as operators of a program."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from core.fast.blocks import Gathered
from core.fast.controllers import ControllerKernel, GateNetworkKernel
from core.fast.onnx_builder import Operators
from core.fast.plan import Step
from core.graph.graph import Graph
from core.graph.node import Gate, Node

TOLD = ".told"


def gates_of(control: str) -> str:
    """What a control node's gates are called where a program takes them, (1, options, 1, 1)."""
    return f".gates.{control}"


def written(writing: Operators, graph: Graph, step: Step, sent: Mapping[str, str], *, scales: bool) -> str:
    """The value that a step sends, given those that others `sent`. `scales`: whether gates of nodes are other than 0 and 1.

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
    if node.kind == "control":
        inputs = [writing.summary(name, graph.shapes[edge.source]) for name, edge in zip(inputs, step.inputs, strict=True)]
        inputs += [writing.given(TOLD, (1, 1))] if isinstance(kernel, GateNetworkKernel | ControllerKernel) and kernel.is_told else []
    value, gate = writing.write(kernel, *inputs), _gate(writing, graph, node.gates if scales else (), sent)
    if gate is None:
        return value
    dimensions = len(graph.shapes[node.name])
    if dimensions != 3:
        gate = writing.add("Reshape", gate, writing.constant(np.ones(1 + dimensions, dtype=np.int64)))
    return writing.add("Mul", value, gate)


def _block(writing: Operators, graph: Graph, branch: Node, kernel: Gathered, x: str, sent: Mapping[str, str]) -> str:
    """A join with its branch. Where that is closed, or reads no channel and so sends its bias everywhere, it is not computed."""
    gate, channels = _gate(writing, graph, branch.gates, sent), branch.channels

    def opened(inner: Operators) -> str:
        columns = [] if channels is None else [_shifted(one, channels.first) for one in kernel.channels.columns]
        gates = [] if channels is None else [_columns(inner, graph, channels.control, one, sent) for one in columns]
        value = inner.branched(kernel, x, gates)
        return inner.joined(kernel, x, value if gate is None else inner.add("Mul", value, gate))

    def closed(inner: Operators) -> str:
        if channels is None:
            return inner.joined(kernel, x, None)
        value = inner.constant(kernel.channels.bias[None, :, None, None])
        return inner.joined(kernel, x, value if gate is None else inner.add("Mul", value, gate))

    asked = [] if gate is None else [gate]
    if channels is not None:
        read = _columns(writing, graph, channels.control, _shifted(kernel.channels.columns[-1], channels.first), sent)
        asked.append(writing.add("ReduceMax", read, axes=[1]))
    if not asked:
        return opened(writing)
    least = writing.add("Min", *asked) if len(asked) > 1 else asked[0]
    return writing.either(writing.add("Greater", least, writing.constant(np.zeros(1, dtype=np.float32))), opened, closed)


def _gate(writing: Operators, graph: Graph, gates: Sequence[Gate], sent: Mapping[str, str]) -> str | None:
    """The largest of some gates, (1, 1, 1, 1); nothing where there are none."""
    found = [_columns(writing, graph, gate.control, slice(gate.column, gate.column + 1), sent) for gate in gates]
    return writing.add("Max", *found) if len(found) > 1 else next(iter(found), None)


def _columns(writing: Operators, graph: Graph, control: str, columns: slice, sent: Mapping[str, str]) -> str:
    """Some gates of a control node, (1, columns, 1, 1): decided inside, or given."""
    name = gates_of(control)
    gates = sent[name] if name in sent else writing.given(name, (1, len(graph.by_name[control].options), 1, 1))
    return writing.add("Slice", gates, *(writing.constant(np.array([end])) for end in (columns.start, columns.stop, 1)))


def _shifted(columns: slice, by: int) -> slice:
    return slice(columns.start + by, columns.stop + by)
