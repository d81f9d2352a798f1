"""What gates that decide each by itself are expected to cost, with a gradient for gates that are closed."""

from typing import Any, cast

import torch
from torch import Tensor

from core.network.cost import ChannelGated
from core.network.execution import Execution
from core.network.graph import Graph
from core.network.route import static_price


class _Opened(torch.autograd.Function):
    """0 or 1; backwards the gradient of a sigmoid, but for gates that are open and are to be opened.

    A score above zero also scales what its gate lets through: those would gain nothing from a higher one but another scale.
    """

    @staticmethod
    def forward(context: Any, scores: Tensor) -> Tensor:
        context.save_for_backward(scores)
        return (scores > 0).float()

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        (scores,) = context.saved_tensors
        soft = scores.sigmoid()
        reaching: Tensor = gradient * soft * (1 - soft) * ((scores <= 0) | (gradient > 0))
        return reaching


def open_gates(scores: Tensor) -> Tensor:
    """Which gates are open, 0 or 1, (B, K); the gradient is straight-through, none to open what is open."""
    opened: Tensor = _Opened.apply(scores.float())  # type: ignore[no-untyped-call]
    return opened


def expected_share(graph: Graph, execution: Execution) -> Tensor:
    """The cost of each image by the graph's prices, as a share of the static network's, (B,); equal to `spent` but for its gradient."""
    opened = {name: open_gates(scores) for name, scores in execution.scores.items()}
    total = torch.zeros(len(next(iter(execution.ran.values()))), dtype=torch.float64, device=graph.prices.device)
    for node, price in zip(graph.nodes, graph.prices, strict=True):
        share = execution.ran[node.name].double()  # (B,)
        if node.gates:
            share = torch.stack([opened[gate.control][:, gate.column] for gate in node.gates]).amax(dim=0).double()
        if node.channels is not None:
            part = cast(ChannelGated, graph.parts[node.name])
            share = share * part.share(opened[node.channels.control][:, node.channels.columns])
        total = total + share * price
    return (total / static_price(graph)).float()
