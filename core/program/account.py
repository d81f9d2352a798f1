"""Writes what a run of a program reports: which nodes ran, and the multiply-adds that they took, from the gates alone.

It follows core/graph/cost.py, in double precision, so that the multiply-adds are exact.
"""

from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from core.graph.graph import Graph
from core.graph.node import Node
from core.modules.nested import Nested
from core.modules.residual import Branch
from core.program.conditions import Conditions
from core.program.operators import Operators


class Account:
    """Writes what a run reports; each figure is written when it is first read.

    gates  the gates of all control nodes side by side, (1, gates)
    """

    def __init__(self, graph: Graph, to: Operators, needed: dict[str, Conditions], gates: Sequence[str]) -> None:
        """`gates`: those of each control node, (1, options)."""
        self.graph, self.to, self.needed = graph, to, needed
        self.first = dict(
            zip((one.name for one in graph.controls), accumulate((len(one.options) for one in graph.controls), initial=0), strict=False)
        )
        self.gates = to.add("Concat", *gates, axis=1) if gates else to.add("Identity", to.constant(np.zeros((1, 0), np.float32)))
        self.total = sum(len(one.options) for one in graph.controls)

    @cached_property
    def open(self) -> str:
        """Whether each gate is open, (1, gates), 0 or 1."""
        return self.to.add("Cast", self.to.add("Greater", self.gates, self.to.number(0)), to=TensorProto.DOUBLE)

    @cached_property
    def ran(self) -> str:
        """Whether each node ran, (1, nodes): whether each of its conditions has an open gate."""
        to, graph = self.to, self.graph
        sets = sorted(frozenset().union(*self.needed.values()), key=repr)
        if not sets:
            return to.add("Identity", to.constant(np.ones((1, len(graph.nodes)), np.bool_)))
        columns = np.zeros((self.total, len(sets)))
        for number, gates in enumerate(sets):
            columns[[self.first[gate.control] + gate.column for gate in gates], number] = 1
        holds = np.array([[gates in self.needed[node.name] for node in graph.nodes] for gates in sets], np.float64)  # (sets, nodes)
        held = to.add("Cast", to.add("Greater", self._product(self.open, columns), to.constant(np.array([0.5]))), to=TensorProto.DOUBLE)
        return to.add("Greater", self._product(held, holds), to.constant(holds.sum(axis=0, keepdims=True) - 0.5))

    @cached_property
    def macs(self) -> str:
        """The multiply-adds of the nodes that ran, (1,)."""
        to, graph = self.to, self.graph
        ran = to.add("Cast", self.ran, to=TensorProto.DOUBLE)
        whole = np.array([[0.0 if node.channels is not None else graph.macs[node.name]] for node in graph.nodes], np.float64)  # (nodes, 1)
        total = self._product(ran, whole)
        nested = [node for node in graph.nodes if node.channels is not None and isinstance(graph.parts[node.name], Nested)]
        if nested:
            total = to.add("Add", total, self._by_widths(ran, nested))
        if any(node.channels is not None for node in graph.nodes if node not in nested):
            total = to.add("Add", total, self._by_channels(ran))
        return to.add("Reshape", total, to.integers(1))

    def _by_widths(self, ran: str, nested: Sequence[Node]) -> str:
        """Write the multiply-adds of nodes with nested widths: polynomials in the shares of their channels that run."""
        to, graph = self.to, self.graph
        before, sizes = np.zeros((self.total, self.total)), np.zeros((self.total, len(nested)))
        once, twice = np.zeros((len(nested), 1)), np.zeros((len(nested), 1))
        for number, node in enumerate(nested):
            part, channels = graph.parts[node.name], node.channels
            assert isinstance(part, Nested)
            assert channels is not None
            first = self.first[channels.control] + channels.first
            before[first : first + channels.count, first : first + channels.count] = np.triu(np.ones((channels.count, channels.count)))
            sizes[first : first + channels.count, number] = np.diff((0, *part.ends)) / part.ends[-1]
            for cost, squared in zip(*part.costs_by_layer(graph.input_shapes(node)), strict=True):
                (twice if squared else once)[number] += cost * graph.macs[node.name]
        closed = self._product(to.add("Sub", to.constant(np.ones(1)), self.open), before)  # how many are closed up to each gate
        runs = to.add("Cast", to.add("Less", closed, to.constant(np.array([0.5]))), to=TensorProto.DOUBLE)
        density = self._product(runs, sizes)  # (1, nested)
        ran = self._columns(ran, [graph.nodes.index(node) for node in nested])
        linear = self._product(to.add("Mul", ran, density), once)
        return to.add("Add", linear, self._product(to.add("Mul", ran, to.add("Mul", density, density)), twice))

    def _by_channels(self, ran: str) -> str:
        """Write the multiply-adds of nodes with channel gates: of each convolution, by the share of the channels it reads and sends."""
        to, graph = self.to, self.graph
        shares: list[NDArray[np.float64]] = []  # of each convolution's filters, by gate
        read, sends, owners, costs = list[int](), list[int](), list[int](), list[float]()
        for number, node in enumerate(graph.nodes):
            if node.channels is None:
                continue
            part = graph.parts[node.name]
            if isinstance(part, Nested):
                continue
            assert isinstance(part, Branch)
            places, first = [0], self.first[node.channels.control] + node.channels.first
            for count in part.inner:
                share = np.zeros(self.total)
                share[first : first + count] = 1 / count
                first += count
                shares.append(share)
                places.append(len(shares))
            places.append(0)
            read += places[:-1]
            sends += places[1:]
            owners += [number] * len(part.layers)
            costs += (part._costs(graph.input_shapes(node)).numpy() * graph.macs[node.name]).tolist()
        every = to.add("Concat", to.constant(np.ones((1, 1))), self._product(self.open, np.stack(shares, axis=1)), axis=1)
        factors = [self._columns(every, read), self._columns(every, sends), self._columns(ran, owners)]  # (1, convolutions) each
        computed = to.add("Mul", to.add("Mul", *factors[:2]), factors[2])
        return self._product(computed, np.array(costs, np.float64)[:, None])

    def _columns(self, x: str, columns: Sequence[int]) -> str:
        return self.to.add("Gather", x, self.to.integers(*columns), axis=1)

    def _product(self, x: str, matrix: NDArray[np.float64]) -> str:
        return self.to.add("MatMul", x, self.to.constant(matrix), counted=False)
