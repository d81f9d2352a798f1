"""Static gates: a trained network's most common gates, the same for every image.

At each λ a gate is open if the network opened it for a large enough share of the images. The share is chosen so that what
the static gates open costs as much as what the network opens on average. The gate networks' own cost is left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from core.graph.calibration import IMAGES_PER_PASS
from core.graph.cost import reward_cost
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.node import Node
from core.graph.policy import Greedy
from core.modules.gate_network import GateNetwork

TABLE_ROWS = 21  # values of λ for which a table holds gates


@dataclass(frozen=True)
class GateStatistics:
    """How a network's gates behaved on a set of images at one λ.

    open_rates  {control node: (gates,)}, the share of the images for which each gate was open
    scales      {control node: (gates,)}, the mean of each gate over the images for which it was open; 1 if it was never open
    cost        the network's mean cost, as a share of the static network's
    draws       {control node: (gates,)}, the number of the draw that opens each gate at random; nested gates share theirs, so that they
                stay nested
    """

    open_rates: Mapping[str, Tensor]
    scales: Mapping[str, Tensor]
    cost: float
    draws: Mapping[str, Tensor]

    def pattern(self, min_rate: float) -> dict[str, Tensor]:
        """Return scores (gates,) of each control node that open the gates whose open rate is at least `min_rate`."""
        return {name: torch.where(rates >= min_rate, self.scales[name], -1.0) for name, rates in self.open_rates.items()}


@dataclass(frozen=True)
class StaticGates:
    """A policy that gives every image the gates of one pattern."""

    pattern: Mapping[str, Tensor]

    def __call__(self, control: Node, scores: Tensor) -> Tensor:
        return self.pattern[control.name].relu().expand_as(scores)


@dataclass(frozen=True)
class RandomStaticGates:
    """A policy that opens each gate at random with the network's own open rate, whatever the image, and scales by the gate's own mean."""

    statistics: GateStatistics
    generator: Generator

    def __call__(self, control: Node, scores: Tensor) -> Tensor:
        rates, scales = self.statistics.open_rates[control.name], self.statistics.scales[control.name]
        drawn = torch.rand(scores.shape, generator=self.generator)[:, self.statistics.draws[control.name]]
        return (drawn.to(scores.device) < rates) * scales


def gate_networks(graph: Graph) -> dict[str, GateNetwork]:
    """Return the gate networks of a graph by the names of their control nodes."""
    parts = {control.name: graph.parts[control.name] for control in graph.controls}
    return {name: part for name, part in parts.items() if isinstance(part, GateNetwork)}


@torch.no_grad()
def fit_tables(graph: Graph, images: Tensor) -> None:
    """Fill the tables of a graph's gate networks with their most common gates on images (N, C, H, W).

    The graph must be in evaluation mode.
    """
    networks = gate_networks(graph)
    tables = {name: network.table for name, network in networks.items()}
    for name, network in networks.items():
        network.table = tables[name][:0]
    steps = max((len(table) for table in tables.values()), default=0)
    for row, lam in enumerate(torch.linspace(0, 1, steps).tolist() if graph.tradeoff.every_lam else [None]):
        for name, scores in _pattern_at_equal_cost(graph, images, lam).items():
            tables[name][row] = scores
    for name, network in networks.items():
        network.table = tables[name]


def gate_statistics(graph: Graph, images: Tensor, lam: float | None) -> GateStatistics:
    """Measure a network's gates on images (N, C, H, W) at one λ."""
    scores: dict[str, list[Tensor]] = {control.name: [] for control in graph.controls}
    costs = []
    for batch in torch.split(images, IMAGES_PER_PASS):
        execution = execute(graph, batch, Greedy(), lam=lam, whole=True)
        costs.append(reward_cost(graph, execution))
        for name, seen in scores.items():
            seen.append(execution.scores[name].relu())
    gates = {name: torch.cat(seen) for name, seen in scores.items()}  # (N, gates)
    rates = {name: (seen > 0).float().mean(dim=0) for name, seen in gates.items()}
    scales = {name: torch.where(rates[name] > 0, seen.mean(dim=0) / rates[name].clamp(min=1e-9), 1.0) for name, seen in gates.items()}
    return GateStatistics(
        rates, scales, float(torch.cat(costs).mean()), {control.name: _draws(graph, control) for control in graph.controls}
    )


def _draws(graph: Graph, control: Node) -> Tensor:
    """Return the number of the random draw that opens each gate of a control node, (gates,): nested gates have that of their first."""
    draws = torch.arange(len(control.options))
    for columns in getattr(graph.parts[control.name], "nested", ()):
        draws[columns] = columns.start
    return draws


def _pattern_at_equal_cost(graph: Graph, images: Tensor, lam: float | None) -> dict[str, Tensor]:
    """Return the pattern of most common gates whose cost is nearest to the network's mean cost."""
    statistics = gate_statistics(graph, images, lam)
    min_rates = sorted({rate for rates in statistics.open_rates.values() for rate in rates.tolist()})  # higher: fewer open gates
    low, high = 0, len(min_rates)  # bisects for the first rate whose pattern costs no more than the network
    while low < high:
        middle = (low + high) // 2
        if _cost(graph, images, statistics.pattern(min_rates[middle]), lam) > statistics.cost:
            low = middle + 1
        else:
            high = middle
    nearest = [min_rates[number] for number in (low - 1, low) if 0 <= number < len(min_rates)]
    best = min(nearest, key=lambda rate: abs(_cost(graph, images, statistics.pattern(rate), lam) - statistics.cost))
    return statistics.pattern(best)


def _cost(graph: Graph, images: Tensor, pattern: Mapping[str, Tensor], lam: float | None) -> float:
    """Return the cost share of a pattern, which is the same for every image."""
    return float(reward_cost(graph, execute(graph, images[:1], StaticGates(pattern), lam=lam)))
