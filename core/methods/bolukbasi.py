"""Exit policies fitted from the last exit back, for a trade-off between cost and accuracy (Bolukbasi, Wang, Dekel & Saligrama, ICML 2017).

All exits are trained together. Afterwards each early exit gets a linear policy that decides, by the largest log-probabilities of the answer
and their entropy, whether the image goes on. The policy of the last early exit is fitted first; that of each one before it then knows what
follows from going on. Each fit is a binary classification whose weights are what a wrong decision costs (exit_policies.py).

Differs from the paper:
- The reward is λA − (1−λ)κC, as for d2nn: λ weighs accuracy against κ times the cost as a share of the static network's. The paper weighs
  the loss against the time.
- Without a λ, one network serves every λ: there are policies for 41 exchange rates between accuracy and cost, and λ selects a budget,
  calibrated on validation images.
- The exits are trained together with the network, where the paper leaves a trained network as it is. With the network's weights in
  `training.init_from`, they begin with them.
- The policies are fitted to a holdout of training images, which the modules do not learn from.
- With `distillation_weight`, the last exit also learns from a teacher.

Reconstructed: what the policies observe, the logistic loss, its regularisation, and the loss weights of the exits.
"""

from typing import Literal

import torch
from pydantic import Field
from torch import Generator, Tensor

from core import bibliography
from core.datasets import Split, normalised
from core.graph.graph import Graph
from core.graph.tradeoff import BudgetCurve, FixedLam
from core.methods.exit_policies import fit_policies
from core.methods.exits import ExitMethod, early_exits, exit_outcomes, exit_rules, observe_answers, steps_of_lam, with_rules
from core.methods.holdout import holdout_size
from core.modules.exits import PolicyRule

POLICY_STEPS = 41  # exchange rates for which a network for every λ holds policies,
CHEAPEST, DEAREST = 1.0, -4.0  # in even steps of their logarithm between these


class Bolukbasi(ExitMethod):
    """All exits learn together; then policies are fitted from the last exit back to what going on is worth."""

    title = "Exit policies (Bolukbasi et al.)"
    papers = (bibliography.EXIT_POLICIES, bibliography.DISTILLATION)
    name: Literal["bolukbasi"] = "bolukbasi"
    exchange_rate: float = Field(
        0.1,
        gt=0,
        le=10,
        title="Exchange rate κ",
        description="κ, for one λ: the accuracy that the static network's whole cost is worth",
    )
    controller_holdout: float = Field(
        0.1,
        gt=0,
        lt=1,
        title="Images reserved for policies (fraction)",
        description="Fraction of the training images that only the exit policies learn from",
    )

    def holdout(self, count: int, batches: int) -> int:
        return holdout_size(self.controller_holdout, count, batches)

    def prepare(self, graph: Graph, lam: float | None) -> Graph:
        classes, steps = graph.shapes[graph.outputs[-1].name][0], POLICY_STEPS if lam is None else 1
        rules = {one.control: PolicyRule(steps, classes) for one in early_exits(graph)}
        return with_rules(graph, rules, BudgetCurve() if lam is None else FixedLam(lam, self.exchange_rate))

    def weights_of_accuracy(self, graph: Graph) -> Tensor:
        """Return the weight w of accuracy in the reward wA − (1−w)C for which each policy of a graph is fitted, (steps,) double."""
        points = steps_of_lam(graph, POLICY_STEPS)
        if graph.tradeoff.every_lam:
            return 1 / (1 + 10 ** (CHEAPEST + points * (DEAREST - CHEAPEST)))
        return points / (points + (1 - points) * self.exchange_rate)

    @torch.no_grad()
    def fit(self, graph: Graph, images: Tensor, labels: Tensor) -> None:
        outcomes = exit_outcomes(graph, images, labels)
        rules = exit_rules(graph)
        policies = fit_policies(observe_answers(rules, outcomes), outcomes, self.weights_of_accuracy(graph))
        for rule, policy in zip(rules, policies, strict=True):
            assert isinstance(rule, PolicyRule)
            rule.weights.copy_(policy[:, :-1])
            rule.thresholds.copy_(-policy[:, -1])

    def finish(self, graph: Graph, holdout: Split, val: Split, generator: Generator) -> None:
        self.fit(graph, normalised(holdout.images).to(graph.device), holdout.labels.to(graph.device))
