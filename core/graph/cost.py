"""The cost of an execution, in multiply-adds (MACs) of convolutions and linear layers, control nodes included."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor

from core.graph.execution import Execution
from core.graph.graph import Graph
from core.graph.node import Node
from core.graph.static import price_share, static_macs
from core.scale import cost_share

NOT_COUNTED = ("normalisation", "activation functions", "pooling", "additions", "biases")


class ChannelGated(Protocol):
    """A module with channel gates."""

    def share(self, kept: Tensor, shapes: Sequence[tuple[int, ...]]) -> Tensor:
        """Return the share of its multiply-adds that it computes for the kept channels, (B, count) bool: (B,) double.

        `shapes`: of its inputs, for one image. The share is exact in evaluation mode; in training all channels are computed.
        """


@dataclass(frozen=True)
class CostReport:
    """Multiply-adds.

    per_node  of each node
    used      of the nodes that ran, for each image (B,)
    full      of all nodes
    static    of the static network
    """

    per_node: dict[str, int]
    used: Tensor
    full: int
    static: int

    @property
    def share(self) -> Tensor:
        """The cost of each image as a share of the static network's, (B,)."""
        return cost_share(self.used, self.static)


def reward_cost(graph: Graph, execution: Execution) -> Tensor:
    """Return the cost of each image in the reward, (B,): by the graph's prices, as a share of the static network's."""
    return price_share(graph, _spent(graph, execution))


def reward_cost_after(graph: Graph, execution: Execution, control: str) -> Tensor:
    """Return the cost of each image in the nodes after a control node, (B,) float, otherwise as `reward_cost`."""
    first = graph.nodes.index(graph.by_name[control]) + 1
    return price_share(graph, _spent(graph, execution, first)).float()


def cost(graph: Graph, execution: Execution) -> CostReport:
    """Return the multiply-adds of an execution, for each image."""
    macs = torch.tensor([graph.macs[node.name] for node in graph.nodes], dtype=torch.float64, device=graph.device)
    used = (computed_shares(graph, execution, graph.nodes) * macs).sum(dim=1)
    return CostReport(dict(graph.macs), used, sum(graph.macs.values()), static_macs(graph))


def _spent(graph: Graph, execution: Execution, first: int = 0) -> Tensor:
    """Return the cost of each image by the graph's prices in the nodes from position `first`, (B,) double."""
    return (computed_shares(graph, execution, graph.nodes[first:]) * graph.prices[first:]).sum(dim=1)


def computed_shares(graph: Graph, execution: Execution, nodes: Sequence[Node]) -> Tensor:
    """Return the share of each node that was computed for each image, (B, nodes) double: 0, 1, or a share set by its channel gates."""
    shares = []
    for node in nodes:
        share = execution.ran[node.name].to(torch.float64)  # (B,)
        if node.channels is not None:
            part = cast(ChannelGated, graph.parts[node.name])
            share = share * part.share(execution.gates[node.channels.control][:, node.channels.columns] > 0, graph.input_shapes(node))
        shares.append(share)
    return torch.stack(shares, dim=1)
