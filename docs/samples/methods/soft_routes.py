"""Soft routes: controllers learn by back-propagation through a softmax, at one λ, where d2nn uses Q-learning.

Forwards the option with the highest score runs; backwards the gates have the gradient of a softmax (straight-through).
"""

from typing import Literal

import torch
from pydantic import Field
from torch import Generator

from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.policy import StraightThrough
from core.graph.static import static_macs
from core.graph.tradeoff import FixedLam
from core.methods import Batch, Method, StepResult
from core.methods.losses import classification
from core.registry import ConfigError


class SoftRoutes(Method):
    """Cross-entropy plus the cost of the gates that are open."""

    name: Literal["soft_routes"] = "soft_routes"
    cost_weight: float = Field(1.0, gt=0, le=100, description="Weight of the cost at λ = 0; none is left at λ = 1")

    def prepare(self, graph: Graph, lam: float | None) -> Graph:
        if lam is None:
            raise ConfigError("soft_routes trains a network for one λ: choose it")
        graph.tradeoff = FixedLam(lam)
        return graph

    def step(self, graph: Graph, batch: Batch, lam: float | None, progress: float, generator: Generator) -> StepResult:
        assert lam is not None  # prepare has refused a network for every λ
        execution = execute(graph, batch.images, StraightThrough(), dense=True)
        gated = [execution.gate(node) * graph.macs[node.name] for node in graph.nodes if node.gates]  # (B,) each
        share = torch.stack(gated).sum(dim=0) / static_macs(graph)  # (B,)
        losses = {
            "classification": classification(execution, batch.targets),
            "cost": (1 - lam) * self.cost_weight * share.mean(),
        }
        return StepResult(losses, {"accuracy": float((execution.predicted == batch.labels).float().mean())})
