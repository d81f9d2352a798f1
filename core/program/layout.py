"""Keeps maps in blocks of channels through a program with branches, as ONNX Runtime's convolutions take them.

ONNX Runtime convolves maps whose channels lie in blocks of as many numbers as a vector of the processor holds. Left to itself it
reorders maps at the borders of every graph, and each branch of an `If` is a graph of its own. Here its operators on blocks are
written out, so that maps keep their blocks from branch to branch. Such a program runs on processors of one kind only, and is
never stored.
"""

from __future__ import annotations

from collections import Counter
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, helper, numpy_helper

from core.program.channel_blocks import BLOCKED, Weight, block_size, reordered, reordered_apart
from core.program.precision import graphs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

POOLS = ("MaxPool", "AveragePool")
ANY = -1


def in_blocks(model: ModelProto) -> ModelProto:
    """Return a program in which maps keep their blocks across branches; the same program if it has none, or the processor no blocks."""
    size = block_size() if any(node.op_type == "If" for node in model.graph.node) else None
    if size is None:
        return model
    changed = ModelProto()
    changed.CopyFrom(model)
    scope = _Scope(changed.graph, size, _uses(changed.graph))
    scope.rewrite({one.name for one in changed.graph.output})
    scope.close()
    read = _uses(changed.graph)
    for graph in graphs(changed.graph):
        kept = [tensor for tensor in graph.initializer if tensor.name in read]
        del graph.initializer[:]
        graph.initializer.extend(kept)
    changed.opset_import.append(helper.make_opsetid(BLOCKED, 1))
    return changed


def _uses(graph: GraphProto) -> Counter[str]:
    """Count how often each value is read or sent, in a graph and its branches."""
    found: Counter[str] = Counter()
    for one in graphs(graph):
        found.update(name for node in one.node for name in node.input)
        found.update(output.name for output in one.output)
    return found


