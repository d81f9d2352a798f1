"""Writes a whole network as one program for one image, with its decisions inside.

Nodes that run under the same conditions are in one `If`, inside that of the conditions that they share with others. The controllers
decide, or all gates are inputs where a policy sets them whatever the scores are.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np
import torch

from core.graph.graph import Graph
from core.graph.node import Edge, Gate, Node
from core.modules.nested import Nested
from core.modules.residual import Branch
from core.program import patches as patches  # its functions write modules
from core.program.blocks import GatedBlock
from core.program.conditions import Conditions, branch_of, conditions, implied
from core.program.decisions import write_condition, write_gates, write_values
from core.program.modules import write
from core.program.nested import write_chosen
from core.program.operators import NotWrittenError, Operators

LAST_ANSWER = ".answer"  # the answer of the last output node that ran


def gates_of(control: str) -> str:
    """Return the name of a control node's gates, (1, options), among the values of a program."""
    return f".gates.{control}"


class Network:
    """Writes a graph, or consecutive nodes of it.

    needed    the conditions under which each node runs
    branches  the branches of residual blocks by the joins with which they are written
    nodes     the other nodes in order, without the input
    values    of each control node that was written: the names of its values
    """

    def __init__(self, graph: Graph, *, decides: bool = True, chooses: bool = True, scales: bool = True) -> None:
        """`decides`: the controllers decide, otherwise all gates are inputs. `chooses`: only filters whose gates are open are computed,
        otherwise all are and are multiplied. `scales`: gates may scale what they open. Raises NotWrittenError.
        """
        self.graph, self.decides, self.chooses, self.scales, self.needed = graph, decides, chooses, scales, conditions(graph)
        self.branches = {join.name: branch for join in graph.nodes if (branch := branch_of(graph, join)) is not None}
        inside = {branch.name for branch in self.branches.values()}
        alone = {node.name for node in graph.nodes if node.channels is not None and not isinstance(graph.parts[node.name], Nested)} - inside
        if alone:
            raise NotWrittenError(f"{min(alone)!r} has channel gates but no join behind it: add a Join(…) node")
        self.nodes = [node for node in graph.nodes[1:] if node.name not in inside]
        self.condition: str | None = None
        self.weights: tuple[str, str] | None = None
        self.values: dict[str, list[str]] = {}
        self.whole = False

    def write(self, to: Operators, image: str) -> tuple[str, list[str]]:
        """Write the whole network for one image, (1, C, H, W).

        Returns the name of the answer, (1, classes), which is not-a-number if no output node runs, and those of the gates of each control
        node, (1, options), zero where it did not run. Raises NotWrittenError.
        """
        self.whole = True
        self.condition, self.weights = write_condition(self.graph.tradeoff, to)
        sent = self._nodes(to, self.nodes, {self.graph.input.name: image}, Conditions())
        return sent[LAST_ANSWER], [sent[gates_of(control.name)] for control in self.graph.controls]

    def write_together(self, to: Operators, nodes: Sequence[Node], sent: dict[str, str]) -> None:
        """Write nodes that run for the same images, any number of them, and add their values to `sent`, which holds all that they read.

        Raises NotWrittenError.
        """
        every = Conditions().union(*self.needed.values())
        for node in nodes:
            self._node(to, node, sent, every)

    def piece(self, to: Operators, sent: dict[str, str], gates: Gate | tuple[str, slice], *, opened: bool) -> str:
        """Write some columns of a control node's gates, (1, columns), or whether each is open."""
        control, columns = (gates.control, slice(gates.column, gates.column + 1)) if isinstance(gates, Gate) else gates
        key = (control, columns.start, columns.stop, opened)
        found = to.find(key)
        if found is None:
            whole = sent[gates_of(control)]
            if opened:
                whole = to.find((control, "open")) or to.known.setdefault((control, "open"), to.add("Greater", whole, to.number(0)))
            ends = self._ends(control)
            parts = [whole] if len(ends) == 2 else to.add_all("Split", len(ends) - 1, whole, to.integers(*np.diff(ends).tolist()), axis=1)
            for pair, part in zip(pairwise(ends), parts, strict=True):
                to.known[control, *pair, opened] = part
            within = [part for start, part in zip(ends, parts, strict=False) if columns.start <= start < columns.stop]
            found = to.known[key] = to.add("Concat", *within, axis=1) if len(within) > 1 else within[0]
        return found

    def scale(self, to: Operators, sent: dict[str, str], node: Node) -> str | None:
        """Write the largest of a node's gates, (images, 1), or None where no gate scales."""
        scaling = self.scales and any(not self.decides or self.graph.by_name[gate.control].decides == "each" for gate in node.gates)
        if not scaling:
            return None
        parts = [self.piece(to, sent, gate, opened=False) for gate in node.gates]
        return to.add("Max", *parts) if len(parts) > 1 else parts[0]

    def scaled(self, to: Operators, value: str, scale: str | None, dimensions: int) -> str:
        """Write the product of an output of so many dimensions for one image and its scale, if it has any."""
        if scale is None:
            return value
        return to.add("Mul", value, to.add("Reshape", scale, to.integers(-1, *[1] * dimensions)) if dimensions != 1 else scale)

    def hold(self, to: Operators, sent: dict[str, str], needed: Conditions) -> str:
        """Write whether all conditions hold, (1, 1)."""
        found = ""
        for gates in sorted((one for one in needed if not any(one in implied(self.needed, other) for other in needed)), key=repr):
            flag = ""
            for gate in gates:
                part = self.piece(to, sent, gate, opened=True)
                flag = to.add("Or", flag, part) if flag else part
            found = to.add("And", found, flag) if found else flag
        return found

    def received(self, to: Operators, edge: Edge, sent: dict[str, str], held: Conditions) -> str:
        """Write what comes along a data edge, where `held` holds."""
        missing, source = self.needed[edge.source] - held, sent[edge.source]
        if edge.default is None or not missing or edge.default == self._default(edge.source):
            return source
        return to.either(
            self.hold(to, sent, missing), lambda inner: [source], lambda inner: [self._filled(inner, edge.source, float(edge.default or 0))]
        )[0]

    def _nodes(self, to: Operators, nodes: Sequence[Node], sent: dict[str, str], held: Conditions) -> dict[str, str]:
        """Write nodes where `held` holds. Returns the names of their values and of their gates."""
        sent, before, rest = dict(sent), set(sent), list(nodes)
        while rest:
            shared = self.needed[rest[0].name] - held
            if not shared:
                self._node(to, rest.pop(0), sent, held)
                continue
            count = 1
            while count < len(rest) and (still := shared & self.needed[rest[count].name]):
                shared, count = still, count + 1
            self._group(to, rest[:count], sent, held, shared)
            rest = rest[count:]
        return {name: value for name, value in sent.items() if name not in before or name == LAST_ANSWER}

    def _node(self, to: Operators, node: Node, sent: dict[str, str], held: Conditions) -> None:
        """Write one node, which runs where `held` holds, and add its value to `sent`."""
        graph, to.module = self.graph, node.name
        if node.name in self.branches:
            sent[node.name] = GatedBlock(self, node, self.branches[node.name], sent).write(to, held)
            to.module = ""
            return
        inputs = [self.received(to, edge, sent, held) for edge in node.inputs]
        if node.kind == "control":
            self._control(to, node, inputs, sent)
        else:
            value = self._value(to, node, inputs, sent)
            value = self.scaled(to, value, self.scale(to, sent, node), len(graph.shapes[node.name]))
            sent[LAST_ANSWER if node.kind == "output" else node.name] = value
        to.module = ""

    def _value(self, to: Operators, node: Node, inputs: Sequence[str], sent: dict[str, str]) -> str:
        """Write what a node's module computes. Raises NotWrittenError."""
        part = self.graph.parts[node.name]
        if not isinstance(part, Nested) or node.channels is None:
            return write(part, to, inputs, self.graph.input_shapes(node))
        if not self.whole:
            raise NotWrittenError(f"{node.name!r} has nested widths, which images of a batch choose on their own")
        return write_chosen(self, to, part, node.channels, sent, inputs[0], self.graph.shapes[node.name])

    def _control(self, to: Operators, node: Node, inputs: Sequence[str], sent: dict[str, str]) -> None:
        """Write a control node's values and its gates."""
        name = node.name
        values = write_values(self.graph.parts[name], to, inputs, self.graph.input_shapes(node), self.condition)
        self.values[name] = values
        if self.decides:
            sent[gates_of(name)], to.known[name, "open"] = write_gates(node, to, values, self.weights)
        elif self.whole:  # the values are computed all the same, since deciding is part of a network's time
            none = to.add("Mul", values[0], to.number(0))
            sent[gates_of(name)] = to.add("Add", to.given(gates_of(name), (1, len(node.options))), none)

    def _group(self, to: Operators, nodes: Sequence[Node], sent: dict[str, str], held: Conditions, shared: Conditions) -> None:
        """Write nodes that are computed only where `shared` holds too, and add their values to `sent`."""
        inside = {node.name for node in nodes}
        read = {edge.source for node in self.nodes if node.name not in inside for edge in node.inputs}
        sends = [node.name for node in nodes if node.name in read]
        sends += [gates_of(node.name) for node in nodes if node.kind == "control"]
        sends += [LAST_ANSWER] if any(node.kind == "output" for node in nodes) else []
        within = held.union(shared, *(implied(self.needed, gates) for gates in shared))

        def computed(inner: Operators) -> list[str]:
            values = self._nodes(inner, nodes, sent, within)
            return [values[name] for name in sends] or [inner.number(0)]

        def skipped(inner: Operators) -> list[str]:
            return [self._absent(inner, name, sent) for name in sends] or [inner.number(0)]

        sent.update(zip(sends, to.either(self.hold(to, sent, shared), computed, skipped), strict=False))

    def _absent(self, to: Operators, name: str, sent: dict[str, str]) -> str:
        """Write what stands for a value that was not computed: closed gates, an earlier answer, or the default of the edges behind it."""
        if name == LAST_ANSWER:
            return sent.get(LAST_ANSWER) or to.constant(torch.full((1, *self.graph.shapes[self.graph.outputs[0].name]), torch.nan))
        for control in self.graph.controls:
            if name == gates_of(control.name):
                return to.constant(torch.zeros(1, len(control.options)))
        default = self._default(name)
        return to.constant(torch.zeros(1, 1)) if default is None else self._filled(to, name, default)

    def _default(self, name: str) -> float | None:
        """Return the default that stands for a node's value where it did not run: that of the first edge that has one."""
        edges = (edge for node in self.nodes for edge in node.inputs if edge.source == name)
        return next((float(edge.default) for edge in edges if edge.default is not None), None)

    def _filled(self, to: Operators, name: str, value: float) -> str:
        """Write a node's output with one number in all places, (1, …)."""
        return to.add("Expand", to.number(value), to.integers(1, *self.graph.shapes[name]))

    def _ends(self, control: str) -> list[int]:
        """Return where the gates of a control node are divided: at each gate of a node, and around the channels of each."""
        ends = {0, len(self.graph.by_name[control].options)}
        for node in self.graph.nodes:
            ends |= {end for gate in node.gates if gate.control == control for end in (gate.column, gate.column + 1)}
            if node.channels is not None and node.channels.control == control:
                part = self.graph.parts[node.name]
                assert isinstance(part, Branch | Nested)
                counts = [1] * part.count if isinstance(part, Nested) else part.inner
                ends.update(accumulate(counts, initial=node.channels.first))
        return sorted(ends)
