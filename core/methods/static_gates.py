"""Static gates: a trained network's most common gates, the same for every image.

At each λ a gate is open if it was open for enough images. How many are enough is chosen so that the pattern costs what the network did on
average.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from core.graph.cost import spent
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.node import Node
from core.graph.policy import Greedy
from core.modules.gate_network import GateNetwork

ASKED = 21  # values of λ for which there is a pattern
IMAGES_PER_PASS = 256  # images


@dataclass(frozen=True)
class Consensus:
    """For each control node how often its gates were open, (gates,), and the mean of their gates where they were, (gates,)."""

    often: Mapping[str, Tensor]
    scale: Mapping[str, Tensor]
    cost: float  # share of the static network's, mean over images

    def pattern(self, enough: float) -> dict[str, Tensor]:
        """Scores of gates, (gates,), that are open where they were for at least this share of the images."""
        return {name: torch.where(often >= enough, self.scale[name], -1.0) for name, often in self.often.items()}


@dataclass(frozen=True)
class StaticGates:
    """Gates that are the same for all images: the policy of a pattern."""

    pattern: Mapping[str, Tensor]

    def __call__(self, control: Node, scores: Tensor) -> Tensor:
        return self.pattern[control.name].relu().expand_as(scores)


@dataclass(frozen=True)
class Drawn:
    """Gates that do not look at the image: each is open as often as the network's own was, and then scales as that did on average."""

    known: Consensus
    generator: Generator

    def __call__(self, control: Node, scores: Tensor) -> Tensor:
        often, scale = self.known.often[control.name], self.known.scale[control.name]
        return (torch.rand(scores.shape, generator=self.generator).to(scores.device) < often) * scale


def gate_networks(graph: Graph) -> dict[str, GateNetwork]:
    """The gate networks of a graph by the names of their control nodes."""
    parts = {control.name: graph.parts[control.name] for control in graph.controls}
    return {name: part for name, part in parts.items() if isinstance(part, GateNetwork)}


@torch.no_grad()
def settle(graph: Graph, images: Tensor) -> None:
    """Puts what is most common among images (N, C, H, W) into the tables of a graph's gate networks, in evaluation mode."""
    networks = gate_networks(graph)
    tables = {name: network.table for name, network in networks.items()}
    for name, network in networks.items():
        network.table = tables[name][:0]
    steps = max((len(table) for table in tables.values()), default=0)
    for row, lam in enumerate(torch.linspace(0, 1, steps).tolist() if graph.tradeoff.every_lam else [None]):
        for name, scores in _at_equal_cost(graph, images, lam).items():
            tables[name][row] = scores
    for name, network in networks.items():
        network.table = tables[name]


def consensus(graph: Graph, images: Tensor, lam: float | None) -> Consensus:
    """What a network's gates do for images (N, C, H, W) at one λ."""
    scores: dict[str, list[Tensor]] = {control.name: [] for control in graph.controls}
    costs = []
    for some in torch.split(images, IMAGES_PER_PASS):
        execution = execute(graph, some, Greedy(), lam=lam, whole=True)
        costs.append(spent(graph, execution))
        for name, seen in scores.items():
            seen.append(execution.scores[name].relu())
    gates = {name: torch.cat(seen) for name, seen in scores.items()}  # (N, gates)
    often = {name: (seen > 0).float().mean(dim=0) for name, seen in gates.items()}
    scale = {name: torch.where(often[name] > 0, seen.mean(dim=0) / often[name].clamp(min=1e-9), 1.0) for name, seen in gates.items()}
    return Consensus(often, scale, float(torch.cat(costs).mean()))


def _at_equal_cost(graph: Graph, images: Tensor, lam: float | None) -> dict[str, Tensor]:
    """The pattern of what is common whose cost is nearest to the network's own."""
    known = consensus(graph, images, lam)
    bars = sorted({share for often in known.often.values() for share in often.tolist()})  # the higher the bar, the fewer gates are open
    low, high = 0, len(bars)  # the first bar whose pattern costs no more than the network
    while low < high:
        middle = (low + high) // 2
        if _cost(graph, images, known.pattern(bars[middle]), lam) > known.cost:
            low = middle + 1
        else:
            high = middle
    near = [bars[number] for number in (low - 1, low) if 0 <= number < len(bars)]
    best = min(near, key=lambda bar: abs(_cost(graph, images, known.pattern(bar), lam) - known.cost))
    return known.pattern(best)


def _cost(graph: Graph, images: Tensor, pattern: Mapping[str, Tensor], lam: float | None) -> float:
    """The cost share of any image under a pattern."""
    return float(spent(graph, execute(graph, images[:1], StaticGates(pattern), lam=lam)))
