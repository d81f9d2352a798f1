"""What an execution cost, in multiply-adds (MACs) of convolutions and linear layers, control nodes included."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor

from core.graph.execution import Execution
from core.graph.graph import Graph
from core.graph.static import static_macs, static_price
from core.scale import cost_share

NOT_COUNTED = ("normalisation", "activation functions", "pooling", "additions", "biases")


class ChannelGated(Protocol):
    """A module with gates inside."""

    def share(self, kept: Tensor, shapes: Sequence[tuple[int, ...]]) -> Tensor:
        """Return the share of its multiply-adds that the kept channels, (B, count) bool, leave: (B,) double.

        `shapes`: of its inputs, for one image. The share is exactly what the module computes with these gates outside of training.
        """


@dataclass(frozen=True)
class CostReport:
    """Multiply-adds: of each node, of what ran for each image (B,), of all nodes together, and of the static network."""

    per_node: dict[str, int]
    used: Tensor
    full: int
    static: int

    @property
    def share(self) -> Tensor:
        """The cost of each image as a share of the static network's, (B,)."""
        return cost_share(self.used, self.static)


def spent(graph: Graph, execution: Execution) -> Tensor:
    """What an execution cost by the graph's prices, as a share of the static network's, for each of its images (B,)."""
    return (_computed(graph, execution) * graph.prices).sum(dim=1) / static_price(graph)


def spent_after(graph: Graph, execution: Execution, control: str) -> Tensor:
    """What each image cost in the nodes after a control node, (B,), by the graph's prices, as a share of the static network's."""
    first = [node.name for node in graph.nodes].index(control) + 1
    ran = torch.stack([execution.ran[node.name] for node in graph.nodes[first:]], dim=1)  # (B, nodes)
    return (ran.to(graph.prices) @ graph.prices[first:] / static_price(graph)).float()


def cost(graph: Graph, execution: Execution) -> CostReport:
    """The cost of an execution, for each of its images."""
    macs = torch.tensor([graph.macs[node.name] for node in graph.nodes], dtype=torch.float64, device=graph.device)
    used = (_computed(graph, execution) * macs).sum(dim=1)
    return CostReport(dict(graph.macs), used, sum(graph.macs.values()), static_macs(graph))


def _computed(graph: Graph, execution: Execution) -> Tensor:
    """Which share of each node was computed for each image, (B, nodes) double: none, all, or what its channel gates left of it."""
    shares = []
    for node in graph.nodes:
        share = execution.ran[node.name].to(torch.float64)  # (B,)
        if node.channels is not None:
            part = cast(ChannelGated, graph.parts[node.name])
            share = share * part.share(execution.gates[node.channels.control][:, node.channels.columns] > 0, graph.input_shapes(node))
        shares.append(share)
    return torch.stack(shares, dim=1)
