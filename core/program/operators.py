"""Builds an ONNX program: operators, constants and branches, each named after the module that it belongs to."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper
from torch import Tensor

from core.errors import UserError

OPERATORS, FORMAT = 17, 8  # versions of ONNX's operators and of its files
UNCOUNTED = ".uncounted"  # in the names of operators whose multiply-adds the cost leaves out

Subgraph = Callable[["Operators"], Sequence[str]]


class NotWrittenError(UserError):
    """Raised for a module that has no form in ONNX operators. The text names it."""


class Operators:
    """A program, or one branch of an `If`, while it is being written. Values are referred to by name.

    module  the node of the network that the next operators belong to; their names begin with it
    known   values that were written before, by whatever identifies them
    """

    def __init__(self, inside: "Operators | None" = None) -> None:
        """`inside`: the enclosing program of a branch; its values can be read."""
        self.inside = inside
        self.module: str = "" if inside is None else inside.module
        self.top: Operators = self if inside is None else inside.top
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, Tensor | NDArray[Any]] = {}
        self.inputs: dict[str, ValueInfoProto] = {}
        self.known: dict[object, str] = {}
        self.numbers: Iterator[int] = count() if inside is None else inside.numbers

    def given(self, name: str, shape: Sequence[int | str], kind: int = TensorProto.FLOAT) -> str:
        """Declare an input of the program and return its name."""
        self.top.inputs.setdefault(name, helper.make_tensor_value_info(name, kind, list(shape)))
        return name

    def constant(self, value: Tensor | NDArray[Any]) -> str:
        """Add a constant and return its name."""
        name = self._name("constant")
        self.constants[name] = value.detach() if isinstance(value, Tensor) else value
        return name

    def integers(self, *values: int) -> str:
        """Add a list of integers as a constant and return its name."""
        return self.constant(np.array(values, dtype=np.int64))

    def number(self, value: float) -> str:
        """Add a number as a constant of shape (1,) and return its name."""
        return self.constant(np.array([value], dtype=np.float32))

    def add(self, operator: str, *inputs: str, counted: bool = True, **attributes: Any) -> str:
        """Add an operator and return the name of its first output. `counted`: whether the cost counts its multiply-adds."""
        return self.add_all(operator, 2 if operator == "TopK" else 1, *inputs, counted=counted, **attributes)[0]

    def add_all(self, operator: str, outputs: int, *inputs: str, counted: bool = True, **attributes: Any) -> list[str]:
        """Add an operator with several outputs and return their names."""
        name = self._name(operator if counted else operator + UNCOUNTED)
        names = [name, *(f"{name}.{number}" for number in range(1, outputs))]
        self.nodes.append(helper.make_node(operator, list(inputs), names, name=name, **attributes))
        return names

    def either(self, condition: str, then: Subgraph, otherwise: Subgraph) -> list[str]:
        """Add an `If` that computes only one of two lists of values, and return the values' names. `condition`: of one element."""
        name, graphs = self._name("If"), []
        for write in (then, otherwise):
            inner = Operators(self)
            sent = list(write(inner))
            own = {output for node in inner.nodes for output in node.output}
            # a graph cannot send a constant, a value from outside or one value twice
            sent = [one if one in own and one not in sent[:number] else inner.add("Identity", one) for number, one in enumerate(sent)]
            outputs = [helper.make_tensor_value_info(one, TensorProto.FLOAT, None) for one in sent]
            graphs.append(inner.graph(outputs, ()))
        names = [name, *(f"{name}.{number}" for number in range(1, len(graphs[0].output)))]
        self.nodes.append(helper.make_node("If", [condition], names, name=name, then_branch=graphs[0], else_branch=graphs[1]))
        return names

    def find(self, key: object) -> str | None:
        """Return a value that was written before, here or in an enclosing program."""
        found = self.known.get(key)
        return self.inside.find(key) if found is None and self.inside is not None else found

    def graph(self, outputs: Sequence[ValueInfoProto], inputs: Sequence[ValueInfoProto]) -> GraphProto:
        """Return the operators written so far as a graph."""
        constants = [numpy_helper.from_array(_array(value), name) for name, value in self.constants.items()]
        return helper.make_graph(self.nodes, self._name("graph"), inputs, outputs, constants)

    def model(self, outputs: Mapping[str, tuple[str, int, Sequence[int | str]]]) -> ModelProto:
        """Return the program in ONNX's format. `outputs`: for the name of each, the value that it is, its type and its shape."""
        for name, (value, *_) in outputs.items():
            self.nodes.append(helper.make_node("Identity", [value], [name], name=f"/{name}"))
        sends = [helper.make_tensor_value_info(name, kind, list(shape)) for name, (_, kind, shape) in outputs.items()]
        graph = self.graph(sends, list(self.inputs.values()))
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPERATORS)], ir_version=FORMAT, producer_name="gatescope")

    def _name(self, what: str) -> str:
        """Return a unique name. It holds a dot, which no node of a network has in its name."""
        return f"{self.module}/{what}.{next(self.numbers)}"


def module_of(operator: str) -> str:
    """Return the node of the network that an operator of this name belongs to, empty if it serves the whole."""
    return operator.rpartition("/")[0]


def _array(value: Tensor | NDArray[Any]) -> NDArray[Any]:
    found: NDArray[Any] = np.asarray(value.cpu().numpy() if isinstance(value, torch.Tensor) else value)
    return found if found.ndim == 0 else np.ascontiguousarray(found)
