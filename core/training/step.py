"""One step of the optimiser."""

import torch
from torch import Generator
from torch.optim import Optimizer

from core.config import RunConfig
from core.graph.graph import Graph
from core.methods import Batch
from core.training.figures import EpochFigures

MAX_GRADIENT_NORM = 5.0  # gradients are clipped to this norm


def take_step(
    config: RunConfig, graph: Graph, optimizer: Optimizer, batch: Batch, progress: float, generator: Generator, figures: EpochFigures
) -> None:
    """Take one optimiser step at a point of the training from 0 to 1, and add its losses and figures. Raises TrainingError."""
    with torch.autocast(batch.images.device.type, torch.bfloat16, enabled=config.training.precision == "bfloat16"):
        step = config.method.step(graph, batch, config.lam, progress, generator)
    loss = torch.stack(list(step.losses.values())).sum()
    figures.check(loss)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(graph.parameters(), MAX_GRADIENT_NORM)
    optimizer.step()
    figures.add(step)
