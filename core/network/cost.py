"""What an execution cost, in multiply-adds (MACs) of convolutions and linear layers, control nodes included."""

from dataclasses import dataclass

import torch
from torch import Tensor

from core.network.execution import Execution
from core.network.graph import Graph
from core.network.route import static_nodes

NOT_COUNTED = ("normalisation", "activation functions", "pooling", "additions", "biases")


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
        return self.used / max(self.static, 1)


def cost(graph: Graph, execution: Execution) -> CostReport:
    """The cost of an execution, for each of its images."""
    used = torch.stack([ran.to(torch.float64) * graph.macs[name] for name, ran in execution.ran.items()]).sum(dim=0)  # (B,)
    static = sum(graph.macs[name] for name in static_nodes(graph, graph.reference))
    return CostReport(dict(graph.macs), used, sum(graph.macs.values()), static)
