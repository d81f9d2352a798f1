"""The papers' rules of execution once more: one image at a time, in plain recursion, written from the paper (Liu & Deng, section 3)
and from nothing in core.

A node is skipped if it has incoming control edges and none of them is active, or if one of its inputs is null. A skipped node sends null
or, along a data edge with a default value, that value. Of a control node's outgoing edges the one with the highest score is active (the
first of equals); where it decides each edge for itself, those with a positive score are, and scale by it. A skipped one has none.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from core.graph.graph import Graph
from core.graph.node import Gate, Node

Decide = Callable[[Node, list[float]], list[float]]  # a control node and its scores: a number per control edge, zero for an inactive one


def as_scored(control: Node, scores: list[float]) -> list[float]:
    """The edges that the scores make active."""
    if control.decides == "each":
        return [max(score, 0.0) for score in scores]
    return [1.0 if column == scores.index(max(scores)) else 0.0 for column in range(len(scores))]


def all_active(control: Node, scores: list[float]) -> list[float]:
    """Every edge active."""
    return [1.0] * len(scores)


@dataclass
class Interpretation:
    """What one image makes of a graph: {node: what it sends, none for null} and {control node: the numbers of its edges}."""

    graph: Graph
    image: Tensor
    decide: Decide = as_scored
    results: dict[str, Tensor | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for node in self.graph.nodes:
            self.result(node)

    @property
    def answer(self) -> Tensor | None:
        """What the last output that ran says, none where none did."""
        said = [self.results[node.name] for node in self.graph.nodes if node.kind == "output"]
        return next((one for one in reversed(said) if one is not None), None)

    def result(self, node: Node) -> Tensor | None:
        """What a node computes, null if it is skipped; a control node computes its scores."""
        if node.name not in self.results:
            self.results[node.name] = self.image if node.kind == "input" else self._computed(node)
        return self.results[node.name]

    def active(self, control: Node) -> list[float]:
        """The number of each of a control node's edges."""
        scores = self.result(control)
        return [0.0] * len(control.options) if scores is None else self.decide(control, scores.tolist())

    def _computed(self, node: Node) -> Tensor | None:
        numbers = [self._edge(gate) for gate in node.gates]
        if numbers and not any(number > 0 for number in numbers):
            return None
        received = []
        for edge in node.inputs:
            value = self.result(self.graph.by_name[edge.source])
            if value is None and edge.default is not None:
                value = torch.full(self.graph.shapes[edge.source], float(edge.default))
            if value is None:
                return None
            received.append(value[None])
        computed: Tensor = self.graph.parts[node.name](*received, **({"weight": None} if node.kind == "control" else {}))[0]
        return computed * max(numbers) if numbers else computed

    def _edge(self, gate: Gate) -> float:
        return self.active(self.graph.by_name[gate.control])[gate.column]
