"""Batch-norm statistics over a training: frozen towards its end (`training.freeze_bn`), re-estimated after each epoch where wanted.

The running averages of a training are of weights that have changed since. Re-estimating them with the weights as they are is what
fvcore calls precise batch norm (Wu & Johnson, 2021, "Rethinking Batch in BatchNorm").
"""

from itertools import islice

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from core.config import RunConfig
from core.graph.graph import Graph
from core.training.batches import Batches


class BatchNorm:
    """What happens to the batch-norm statistics of one training."""

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self.trained = 1 - config.training.freeze_bn  # fraction of the training in which the statistics change

    def training_mode(self, graph: Graph, progress: float) -> None:
        """Put a graph into training mode, at a point of the training from 0 to 1.

        Once frozen, batch norm keeps its statistics: those of a batch are of images, routes and λ in a mixture that no evaluation sees, and
        the modules after it learn to rely on them.
        """
        graph.train()
        for module in graph.modules() if progress >= self.trained else ():
            if isinstance(module, _BatchNorm):
                module.eval()

    @torch.no_grad()
    def after_epoch(self, graph: Graph, batches: Batches, teacher: Graph | None, epoch: int) -> None:
        """Re-estimate the statistics after so many epochs: the plain mean of all batches that are run for it."""
        method, training = self.config.method, self.config.training
        if not method.bn_recalibration_batches or epoch / training.epochs > self.trained:
            return
        norms = {module: module.momentum for module in graph.modules() if isinstance(module, _BatchNorm)}
        before = {name: statistics.clone() for name, statistics in graph.state_dict().items() if "running_" in name}
        generator = torch.Generator().manual_seed(training.seed * 1_000_003 + epoch)
        graph.train()
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
        for batch in islice(batches.epoch(generator, teacher), method.bn_recalibration_batches):
            method.step(graph, batch, self.config.lam, epoch / training.epochs, generator)
        for norm, momentum in norms.items():
            norm.momentum = momentum
        unseen = {name for name, module in graph.named_modules() if module in norms and not module.num_batches_tracked}  # no image came by
        graph.load_state_dict({name: value for name, value in before.items() if name.rpartition(".")[0] in unseen}, strict=False)
