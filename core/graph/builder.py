"""Builds a graph node by node, in the order of the papers' figures."""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from core.graph.graph import Graph
from core.graph.measure import measure
from core.graph.node import ChannelGate, Decision, Edge, Gate, GraphError, Node
from core.graph.static import initialise_controllers
from core.modules.controller import Controller
from core.modules.layers import Constant


class Builder:
    """Collects nodes and their modules. Its methods return the name of the new node, to be used as an input of later nodes."""

    def __init__(self, image: Sequence[int], *, every_lam: bool = False) -> None:
        """`image`: (C, H, W). `every_lam`: one network serves every λ, so controllers hold two values per option."""
        self.input = "x"
        self.image = tuple(image)
        self.every_lam = every_lam
        self.nodes: list[Node] = [Node("x", "input")]
        self.parts: dict[str, nn.Module] = {}
        self.shapes: dict[str, tuple[int, ...]] = {"x": self.image}
        self._measured: dict[str, tuple[tuple[int, ...], int]] = {}  # shapes and multiply-adds

    def add(
        self, name: str, part: nn.Module, *inputs: str | Edge, when: Gate | Sequence[Gate] = (), channels: ChannelGate | None = None
    ) -> str:
        """Add a regular node. It runs if any of the gates `when` is open, or always if there are none.

        `channels`: gates inside its module. Raises GraphError if the shapes do not fit.
        """
        return self._add(Node(name, "regular", _edges(inputs), _gates(when), channels=channels), part)

    def output(self, name: str, part: nn.Module, *inputs: str | Edge, when: Gate | Sequence[Gate] = ()) -> str:
        """Add an output node. The answer for an image is that of the last output node that ran."""
        return self._add(Node(name, "output", _edges(inputs), _gates(when)), part)

    def dummy(self, name: str, value: Tensor, *, when: Gate | Sequence[Gate] = ()) -> str:
        """Add a node that has no inputs and sends a constant."""
        return self._add(Node(name, "dummy", (), _gates(when)), Constant(value))

    def control(
        self, name: str, *inputs: str | Edge, options: Sequence[str], part: nn.Module | None = None, decides: Decision = "one"
    ) -> tuple[Gate, ...]:
        """Add a control node and return one gate per option, ordered from the cheapest. By default its module is a small perceptron."""
        edges = _edges(inputs)
        if part is None:
            part = Controller([self.shapes[edge.source] for edge in edges], len(options), every_lam=self.every_lam)
        self._add(Node(name, "control", edges, (), tuple(options), decides), part)
        return tuple(Gate(name, column) for column in range(len(options)))

    def build(self, reference: Mapping[str, str | int] | None = None) -> Graph:
        """Return the graph. `reference`: each control node's option on the path of the highest capacity (default: its last option)."""
        graph = Graph(self.nodes, self.parts, self.image, reference, every_lam=self.every_lam, measured=self._measured)
        initialise_controllers(graph)
        return graph

    def _add(self, node: Node, part: nn.Module) -> str:
        if node.name in self.shapes:
            raise GraphError(f"node {node.name!r} is defined twice: give each node a name of its own")
        for edge in node.inputs:
            if edge.source not in self.shapes:
                raise GraphError(f"node {node.name!r} has an edge from {edge.source!r}, which was not added before it")
        shapes = [self.shapes[edge.source] for edge in node.inputs]
        channels = 0 if node.channels is None else node.channels.count
        measured = measure(part, shapes, conditioned=node.kind == "control", channels=channels, where=f"node {node.name!r}")
        self.shapes[node.name], _ = self._measured[node.name] = measured
        self.nodes.append(node)
        self.parts[node.name] = part
        return node.name


def _edges(inputs: Sequence[str | Edge]) -> tuple[Edge, ...]:
    return tuple(Edge(source) if isinstance(source, str) else source for source in inputs)


def _gates(when: Gate | Sequence[Gate]) -> tuple[Gate, ...]:
    return (when,) if isinstance(when, Gate) else tuple(when)
