"""What gates that decide each by itself are expected to cost, with a gradient for gates that are closed."""

from typing import cast

import torch
from torch import Tensor

from core.graph.cost import ChannelGated
from core.graph.execution import Execution
from core.graph.graph import Graph
from core.graph.static import static_price


def open_gates(scores: Tensor) -> Tensor:
    """Which gates are open, 0 or 1, (B, K): exactly so forwards, with the gradient of a sigmoid backwards (straight-through)."""
    soft = scores.float().sigmoid()
    return (scores > 0).float() + (soft - soft.detach())


def expected_share(graph: Graph, execution: Execution) -> Tensor:
    """The cost of each image by the graph's prices, as a share of the static network's, (B,); equal to `spent` but for its gradient.

    Where channels of a block have gates it is theirs to save, one after the other; the gate of the block has no part in the gradient. What
    closing it all at once would do, a gradient where it is open does not tell: it closed blocks that were needed.
    """
    opened = {name: open_gates(scores) for name, scores in execution.scores.items()}
    total = torch.zeros(len(next(iter(execution.ran.values()))), dtype=torch.float64, device=graph.prices.device)
    for node, price in zip(graph.nodes, graph.prices, strict=True):
        share = execution.ran[node.name].double()  # (B,)
        if node.gates:
            share = torch.stack([opened[gate.control][:, gate.column] for gate in node.gates]).amax(dim=0).double()
        if node.channels is not None:
            part = cast(ChannelGated, graph.parts[node.name])
            share = share.detach() * part.share(opened[node.channels.control][:, node.channels.columns], graph.input_shapes(node))
        total = total + share * price
    return (total / static_price(graph)).float()
