"""FBS: the channels with the highest predicted saliencies run, a fixed share of each convolution's (Gao et al., ICLR 2019).

Gate networks predict the saliency of each channel from the pooled input of its block. The ⌈d · n⌉ most salient of n channels run and are
scaled by their saliencies; the others are not computed (core/modules/saliency.py). So every image costs the same, and the density d sets
the cost. The loss is the cross-entropy plus a small L1 penalty on all saliencies. The cross-entropy has no gradient for channels that lost.
Train from the weights of the static network (`training.init_from`) for the best results.

Differs from the paper:
- Without a λ, one network is trained for every λ: λ sets the density, the gate networks are given it, and each image of a batch has a
  density of its own. After training, λ runs from the cost at the smallest density to the highest cost that still helps.
- The saliencies of all channels inside a block are predicted from the input of the block, by the gate networks of LC-Net: normalised means
  and one hidden layer (core/modules/gate_network.py). In the paper each convolution has a single linear layer on its own pooled input.
- Batch norm keeps its scales, so that the weights of a static network fit. In the paper saliencies replace them.
- At least one channel of each convolution runs, and a channel that runs has a saliency of at least MIN_SALIENCY.
- The architecture's bounds on scales (`architecture.min_scale`) have no effect, because saliencies scale without bounds.
- With `distillation_weight`, the network also learns from a teacher, as with LC-Net.

Reconstructed: which convolutions have gates (all inside a block but the last), the weight of the penalty, and how fast the density falls.
"""

from typing import Literal, cast

import torch
from pydantic import Field
from torch import Generator, Tensor

from core import bibliography
from core.graph.cost import reward_cost
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.node import Node
from core.graph.policy import Greedy
from core.graph.tradeoff import BudgetCurve, FixedLam
from core.methods import Batch, DistillingMethod, StepResult, bn_recalibration
from core.methods.losses import classification, distillation_loss
from core.methods.static_gates import gate_networks
from core.modules.residual import Branch
from core.modules.saliency import SaliencyNetwork
from core.registry import ConfigError, Decides


class FBS(DistillingMethod):
    """Gates keep the most salient channels of each convolution for an image, always the same number, and scale them by their saliency."""

    title = "Feature boosting and suppression (FBS)"
    papers = (bibliography.FBS_PAPER, bibliography.DISTILLATION)
    name: Literal["fbs"] = "fbs"
    min_density: float = Field(
        0.1,
        gt=0,
        le=1,
        title="Smallest density (share of channels)",
        description="Share of each convolution's channels that run at λ = 0; at λ = 1 all run",
    )
    density_warmup: float = Field(
        0.3,
        ge=0,
        le=1,
        title="Density warm-up (fraction of training)",
        description="Fraction of the training during which the density falls from 1",
    )
    sparsity_weight: float = Field(
        1e-8, ge=0, le=1, title="Weight of the L1 penalty", description="Weight of the L1 penalty on the saliencies of all channels"
    )
    bn_recalibration_batches: int = bn_recalibration(16)

    @property
    def decides(self) -> Decides:
        return "each"

    def prepare(self, graph: Graph, lam: float | None) -> Graph:
        gated = [node for node in graph.nodes if node.channels is not None]
        if not gated or any(node.gates for node in graph.nodes) or any(node.channels.nested for node in gated if node.channels):
            raise ConfigError(
                "fbs chooses among the channels of a convolution and has no gates of blocks: use lc_resnet with architecture.layers=false, "
                "architecture.channels=true, architecture.channel_order=free and architecture.scout_exit=false"
            )
        graph.tradeoff = BudgetCurve() if lam is None else FixedLam(lam)
        for name, network in gate_networks(graph).items():
            control = graph.by_name[name]
            saliencies = SaliencyNetwork(
                graph.input_shapes(control),
                len(control.options),
                competing=_competing(graph, control),
                min_density=self.lowest_density(lam, 1.0),
                hidden=network.hidden.out_features,
                every_lam=network.every_lam,
            )
            graph.replace(name, saliencies)
        return graph

    def lowest_density(self, lam: float | None, progress: float) -> float:
        """Return the density at a point of the training from 0 to 1; of a network for every λ, the density at λ = 0."""
        final = self.min_density + (1 - self.min_density) * (0.0 if lam is None else lam)
        return 1 - (1 - final) * (progress / self.density_warmup if progress < self.density_warmup else 1.0)

    def step(self, graph: Graph, batch: Batch, lam: float | None, progress: float, generator: Generator) -> StepResult:
        images, labels, targets = batch.images, batch.labels, batch.targets
        _set_density(graph, self.lowest_density(lam, progress))
        lams = torch.rand(len(labels), generator=generator).to(images.device, non_blocking=True) if lam is None else None  # (B,)
        execution = execute(graph, images, Greedy(), lam=lams)
        penalty = torch.stack([scores.abs().sum(dim=1).mean() for scores in execution.scores.values()]).sum()
        losses = {
            "classification": self.label_weight * classification(execution, targets),
            "saliency": self.sparsity_weight * penalty,
        }
        if batch.teacher is not None:
            losses["distillation"] = self.distillation_weight * distillation_loss(execution.output, batch.teacher)
        accuracy = (execution.predicted == labels).float().mean()
        return StepResult(losses, {"accuracy": accuracy, "cost share": reward_cost(graph, execution).mean()})

    def after_epoch(self, graph: Graph, images: Tensor, labels: Tensor) -> None:
        """Set the final density, which a network that is loaded has: only steps of the warm-up run at a higher one."""
        lam = graph.tradeoff.lam if isinstance(graph.tradeoff, FixedLam) else None
        _set_density(graph, self.lowest_density(lam, 1.0))


def _competing(graph: Graph, control: Node) -> list[slice]:
    """Return the slices of a control node's gates that compete: those of the output channels of each convolution."""
    found = []
    for node in graph.nodes:
        if node.channels is not None and node.channels.control == control.name:
            start = node.channels.first
            for filters in cast(Branch, graph.parts[node.name]).inner:
                found.append(slice(start, start + filters))
                start += filters
    return found


def _set_density(graph: Graph, density: float) -> None:
    """Set the density at λ's condition 0 of all gate networks."""
    for network in gate_networks(graph).values():
        cast(SaliencyNetwork, network).min_density = density
