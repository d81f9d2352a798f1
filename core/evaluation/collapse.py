"""Collapsed control nodes, whose gates do not depend on the image: always open, or always closed."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.evaluation.dependence import INDEPENDENT
from core.evaluation.evaluate import Evaluation, Route
from core.graph.graph import Graph
from core.graph.node import Node

CONSTANT = 0.995  # share of images from which a gate counts as always open, or always closed
MIN_REACH = 0.005  # control nodes that run for a smaller share of the images are not examined
MAX_EVIDENCE = 3  # routes reported as evidence at each λ


@dataclass(frozen=True)
class Collapsed:
    """A control node that treated all images alike at every λ between 0 and 1, and its most frequent routes as evidence.

    `rates` maps each node that it controls to the share of its images for which that node ran, as a mean over λ.
    """

    control: str
    rates: dict[str, float]
    routes: list[dict[str, object]]

    def __str__(self) -> str:
        always = [name for name, rate in self.rates.items() if rate >= CONSTANT]
        never = [name for name, rate in self.rates.items() if rate <= 1 - CONSTANT]
        effects = [f"always opens {', '.join(always)}"] * bool(always) + [f"never opens {', '.join(never)}"] * bool(never)
        return f"{self.control} {' and '.join(effects)}, whatever the image."


def collapsed(graph: Graph, rows: Sequence[Evaluation]) -> list[Collapsed]:
    """Return the control nodes each of whose gates was always open, or always closed, at every λ. Channel gates are examined too.

    If there are several rows, those at λ = 0 and 1 are ignored: there, treating all images alike can be optimal.
    """
    examined = [row for row in rows if row.lam is None or 0 < row.lam < 1 or len(rows) == 1]
    of_channels = {node.channels.control for node in graph.nodes if node.channels is not None}
    found = []
    for control in graph.controls:
        rates = [_rates(graph, control, row.routes) for row in examined]
        reached = [by_node for by_node in rates if by_node]
        runs = any(rate > 1 - CONSTANT for by_node in reached for rate in by_node.values())
        if control.name in of_channels and runs and any((row.dependences or {}).get(control.name, 0.0) > INDEPENDENT for row in examined):
            continue  # its nodes run for every image, but their channels depend on the image
        if reached and all(_is_constant([by_node[name] for by_node in reached]) for name in reached[0]):
            means = {name: sum(by_node[name] for by_node in reached) / len(reached) for name in reached[0]}
            evidence: list[dict[str, object]] = [
                {"lam": row.lam, "nodes": list(route.nodes), "share": route.share}
                for row in examined
                for route in row.routes[:MAX_EVIDENCE]
            ]
            found.append(Collapsed(control.name, means, evidence))
    return found


def _rates(graph: Graph, control: Node, routes: Sequence[Route]) -> dict[str, float]:
    """Return {controlled node: share of the control node's images for which it ran}, empty if the control node hardly ran."""
    ran = [route for route in routes if control.name in route.nodes]
    total = sum(route.share for route in ran)
    opened = {name for column in range(len(control.options)) for name in graph.opened_by(control.name, column)}
    if total < MIN_REACH:
        return {}
    return {name: sum(route.share for route in ran if name in route.nodes) / total for name in sorted(opened)}


def _is_constant(rates: Sequence[float]) -> bool:
    """Return whether a gate was open for all images at every λ, or for none at any λ."""
    return min(rates) >= CONSTANT or max(rates) <= 1 - CONSTANT
