"""Writes kernels as ONNX operators, from which ONNX Runtime makes one program: many layers then share the overhead of one call."""

from collections.abc import Callable, Iterator, Sequence
from functools import singledispatchmethod
from itertools import combinations, count
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper
from torch import Tensor, nn

from core.architectures.hierarchy import SideBySide
from core.fast.blocks import Block, ShortcutKernel
from core.fast.controllers import ControllerKernel, GateNetworkKernel
from core.fast.kernels import Convolution, LinearKernel, ModuleKernel, SequentialKernel, kernel, means
from core.fast.nested import NestedKernel
from core.modules.answers import WeightedMean
from core.modules.controller import MIN_LOG_PROBABILITY
from core.modules.gate_network import FIRST_OPEN
from core.modules.layers import Add, Refined

OPERATORS, FORMAT = 17, 8  # versions of ONNX's operators and of its files

Subgraph = Callable[["Operators"], Sequence[str]]


class NotWrittenError(Exception):
    """A kernel that cannot be written as ONNX operators."""


class Operators:
    """A program while it is being written: its nodes and the constants that they read. Values are referred to by name.

    It takes any number of images, unless it holds an `If`.
    """

    def __init__(self, inside: "Operators | None" = None) -> None:
        """`inside`: the enclosing program if this is a branch of an `If`; its values can be read."""
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, Tensor | NDArray[Any]] = {}
        self.takes: dict[str, tuple[int, ...]] = {} if inside is None else inside.takes
        self.numbers: Iterator[int] = count() if inside is None else inside.numbers

    def given(self, name: str, shape: Sequence[int]) -> str:
        """Declare an input of the program, float32 of this shape for one image, and return its name."""
        self.takes[name] = tuple(shape)
        return name

    def constant(self, value: Tensor | NDArray[Any]) -> str:
        """Add a constant and return its name."""
        name = self._name("constant")
        self.constants[name] = value
        return name

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add an operator and return the name of its output, the first one if there are several."""
        name = self._name("value")
        others = [f"{name} at"] if operator == "TopK" else []
        self.nodes.append(helper.make_node(operator, list(inputs), [name, *others], **attributes))
        return name

    def either(self, condition: str, then: Subgraph, otherwise: Subgraph) -> list[str]:
        """Add an `If` that computes only one of two lists of values, and return the values' names. `condition`: of one element."""
        graphs = []
        for write in (then, otherwise):
            inner = Operators(self)
            graphs.append(inner.graph([inner.add("Identity", one) for one in write(inner)]))
        names = [self._name("value") for _ in graphs[0].output]
        self.nodes.append(helper.make_node("If", [condition], names, then_branch=graphs[0], else_branch=graphs[1]))
        return names

    def graph(self, sends: Sequence[str], takes: Sequence[ValueInfoProto] = ()) -> GraphProto:
        """Return the operators written so far as a graph with the named outputs."""
        gives = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in sends]
        constants = [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in self.constants.items()]
        return helper.make_graph(self.nodes, self._name("graph"), takes, gives, constants)

    def model(self, sends: Sequence[str], images: int | str) -> bytes:
        """Return the program, with the named outputs, in ONNX's format. `images`: how many it takes, or a name for any number."""
        takes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [images, *shape]) for name, shape in self.takes.items()]
        operators = [helper.make_opsetid("", OPERATORS)]
        model: bytes = helper.make_model(self.graph(sends, takes), opset_imports=operators, ir_version=FORMAT).SerializeToString()
        return model

    def _name(self, what: str) -> str:
        """Return a unique name. It begins with a dot, which no node of a graph has in its name."""
        return f".{what}.{next(self.numbers)}"

    @singledispatchmethod
    def write(self, one: Any, *inputs: str) -> str:
        """Write a kernel, or a part of a kernel, and return the name of its output. Raises NotWrittenError."""
        if one is means:
            return self.add("Flatten", self.add("GlobalAveragePool", *inputs))
        raise NotWrittenError

    @write.register
    def _(self, one: Convolution, *inputs: str) -> str:
        padding, stride, dilation, groups = one.shape
        read = [*inputs, self.constant(one.weight.contiguous()), *([] if one.bias is None else [self.constant(one.bias)])]
        sent = self.add("Conv", *read, pads=padding * 2, strides=stride, dilations=dilation, group=groups)
        if one.activation == "relu6":
            return self.add("Clip", sent, *(self.constant(np.array(bound, dtype=np.float32)) for bound in (0, 6)))
        return self.add("Relu", sent) if one.activation == "relu" else sent

    @write.register
    def _(self, one: LinearKernel, *inputs: str) -> str:
        if one.part.bias is None:
            raise NotWrittenError
        return self.add("Add", self.add("MatMul", *inputs, self.constant(one.matrix)), self.constant(one.part.bias.detach()))

    @write.register
    def _(self, one: NestedKernel, *inputs: str) -> str:
        """At full width."""
        return self.write(SequentialKernel(one.channels.widths[-1]), *inputs)

    @write.register
    def _(self, one: SequentialKernel, *inputs: str) -> str:
        (x,) = inputs
        for part in one.kernels:
            x = self.write(part, x)
        return x

    @write.register
    def _(self, one: ModuleKernel, *inputs: str) -> str:
        part = one.part
        if type(part) is nn.ReLU:
            return self.add("Relu", *inputs)
        if type(part) is nn.MaxPool2d and not part.ceil_mode and part.dilation == 1:
            size, step, padding = (
                [value] * 2 if isinstance(value, int) else list(value) for value in (part.kernel_size, part.stride, part.padding)
            )
            return self.add("MaxPool", *inputs, kernel_shape=size, strides=step, pads=padding * 2)
        if type(part) is Add:
            return self.add("Sum", *inputs)
        if type(part) is SideBySide:
            scores, *groups = inputs
            return self.add("Add", scores, self.add("Gather", self._together(groups), self.constant(part.order), axis=1))
        if type(part) is WeightedMean:
            logs = [self.add("LogSoftmax", one, axis=1) for one in inputs]
            if part.geometric:
                weighted = [self.add("Mul", log, self.constant(weight)) for log, weight in zip(logs, part.weights, strict=True)]
                return self.add("LogSoftmax", self.add("Sum", *weighted), axis=1)
            weighted = [self.add("Add", log, self.constant(weight.log())) for log, weight in zip(logs, part.weights, strict=True)]
            last = self.constant(np.array([2]))
            apart = [self.add("Unsqueeze", one, last) for one in weighted]
            return self.add("ReduceLogSumExp", self.add("Concat", *apart, axis=2), axes=[2], keepdims=0)
        if type(part) is Refined:
            features, earlier = inputs
            return self.add("Add", self.write(kernel(part.classifier), features), earlier)
        raise NotWrittenError

    @write.register
    def _(self, one: ShortcutKernel, *inputs: str) -> str:
        (x,) = inputs
        if one.idle:
            return x
        if one.projection is not None:
            return self.write(one.projection, x)
        step, more, channels = one.part.stride, one.part.more, one.part.channels
        if more < 0:
            raise NotWrittenError
        kept = torch.eye(channels)[:, :, None, None]  # a convolution stays in the layout of the convolutions around it
        kept = F.pad(kept, (0, 0, 0, 0, 0, 0, more // 2, more - more // 2))
        return self.add("Conv", x, self.constant(kept), strides=[step, step])

    @write.register
    def _(self, one: Block, *inputs: str) -> str:
        """`inputs`: the input of the block; its branch is written too."""
        return self.joined(one, inputs[0], self.branched(one, inputs[0]))

    @write.register
    def _(self, one: GateNetworkKernel, *inputs: str) -> str:
        """`inputs`: summaries, and the condition if the kernel takes it."""
        if one.blind:
            raise NotWrittenError
        seen = inputs[:-1] if one.takes_condition else inputs
        hidden = self._product(self._together(seen), one.matrix, one.bias)
        if one.by_condition is not None:
            hidden = self.add("Add", hidden, self.add("Mul", inputs[-1], self.constant(one.by_condition[None])))
        scores = self._nested(self._product(self.add("Relu", hidden), one.head, one.shift), one.nested)
        if one.least is None:
            return scores
        least = one.least.numpy()[None]  # (1, gates)
        most = np.where(least > 0, 2 - least, np.inf).astype(np.float32)
        zero = self.constant(np.zeros(1, dtype=np.float32))
        held = self.add("Min", self.add("Max", scores, self.constant(least)), self.constant(most))
        return self.add("Where", self.add("Greater", scores, zero), held, scores)

    @write.register
    def _(self, one: ControllerKernel, *inputs: str) -> str:
        """`inputs`: summaries, and the condition if the kernel takes it."""
        part, every = one.part, one.part.every_lam
        weight = one.weight if one.takes_condition or not every else one.weight[:, :-1]  # without it: 0
        values = self._product(
            self.add("Relu", self._product(self._together(inputs), weight.t(), part.hidden.bias.detach())),
            part.head.weight.detach().t(),
            part.head.bias.detach(),
        )
        if not every:
            return values
        options = len(part.min_remaining_cost)
        accuracy, later = (self._part(values, start, start + options) for start in (0, options))
        more = self.add("Softplus", later) if part.has_successors else self.add("Mul", later, self.constant(np.zeros(1, dtype=np.float32)))
        cost = self.add("Sub", self.constant(-part.min_remaining_cost[None]), more)
        last = self.constant(np.array([2]))
        return self.add("Concat", *(self.add("Unsqueeze", side, last) for side in (self.add("Sigmoid", accuracy), cost)), axis=2)

    def summary(self, x: str, shape: Sequence[int]) -> str:
        """Write what control nodes see of maps or scores, of this shape for one image, as `summary` in core/modules/controller.py does."""
        if len(shape) == 3:
            return self.write(means, x)
        logs = self.add("Max", self.add("LogSoftmax", x, axis=1), self.constant(np.array(MIN_LOG_PROBABILITY, dtype=np.float32)))
        return self.add("TopK", logs, self.constant(np.array([shape[0]])), axis=1)

    def answers(self, seen: Sequence[str], classes: int) -> list[str]:
        """Write what an AnswerControllerKernel sees of answers, logits of these classes."""
        logs = [self.add("LogSoftmax", one, axis=1) for one in seen]
        clamped = [self.add("Max", log, self.constant(np.array(MIN_LOG_PROBABILITY, dtype=np.float32))) for log in logs]
        ordered = [self.add("TopK", one, self.constant(np.array([classes])), axis=1) for one in clamped]
        best = [self.add("ArgMax", log, axis=1, keepdims=1) for log in logs] if len(seen) > 1 else []
        found = []
        for log, kept, falling in zip(logs, clamped, ordered, strict=True):
            found += [falling, self.add("Mul", self.add("Exp", log), kept)]
        for earlier, later in combinations(range(len(seen)), 2):
            agree = self.add("Cast", self.add("Equal", best[earlier], best[later]), to=TensorProto.FLOAT)
            found += [agree, self.add("GatherElements", clamped[earlier], best[later], axis=1)]
        return found

    def branched(self, one: Block, x: str, channels: Sequence[str] = ()) -> str:
        """Write the branch of a block. `channels`: gates (1, filters, 1, 1) of each convolution but the last."""
        for number, convolution in enumerate(one.branch):
            x = self.write(convolution, x)
            x = self.add("Mul", x, channels[number]) if channels else x
        return self.write(one.last, x)

    def joined(self, one: Block, x: str, sent: str | None) -> str:
        """Write the sum of a block's shortcut and its branch's output, if there is one, and ReLU where the block has it."""
        shortcut = self.write(one.shortcut, x)
        total = shortcut if sent is None else self.add("Add", sent, shortcut)
        return self.add("Relu", total) if one.relu else total

    def _nested(self, scores: str, nested: Sequence[slice]) -> str:
        """Write scores (images, gates) that are 0 behind the first of a slice that is not above zero, as `nest_scores` closes them."""
        if not nested:
            return scores
        gates = max(columns.stop for columns in nested)
        before, floor = torch.zeros(gates, gates), torch.full((1, gates), -torch.inf)
        for columns in nested:
            before[columns, columns] = 1.0
            floor[0, columns.start] = FIRST_OPEN
        own = self.add("Max", scores, self.constant(floor))
        zero = self.constant(np.zeros(1, dtype=np.float32))
        closed = self.add("Cast", self.add("LessOrEqual", own, zero), to=TensorProto.FLOAT)
        behind = self.add("MatMul", closed, self.constant(before.triu()))
        return self.add("Where", self.add("Greater", behind, zero), zero, own)

    def _part(self, x: str, start: int, end: int) -> str:
        """Write some columns of values (images, columns, …)."""
        return self.add("Slice", x, *(self.constant(np.array([number])) for number in (start, end, 1)))

    def _together(self, features: Sequence[str]) -> str:
        return self.add("Concat", *features, axis=1) if len(features) > 1 else features[0]

    def _product(self, x: str, matrix: Tensor, bias: Tensor) -> str:
        return self.add("Gemm", x, self.constant(matrix), self.constant(bias))
