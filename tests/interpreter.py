"""An independent interpreter of the execution rules, written from the paper alone (Liu & Deng, arXiv 1701.00299, section 3).

It executes one image at a time by plain recursion and shares no code with the executor.

A node is skipped if it has incoming control edges and none of them is active, or if one of its inputs is null. A skipped node outputs
null, or the default value along data edges that have one. The outgoing edge of a control node with the highest score is active (the
first, if scores are equal). If the control node decides every edge independently, edges with a positive score are active and scale by
it. A skipped control node has no active edge.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from core.graph.graph import Graph
from core.graph.node import Gate, Node

Decide = Callable[[Node, list[float]], list[float]]  # maps a control node and its scores to one number per control edge, 0 if inactive


def greedy(control: Node, scores: list[float]) -> list[float]:
    """Return the numbers of the edges according to the scores."""
    if control.decides == "each":
        return [max(score, 0.0) for score in scores]
    return [1.0 if column == scores.index(max(scores)) else 0.0 for column in range(len(scores))]


def all_active(control: Node, scores: list[float]) -> list[float]:
    """Return 1 for every edge."""
    return [1.0] * len(scores)


@dataclass
class Interpretation:
    """The execution of a graph on one image. `results` maps each node to its output, None for null."""

    graph: Graph
    image: Tensor
    decide: Decide = greedy
    results: dict[str, Tensor | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for node in self.graph.nodes:
            self.result(node)

    @property
    def answer(self) -> Tensor | None:
        """The result of the last output node that ran, or None if none did."""
        outputs = [self.results[node.name] for node in self.graph.nodes if node.kind == "output"]
        return next((result for result in reversed(outputs) if result is not None), None)

    def result(self, node: Node) -> Tensor | None:
        """Return the output of a node, None if it is skipped. The output of a control node is its scores."""
        if node.name not in self.results:
            self.results[node.name] = self.image if node.kind == "input" else self._computed(node)
        return self.results[node.name]

    def active(self, control: Node) -> list[float]:
        """Return the numbers of a control node's edges."""
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
