"""BlockDrop: a policy learns by REINFORCE which residual blocks to drop (Wu et al., CVPR 2018).

Which blocks an image runs is drawn at random. The reward of a right answer is 1 − u², where u is the share of the blocks that ran, and that
of a wrong answer is −γ; the baseline is the reward of the most likely blocks. Only the last blocks may be dropped at first, and one more
at a time while the network's weights stay as they are. Then policy and network are trained together. Probabilities p are bounded to
αp + (1 − α)(1 − p), so that every block is tried both ways.

Differs from the paper:
- The paper's policy is one network that sees the image alone and decides for all blocks at once. Here the gate networks that the
  architecture has are the policy, each of which sees the input of its block, or of a group of blocks (`architecture.gates_of` = group).
  A gate may therefore depend on the blocks that were dropped before it. They cost less than the paper's policy network.
- λ sets γ = λ / (1 − λ): 1, as in the authors' code for the curriculum, at λ = 0.5, and 5, as for finetuning, near λ = 0.83. Rewards are
  multiplied by 1 − λ, so that at λ = 1 only the answer counts. Without a λ, one network is trained for every λ: the gate networks are
  given λ, and each image of a batch has its own. After training, what they are given at each λ is calibrated on validation images, so that
  the cost rises evenly with λ.
- The paper begins with a trained network. Here the network is trained with all blocks before the curriculum, for `pretraining` of the
  training; 0 is for weights that are trained already (`training.init_from`).
- During the curriculum the modules' weights are frozen, and their batch norm follows the images that reach them.
- In the joint stage, the policy's loss does not reach the modules that gate networks observe, as in the paper, where it sees the image.
- With `controller_holdout`, only answers to images that the modules do not learn from are rewarded: to the others, a fitted network's
  answers stay right with fewer blocks.
- No reward for the entropy of the policy, which the authors' code has.

Reconstructed: the length of the stages; the curriculum gives each number of blocks the same time. The reward, the bound α = 0.8 and the
joint loss are those of the authors' code (https://github.com/Tushar-N/blockdrop).
"""

from typing import Literal

import torch
from pydantic import Field
from torch import Generator, Tensor

from core import bibliography
from core.graph.cost import reward_cost
from core.graph.execution import Execution, execute
from core.graph.graph import Graph
from core.graph.policy import Open, Sampled
from core.graph.tradeoff import BudgetCurve, FixedLam
from core.methods import Batch, StepResult
from core.methods.block_gates import block_gates, draw_block_gates
from core.methods.losses import classification
from core.methods.policy_gradient import Held, PolicyGradientMethod, roll_out
from core.registry import Decides

KEEPS_MOST = 2.0  # initial log-odds of an open gate: 88%


class BlockDrop(PolicyGradientMethod):
    """A policy learns by reinforcement which blocks to drop, the last ones first; then the network learns with it."""

    title = "Dropped blocks (BlockDrop)"
    papers = (bibliography.BLOCKDROP, bibliography.REINFORCE, bibliography.SELF_CRITICAL)
    name: Literal["blockdrop"] = "blockdrop"
    pretraining: float = Field(
        0.3,
        ge=0,
        le=1,
        title="Training with all blocks (fraction of training)",
        description="Fraction of the training, at its beginning, that trains the network with all blocks and no policy (0: the weights in "
        "training.init_from are trained already)",
    )
    joint_from: float = Field(
        0.6,
        ge=0,
        le=1,
        title="Begin of joint training (fraction of training)",
        description="Fraction of the training after which network and policy learn together; before it the policy learns alone, with one "
        "more block to drop at a time",
    )
    alpha: float = Field(
        0.8,
        gt=0.5,
        le=1,
        title="Bound of probabilities (α)",
        description="A block runs in training with probability 1 − α at least and α at most (1: no bounds)",
    )

    @property
    def decides(self) -> Decides:
        return "each"

    def prepare(self, graph: Graph, lam: float | None) -> Graph:
        draw_block_gates(graph, KEEPS_MOST, detached=True)
        graph.tradeoff = BudgetCurve() if lam is None else FixedLam(lam)
        return graph

    def droppable(self, blocks: int, progress: float) -> int:
        """Return how many of the blocks, the last ones, may be dropped at a point of the training from 0 to 1."""
        if progress < self.pretraining:
            return 0
        if progress >= self.joint_from:
            return blocks
        done = (progress - self.pretraining) / (self.joint_from - self.pretraining)
        return min(1 + int(blocks * done), blocks)

    def held(self, graph: Graph, progress: float) -> Held:
        """Return the gates that are held open at a point of the training, as `Forced` has them."""
        gates = block_gates(graph)
        kept = gates[: len(gates) - self.droppable(len(gates), progress)]
        return {control.name: {gate.column: True for gate in kept if gate.control == control.name} for control in graph.controls}

    def step(self, graph: Graph, batch: Batch, lam: float | None, progress: float, generator: Generator) -> StepResult:
        images, labels = batch.images, batch.labels
        lams = torch.rand(len(labels), generator=generator) if lam is None else torch.full((len(labels),), lam)
        lams = lams.to(images.device, non_blocking=True)  # (B,)
        if progress < self.pretraining:
            execution = execute(graph, images, Open(), lam=lams)
            losses = {"classification": classification(execution, batch.targets, batch.holdout)}
            return StepResult(losses, _figures(graph, execution, labels))
        sampled = Sampled(generator, epsilon=2 * (1 - self.alpha))
        rollout = roll_out(
            graph,
            images,
            lams,
            sampled,
            lambda done: reward(graph, done, labels, lams),
            held=self.held(graph, progress),
            counted=batch.holdout if self.controller_holdout else None,
        )
        losses = {"policy": rollout.loss}
        if progress >= self.joint_from:
            losses = {
                "classification": classification(rollout.execution, batch.targets, batch.holdout),
                "policy": self.policy_weight * rollout.loss,
            }
        return StepResult(losses, _figures(graph, rollout.execution, labels) | {"reward": rollout.reward})


def reward(graph: Graph, execution: Execution, labels: Tensor, lams: Tensor) -> Tensor:
    """Return the reward of each image, (B,): (1 − λ)(1 − u²) if its answer is right, where u is the share of the blocks that ran, else −λ.

    It is 1 − λ times the paper's reward at γ = λ / (1 − λ).
    """
    ran = torch.stack([execution.gates[gate.control][:, gate.column] > 0 for gate in block_gates(graph)], dim=1)  # (B, blocks)
    return torch.where(execution.predicted == labels, (1 - lams) * (1 - ran.float().mean(dim=1) ** 2), -lams)


def _figures(graph: Graph, execution: Execution, labels: Tensor) -> dict[str, float | Tensor]:
    """Return the figures of a step that are logged."""
    return {"accuracy": (execution.predicted == labels).float().mean(), "cost share": reward_cost(graph, execution).float().mean()}
