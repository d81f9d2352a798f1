"""Composer: control nodes trained by REINFORCE, which are given the price of computation (Odena, Lawson & Olah, 2017).

At each control node an image draws its option, by a softmax of the scores, or the state of each gate, by a sigmoid. All control nodes that
ran learn from one reward, λA − (1−λ)κ · cost, where A is 1 for a right answer; the modules learn from the cross-entropy of the outputs that
ran. Each image of a batch has a random λ, which the control nodes are given, so that one trained network serves every preference.

Differs from the paper:
- The graph is any of this project's: one of several modules at each control node, or blocks that run or not.
- Where a control node picks one of several options, it returns two values per option, which λ weighs (core/modules/controller.py), in
  place of scores from a network that has λ among its inputs; the softmax of this weighted sum has a temperature. Gates of blocks have λ
  among the inputs of their gate network.
- After training, κ, or what gate networks are given at each λ, is calibrated on validation images, so that λ acts along its whole range.
- A trained control node takes its best option; nothing is drawn.
- With a λ, a network is trained for this preference alone.
- With `controller_holdout`, only answers to images that the modules do not learn from are rewarded: to the others, a fitted network's
  answers stay right at less cost.
- No preference for evenly used modules, the paper's second kind.

Reconstructed: the reward and its baseline, that of the most likely options; that options are drawn uniformly at first, and always at a
small rate ε; that the loss of the control nodes does not reach the modules that they observe; sizes, weights and temperature.
"""

from typing import Literal

import torch
from pydantic import Field
from torch import Generator, Tensor

from core import bibliography
from core.graph.cost import reward_cost
from core.graph.execution import Execution
from core.graph.graph import Graph
from core.graph.policy import Sampled
from core.graph.tradeoff import ExchangeRate, FixedLam
from core.graph.tradeoff import reward as weigh
from core.methods import Batch, StepResult
from core.methods.block_gates import draw_block_gates
from core.methods.exploration import Exploration
from core.methods.losses import classification
from core.methods.policy_gradient import PolicyGradientMethod, roll_out
from core.modules.gate_network import OPEN
from core.registry import Trains


class Odena(PolicyGradientMethod):
    """Control nodes learn by reinforcement which modules an image runs, at a price of computation that they are given."""

    title = "Policy gradient (Composer)"
    papers = (bibliography.COMPOSER, bibliography.REINFORCE, bibliography.SELF_CRITICAL)
    name: Literal["odena"] = "odena"
    exchange_rate: float = Field(
        0.1,
        gt=0,
        le=10,
        title="Exchange rate κ",
        description="κ: the accuracy that the static network's whole cost is worth in training",
    )
    temperature: float = Field(
        0.1,
        gt=0,
        le=10,
        title="Temperature of the softmax",
        description="One network for every λ, and control nodes that pick one option: temperature of the softmax of expected rewards by "
        "which options are drawn in training",
    )
    exploration_fraction: float = Field(
        0.1,
        ge=0,
        le=1,
        title="Exploration (fraction of training)",
        description="Fraction of the training with ε = 1: every option is chosen at random",
    )
    epsilon_decay_end: float = Field(
        0.5,
        ge=0,
        le=1,
        title="End of ε decay (fraction of training)",
        description="Fraction of the training after which ε has reached its final value",
    )
    final_epsilon: float = Field(0.1, ge=0, le=1, title="Final ε", description="Final value of ε")

    @property
    def decides(self) -> Trains:
        return "any"

    def prepare(self, graph: Graph, lam: float | None) -> Graph:
        """Return the graph itself, with its trade-off. That of block gates for every λ, a budget, stays."""
        draw_block_gates(graph, OPEN, detached=True)
        if lam is not None:
            graph.tradeoff = FixedLam(lam, self.exchange_rate)
        elif isinstance(graph.tradeoff, ExchangeRate):
            graph.tradeoff = ExchangeRate(self.exchange_rate)
        return graph

    def step(self, graph: Graph, batch: Batch, lam: float | None, progress: float, generator: Generator) -> StepResult:
        images, labels = batch.images, batch.labels
        lams = torch.rand(len(labels), generator=generator) if lam is None else torch.full((len(labels),), lam)
        lams = lams.to(images.device, non_blocking=True)  # (B,)

        def rewards(execution: Execution) -> Tensor:
            return weigh((execution.predicted == labels).float(), reward_cost(graph, execution).float(), lams, self.exchange_rate)

        epsilon = Exploration(self.exploration_fraction, self.epsilon_decay_end, self.final_epsilon, 0, 0).epsilon(progress)
        temperature = self.temperature if isinstance(graph.tradeoff, ExchangeRate) else 1.0
        counted = batch.holdout if self.controller_holdout else None
        rollout = roll_out(graph, images, lams, Sampled(generator, epsilon, temperature), rewards, counted=counted)
        losses = {
            "classification": classification(rollout.execution, batch.targets, batch.holdout),
            "policy": self.policy_weight * rollout.loss,
        }
        figures = {
            "accuracy": (rollout.execution.predicted == labels).float().mean(),
            "cost share": reward_cost(graph, rollout.execution).float().mean(),
            "reward": rollout.reward,
        }
        return StepResult(losses, figures)
