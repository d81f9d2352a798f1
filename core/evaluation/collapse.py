"""Control nodes that do not decide: learning that has drifted into always-on or always-off."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.evaluation.dependence import INDEPENDENT
from core.evaluation.evaluate import Evaluation, Route
from core.graph.graph import Graph
from core.graph.node import Node

SAME = 0.995  # share of images from which on a gate counts as always open, or always closed
SEEN = 0.005  # share of images that a control node must run for to be judged
ROUTES = 3  # routes that are told as evidence at each λ


@dataclass(frozen=True)
class Collapsed:
    """A control node that did the same for all images at every λ between 0 and 1, and the routes that show it.

    `rates` are of each node that it opens: the share of the images it decided for on which that node ran, the mean over λ.
    """

    control: str
    rates: dict[str, float]
    routes: list[dict[str, object]]

    def __str__(self) -> str:
        always = [name for name, rate in self.rates.items() if rate >= SAME]
        never = [name for name, rate in self.rates.items() if rate <= 1 - SAME]
        done = [f"always opens {', '.join(always)}"] * bool(always) + [f"never opens {', '.join(never)}"] * bool(never)
        return f"{self.control} {' and '.join(done)}, whatever the image"


def collapsed(graph: Graph, rows: Sequence[Evaluation]) -> list[Collapsed]:
    """The control nodes whose every gate was always open, or always closed, at each λ; those of channels too.

    At λ = 0 and 1, where all images may well be treated alike, networks that serve every λ are not judged.
    """
    judged = [row for row in rows if row.lam is None or 0 < row.lam < 1 or len(rows) == 1]
    of_channels = {node.channels.control for node in graph.nodes if node.channels is not None}
    found = []
    for control in graph.controls:
        rates = [_rates(graph, control, row.routes) for row in judged]
        told = [of_row for of_row in rates if of_row]
        runs = any(rate > 1 - SAME for of_row in told for rate in of_row.values())
        if control.name in of_channels and runs and any((row.dependences or {}).get(control.name, 0.0) > INDEPENDENT for row in judged):
            continue  # though its nodes run for every image, their channels do not
        if told and all(_same([of_row[name] for of_row in told]) for name in told[0]):
            means = {name: sum(of_row[name] for of_row in told) / len(told) for name in told[0]}
            shown: list[dict[str, object]] = [
                {"lam": row.lam, "nodes": list(route.nodes), "share": route.share} for row in judged for route in row.routes[:ROUTES]
            ]
            found.append(Collapsed(control.name, means, shown))
    return found


def _rates(graph: Graph, control: Node, routes: Sequence[Route]) -> dict[str, float]:
    """For each node that a control node opens, the share of the images it ran for on which that node ran; none if it hardly ran."""
    ran = [route for route in routes if control.name in route.nodes]
    total = sum(route.share for route in ran)
    opened = {name for column in range(len(control.options)) for name in graph.opened_by(control.name, column)}
    if total < SEEN:
        return {}
    return {name: sum(route.share for route in ran if name in route.nodes) / total for name in sorted(opened)}


def _same(rates: Sequence[float]) -> bool:
    """Whether a gate was open for all images at every λ, or for none at any."""
    return min(rates) >= SAME or max(rates) <= 1 - SAME
