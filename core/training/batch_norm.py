"""Batch-norm statistics during a training: frozen towards its end (`training.freeze_bn`) and re-estimated after each epoch, if configured.

The running averages mix the statistics of earlier weights. Re-estimating them with the current weights is what fvcore calls precise batch
norm (Wu & Johnson, 2021, "Rethinking Batch in BatchNorm").
"""

from itertools import islice

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from core.config import RunConfig
from core.graph.graph import Graph
from core.training.batches import Batches


class BatchNorm:
    """Freezes and re-estimates the batch-norm statistics of one training."""

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self.freeze_from = 1 - config.training.freeze_bn  # point of the training from which the statistics are frozen
        self.frozen: bool | None = None  # whether they were in the latest step

    def training_mode(self, graph: Graph, progress: float) -> None:
        """Put a graph into training mode, at a point of the training from 0 to 1.

        Once frozen, batch norm normalises by its running statistics. The statistics of a training batch come from a mixture of routes and λ
        that does not occur in evaluation, and the later modules would adapt to them.
        """
        frozen = progress >= self.freeze_from
        if graph.training and self.frozen == frozen:
            return
        self.frozen = frozen
        graph.train()
        for module in graph.modules() if frozen else ():
            if isinstance(module, _BatchNorm):
                module.eval()

    @torch.no_grad()
    def after_epoch(self, graph: Graph, batches: Batches, teacher: Graph | None, epoch: int) -> None:
        """Re-estimate the statistics after epoch number `epoch`, as the plain mean over `bn_recalibration_batches` batches.

        Every method has this option. Networks inside nodes that are not trained along keep theirs.
        """
        method, training = self.config.method, self.config.training
        if not method.bn_recalibration_batches or epoch / training.epochs > self.freeze_from:
            return
        graph.train()
        norms = {module: module.momentum for module in graph.modules() if isinstance(module, _BatchNorm) and module.training}
        before = {name: statistics.clone() for name, statistics in graph.state_dict().items() if "running_" in name}
        generator = torch.Generator().manual_seed(training.seed * 1_000_003 + epoch)
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
        for batch in islice(batches.epoch(generator, teacher), method.bn_recalibration_batches):
            method.step(graph, batch, self.config.lam, epoch / training.epochs, generator)
        for norm, momentum in norms.items():
            norm.momentum = momentum
        unseen = {
            name for name, module in graph.named_modules() if module in norms and not module.num_batches_tracked
        }  # no image reached them
        graph.load_state_dict({name: value for name, value in before.items() if name.rpartition(".")[0] in unseen}, strict=False)