class _Scope:
    """One graph while its operators are rewritten.

    maps      the values that are in blocks, and their channels; the last block is filled with zeros
    plain     the values in blocks that were brought back, and the names of what they became
    uniform   values that hold one number in all places, and their channels (ANY where nothing reads them): the same with blocks and without
    by_image  values that hold one number for each image, (images, 1, 1, 1)
    """

    def __init__(self, graph: GraphProto, size: int, uses: Counter[str], around: _Scope | None = None) -> None:
        self.graph, self.size, self.uses, self.around = graph, size, uses, around
        self.constants = {tensor.name: tensor for tensor in graph.initializer}
        self.maps: dict[str, int] = {}
        self.plain: dict[str, str] = {}
        self.uniform: dict[str, int] = {}
        self.by_image: dict[str, bool] = {}
        self.nodes: list[NodeProto] = []
        self.numbers: Iterator[int] = count() if around is None else around.numbers

    def rewrite(self, outside: Collection[str] = ()) -> None:
        """Rewrite the operators. `outside`: values that must not be in blocks."""
        for node in self.graph.node:
            if node.op_type == "If":
                self._branches(node)
            elif any(name in outside for name in node.output) or not self._in_blocks(node):
                self._as_before(node)

    def close(self) -> None:
        """Put the operators into the graph."""
        del self.graph.node[:]
        self.graph.node.extend(self.nodes)

    def _branches(self, node: NodeProto) -> None:
        """Rewrite both branches of an `If`. What both send in blocks stays so."""
        inner = [_Scope(attribute.g, self.size, self.uses, self) for attribute in node.attribute]
        for scope in inner:
            scope.rewrite()
        for number, name in enumerate(node.output):
            sent = [(scope, scope.graph.output[number].name) for scope in inner]
            found = {scope.maps[one] if one in scope.maps else scope.uniform.get(one) for scope, one in sent} - {ANY}
            mapped = [(scope, one) for scope, one in sent if one in scope.maps]
            if mapped and len(found) == 1:
                self.maps[name] = mapped[0][0].maps[mapped[0][1]]
                continue
            for scope, one in mapped:
                scope.graph.output[number].name = scope._back(one)
        for scope in inner:
            scope.close()
        self._as_before(node)

    def _as_before(self, node: NodeProto) -> None:
        """Keep an operator, which reads no maps in blocks."""
        for number, name in enumerate(node.input):
            if self._find("maps", name):
                node.input[number] = self._back(name)
        kind, held = node.op_type, [self._constant(name) for name in node.input]
        if kind == "Expand" and held[0] is not None and held[0].size == 1 and held[1] is not None and len(held[1]) == 4:
            self.uniform[node.output[0]] = 0 if held[1][1] % self.size else int(held[1][1])
        elif kind == "Identity" and held[0] is not None and held[0].size == 1:
            self.uniform[node.output[0]] = ANY
        elif kind == "Reshape" and held[1] is not None and held[1][1:].tolist() == [1, 1, 1]:
            self.by_image[node.output[0]] = True
        self.nodes.append(node)

    def _in_blocks(self, node: NodeProto) -> bool:
        """Write an operator on maps in blocks, if it is one. Returns whether it was written."""
        kind, channels = node.op_type, [self._find("maps", name) for name in node.input]
        if kind == "Conv":
            return self._convolution(node)
        if not channels or not channels[0]:
            return False
        if kind in ("Relu", "Clip", "Identity"):
            self._activation(node)
        elif kind in ("Add", "Sum") and len(channels) == 2 and channels[0] == channels[1]:
            self._sum(node)
        elif kind in POOLS or (kind == "Mul" and self._find("by_image", node.input[1])):
            node.domain = BLOCKED if kind in POOLS else ""
            self.nodes.append(node)
        elif kind == "GlobalAveragePool":
            pooled = f"{node.output[0]}.blocks"
            self._add(kind, [node.input[0]], pooled)
            self._add("ReorderOutput", [pooled], node.output[0], channels=channels[0])
            return True
        else:
            return False
        self.maps[node.output[0]] = channels[0]
        return True

    def _convolution(self, node: NodeProto) -> bool:
        """Write a convolution, if its weights are constants that fill blocks. Returns whether it was written."""
        x, size, (weight, *bias) = node.input[0], self.size, [self._constant(name) for name in node.input[1:]]
        if weight is None or weight.ndim != 4 or any(one is None for one in bias):
            return False
        terms = [one for one in bias if one is not None]
        said = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        groups, (filters, reads, *sides), mapped = said.pop("group", 1), weight.shape, self._find("maps", x)
        depthwise = groups == filters and reads == 1 and groups > 1
        colours = groups == 1 and reads < size and not mapped  # maps of few channels are read as they are
        if filters < size or not (depthwise or groups == 1) or not (mapped or colours or (groups * reads) % size == 0):
            return False
        if not mapped and not colours:
            x = self._into(x, groups * reads)
        more = -filters % size, 0 if depthwise or colours else -reads % size
        weight = np.pad(weight, ((0, more[0]), (0, more[1]), (0, 0), (0, 0)))
        owner = self._owner(node.input[1])
        held = owner._keep(f"{node.input[1]}.blocks", (reordered_apart if depthwise or colours else reordered)(weight, size))
        shift = self._keep(f"{node.output[0]}.bias", np.pad(terms[0], (0, more[0])) if terms else np.zeros(len(weight), np.float32))
        said = {"pads": [0, 0, 0, 0], "strides": [1, 1], "dilations": [1, 1]} | said | {"kernel_shape": sides}
        self._add("Conv", [x, held, shift], node.output[0], group=len(weight) if depthwise else 1, **said)
        self.maps[node.output[0]] = filters
        return True

    def _activation(self, node: NodeProto) -> None:
        """Write an activation: with the convolution before it, if nothing else reads that."""
        before = self._alone(node.input[0])
        if before is None or node.op_type == "Identity":
            self.nodes.append(node)
            return
        before.attribute.append(helper.make_attribute("activation", node.op_type))
        if node.op_type == "Clip":
            bounds = [float(bound) for name in node.input[1:] if (bound := self._constant(name)) is not None]
            before.attribute.append(helper.make_attribute("activation_params", bounds))
        before.output[0] = node.output[0]

    def _sum(self, node: NodeProto) -> None:
        """Write a sum: within the convolution that computes one of its terms, if nothing else reads that."""
        for one, other in (tuple(node.input), tuple(node.input)[::-1]):
            before = self._alone(one)
            if before is not None and len(before.input) == 3 and one != other:
                self.nodes.remove(before)  # the other term may come after it
                before.input.append(other)
                before.output[0] = node.output[0]
                self.nodes.append(before)
                return
        self.nodes.append(node)

    def _alone(self, name: str) -> NodeProto | None:
        """Return the convolution of this graph that sends a value which is read once, if it has no activation yet."""
        found = next((node for node in reversed(self.nodes) if name in node.output), None) if self.uses[name] == 1 else None
        if found is None or (found.domain, found.op_type) != (BLOCKED, "Conv") or any(one.name == "activation" for one in found.attribute):
            return None
        return found

    def _into(self, name: str, channels: int) -> str:
        """Bring maps into blocks. Returns the name of what they become."""
        made = f"{name}.blocks.{next(self.numbers)}"
        self._add("ReorderInput", [name], made)
        self.maps[made] = channels
        return made

    def _back(self, name: str) -> str:
        """Bring maps back out of their blocks. Returns the name of what they become."""
        found = self._find("plain", name)
        if found is None:
            found = self.plain[name] = f"{name}.plain.{next(self.numbers)}"
            self._add("ReorderOutput", [name], found, channels=self._find("maps", name))
        return str(found)

    def _find(self, kind: str, name: str) -> Any:
        """Return what is known of a value, here or in the graph around: None if nothing is."""
        found = getattr(self, kind).get(name)
        return self.around._find(kind, name) if found is None and self.around is not None else found

    def _owner(self, name: str) -> _Scope:
        """Return the graph that holds a constant."""
        return self if name in self.constants or self.around is None else self.around._owner(name)

    def _constant(self, name: str) -> NDArray[Any] | None:
        """Return a constant, None for any other value."""
        found = self._owner(name).constants.get(name)
        return None if found is None else numpy_helper.to_array(found)

    def _keep(self, name: str, value: Weight) -> str:
        """Add a constant, once. Returns its name."""
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(value, name)
            self.graph.initializer.append(self.constants[name])
        return name

    def _add(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> None:
        self.nodes.append(helper.make_node(operator, list(inputs), [output], name=output, domain=BLOCKED, **attributes))
