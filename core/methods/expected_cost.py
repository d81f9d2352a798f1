"""The expected cost of gates that open independently, with a gradient for closed gates."""

from typing import cast

import torch
from torch import Tensor

from core.graph.cost import ChannelGated
from core.graph.execution import Execution
from core.graph.graph import Graph
from core.graph.static import price_share


def open_gates(scores: Tensor) -> Tensor:
    """Return which gates are open, 0 or 1, (B, K), with the gradient of a sigmoid (straight-through)."""
    soft = scores.float().sigmoid()
    return (scores > 0).float() + (soft - soft.detach())


def expected_share(graph: Graph, execution: Execution) -> Tensor:
    """Return the cost of each image by the graph's prices, as a share of the static network's, (B,): `reward_cost` with a gradient.

    Where the channels of a block have gates, only these get a gradient, not the gate of the block. The gradient at an open block says
    little about closing the whole block at once, and would close blocks that are needed.
    """
    opened = {name: open_gates(scores) for name, scores in execution.scores.items()}
    total = torch.zeros(len(next(iter(execution.ran.values()))), dtype=torch.float64, device=graph.device)
    for node, price in zip(graph.nodes, graph.prices, strict=True):
        share = execution.ran[node.name].double()  # (B,)
        if node.gates:
            share = torch.stack([opened[gate.control][:, gate.column] for gate in node.gates]).amax(dim=0).double()
        if node.channels is not None:
            part = cast(ChannelGated, graph.parts[node.name])
            share = share.detach() * part.share(opened[node.channels.control][:, node.channels.columns], graph.input_shapes(node))
        total = total + share * price
    return price_share(graph, total).float()
