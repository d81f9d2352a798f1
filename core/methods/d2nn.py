"""D2NN: controllers trained by Q-learning together with the modules they control (Liu & Deng, AAAI 2018, section 4).

It is a contextual bandit: every control node that ran regresses the value of the option taken on a single reward, λA + (1−λ)E of its
image or, for set-based metrics such as F1, of its mini-bag (value_loss.py). Options are explored ε-greedily, with ε
falling from 1 (exploration.py). The modules learn from the cross-entropy of the outputs that ran.

Differs from the paper:
- Without a λ, one network is trained for every λ: two values per option, the accuracy and the cost to come, and a random λ for each
  mini-bag. A control node then learns only from images whose later decisions were greedy: after other decisions, the result does not show
  what its own choice is worth. Whether an answer is right is learned by its likelihood and not by squared errors. The least that an option
  costs is given; only what later control nodes add to it is learned.
- With `outcomes` = computed, without a λ and with a reward for each image, a control node learns the value of every option whose outcome is
  known: all that it and the greedy decisions behind it need was computed, as in a cascade that went on to its last exit (hindsight.py).
- An image of a mini-bag regresses what it adds to the metric itself: the bag's metric with and without it, times the size of the bag. In
  the paper all of the bag's images regress its reward together (`credit` = bag, averaged over the bag without a λ): what the others do is
  noise to each of them. Such differences leave the best option as it is (Wolpert and Tumer, "Optimal Payoff Functions for Members of
  Collectives", 2001, https://doi.org/10.1142/S0219525901000188).
- Without a λ, options are not drawn for each control node alone: an image, or a mini-bag that has one reward, explores a whole route at a
  random rate, up to a random control node, and is greedy behind it. `full_route_fraction`, half of the images by default, run along the
  full route.
- A module that a controller observes gets the controller's gradient times `controller_gradient`, which is 0 by default: in the paper both
  gradients are added with a weight that is set by hand.
- The exchange rate κ (1 in the paper) makes the static network's whole cost worth κ of accuracy. A network for every λ is calibrated after
  each epoch, so that evenly drawn λ keep every path in use: expensive paths that get no images do not learn, and then get none.
- The modules do not learn from the holdout, a fraction of the training images; the controllers learn from it alone. On images that the
  modules have fitted, even a small path is always right, so a controller trained on them never learns what the large path is for. (Batch
  norm sees the images of the holdout, without their labels.)
- Where images are mixed (`training.mixup`), the modules learn the mixed labels. The holdout is never mixed, so that the controllers learn
  what to expect of real images; without a holdout they would be rewarded for the class of a mixed image, and mixup is refused.
- With `self_distillation`, earlier outputs also learn from the last one. With `distillation_weight`, all outputs learn from a teacher: the
  static network in `training.init_from`, or an exported run.
- With every λ, the controllers are refitted after training, to the outcome of each of their options on the holdout (refit.py). What is
  kept lies where the Pareto front on validation images is best, on the way from the weights before to the refitted ones.

Reconstructed: the schedule of ε, the share of the controllers' gradient, the size of the bags.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from pydantic import AliasChoices, Field
from torch import Generator, Tensor

from core import bibliography
from core.datasets import Split
from core.graph.calibration import calibrate
from core.graph.cost import reward_cost
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.timing import seconds_per_node
from core.graph.tradeoff import ExchangeRate, FixedLam, WeightCurve
from core.methods import Batch, DistillingMethod, StepResult
from core.methods.exploration import Exploration
from core.methods.holdout import holdout_size
from core.methods.losses import classification, distillation_from_final_exit, distillation_from_teacher
from core.methods.metrics import Metric, bag_metric, marginal_metric
from core.methods.refit import fit_controllers
from core.methods.value_loss import hindsight_loss, value_loss
from core.modules.controller import Controller
from core.registry import ConfigError

MIN_REFIT_IMAGES = 256  # size of the holdout from which controllers are refitted


class D2NN(DistillingMethod):
    """Controllers learn by Q-learning which option pays off for an image; modules learn by cross-entropy."""

    title = "Q-learning (D2NN)"
    papers = (bibliography.D2NN_PAPER, bibliography.DISTILLATION)
    as_published: ClassVar[Mapping[str, Any]] = {
        "exchange_rate": 1.0,
        "controller_gradient": 1.0,
        "controller_holdout": 0.0,
        "credit": "bag",
    }
    name: Literal["d2nn"] = "d2nn"
    metric: Metric = Field(
        "accuracy",
        title="Accuracy metric",
        json_schema_extra={"labels": {"accuracy": "Accuracy", "f1": "F1", "precision": "Precision", "recall": "Recall"}},
        description="Accuracy term A of the reward: correctness of each image, or F1, precision or recall of a mini-bag",
    )
    efficiency: Literal["macs", "seconds"] = Field(
        "macs",
        title="Cost measure",
        json_schema_extra={"labels": {"macs": "Multiply-adds", "seconds": "Time on this machine"}},
        description="Cost term E of the reward: multiply-adds, or the seconds that each node takes on this machine, measured "
        "before training",
    )
    bag_size: int = Field(
        1,
        validation_alias=AliasChoices("bag_size", "bag"),
        ge=1,
        le=1024,
        title="Mini-bag size (images)",
        description="Images per mini-bag; set-based metrics need several, for example 16",
    )
    credit: Literal["image", "bag"] = Field(
        "image",
        title="Credit within a mini-bag",
        json_schema_extra={"labels": {"image": "Each image's own share", "bag": "The bag's reward (as published)"}},
        description="What the images of a mini-bag learn from: each from what it adds to the metric itself (image), or all from the reward "
        "of the bag (bag, as published)",
    )
    outcomes: Literal["taken", "computed"] = Field(
        "taken",
        title="Outcomes that controllers learn from",
        json_schema_extra={"labels": {"taken": "Of the option taken (as published)", "computed": "Of every option that was computed"}},
        description="One network for every λ, with accuracy as the metric: learn the value of the option taken (taken, as published), or "
        "of every option whose outcome is known because what it needs was computed (computed)",
    )
    exchange_rate: float = Field(
        0.1,
        gt=0,
        le=10,
        title="Exchange rate κ",
        description="κ: the accuracy that the static network's whole cost is worth (1 in the paper)",
    )
    calibrate: bool = Field(
        True,
        title="Calibrate λ",
        description="One network for every λ: choose κ, or the budgets, so that cost rises evenly along the slider, finally on validation "
        "images",
    )
    lam_scale: Literal["reward", "budget"] = Field(
        "reward",
        title="Scale of λ",
        json_schema_extra={"labels": {"reward": "Weight of accuracy", "budget": "Mean cost, which rises evenly"}},
        description="One network for every λ: λ weighs accuracy against κ · cost (reward), or selects a budget (budget: the mean cost on "
        "validation images rises evenly with λ)",
    )
    early_exit_weight: float = Field(
        1.0,
        validation_alias=AliasChoices("early_exit_weight", "early"),
        ge=0,
        le=1,
        title="Early-exit weight",
        description="Loss weight of an exit for images that a later exit answered",
    )
    self_distillation: float = Field(
        0.0,
        validation_alias=AliasChoices("self_distillation", "taught"),
        ge=0,
        le=10,
        title="Self-distillation",
        description="Weight of distilling the final answer into earlier exits (0: none)",
    )
    controller_gradient: float = Field(
        0.0,
        validation_alias=AliasChoices("controller_gradient", "mixing"),
        ge=0,
        le=1,
        title="Controller gradient into modules",
        description="Share of the controllers' gradient that reaches the modules they observe",
    )
    exploration_fraction: float = Field(
        0.1,
        validation_alias=AliasChoices("exploration_fraction", "explore"),
        ge=0,
        le=1,
        title="Exploration (fraction of training)",
        description="Fraction of the training with ε = 1: every option is chosen at random",
    )
    epsilon_decay_end: float = Field(
        0.6,
        validation_alias=AliasChoices("epsilon_decay_end", "settle"),
        ge=0,
        le=1,
        title="End of ε decay (fraction of training)",
        description="Fraction of the training after which ε has reached its final value",
    )
    final_epsilon: float = Field(
        0.05, validation_alias=AliasChoices("final_epsilon", "last_epsilon"), ge=0, le=1, title="Final ε", description="Final value of ε"
    )
    controller_holdout: float = Field(
        0.1,
        validation_alias=AliasChoices("controller_holdout", "held_out"),
        ge=0,
        lt=1,
        title="Images reserved for controllers (fraction)",
        description="Fraction of the training images reserved for the controllers, so that they learn what to expect of unseen images",
    )
    refit_controllers: bool = Field(
        True,
        validation_alias=AliasChoices("refit_controllers", "refit"),
        title="Refit controllers after training",
        description="One network for every λ, with accuracy as the metric: fit the controllers once more, on the reserved images, "
        "after training",
    )
    random_route_fraction: float = Field(
        0.2,
        validation_alias=AliasChoices("random_route_fraction", "episodes"),
        ge=0,
        le=1,
        title="Images on random routes (fraction)",
        description="One network for every λ: fraction of the images routed at random until the end of training",
    )

    full_route_fraction: float = Field(
        0.5,
        validation_alias=AliasChoices("full_route_fraction", "full_path"),
        ge=0,
        le=1,
        title="Images on the full route (fraction)",
        description="One network for every λ: fraction of the images routed through the most expensive options",
    )

    @property
    def bag(self) -> int:
        return self.bag_size

    @property
    def rewards_trained_images(self) -> bool:
        return not self.controller_holdout

    @property
    def _shares_metric(self) -> bool:
        """Whether an image is credited with its own part of a set-based metric. With every λ, half of that is what its values predict."""
        return self.credit == "image" and self.metric != "accuracy"

    @property
    def exploration(self) -> Exploration:
        """The exploration schedule."""
        return Exploration(
            self.exploration_fraction, self.epsilon_decay_end, self.final_epsilon, self.random_route_fraction, self.full_route_fraction
        )

    def holdout(self, count: int, batches: int) -> int:
        return holdout_size(self.controller_holdout, count, batches, self.bag_size)

    def prepare(self, graph: Graph, lam: float | None) -> Graph:
        """Return the graph itself, with its trade-off. Without two values per option there is no κ, so the graph's own trade-off stays."""
        if lam is not None:
            graph.tradeoff = FixedLam(lam, self.exchange_rate)
        elif isinstance(graph.tradeoff, ExchangeRate):
            unit = 2.0 * self.bag_size if self._shares_metric else 1.0  # of the bag's metric, times its size, that a value of 1 stands for
            scale = {
                "reward": ExchangeRate(self.exchange_rate, adjustable=self.calibrate, unit=unit),
                "budget": WeightCurve(adjustable=self.calibrate, unit=unit),
            }
            graph.tradeoff = scale[self.lam_scale]
        for control in graph.controls:
            part = graph.parts[control.name]
            if isinstance(part, Controller):
                part.controller_gradient = self.controller_gradient
        return graph

    def setup(self, graph: Graph, batch_size: int, images: Tensor) -> None:
        if self.metric != "accuracy" and self.bag_size == 1:
            raise ConfigError(
                f"{self.metric} of a single image only says whether the answer is right: "
                "set the mini-bag size (method.bag_size) to several images, for example 16"
            )
        if self.efficiency == "seconds":
            times = seconds_per_node(graph, batch_size)
            graph.prices.copy_(torch.tensor([times[node.name] for node in graph.nodes], dtype=torch.float64))

    def step(self, graph: Graph, batch: Batch, lam: float | None, progress: float, generator: Generator) -> StepResult:
        batch = batch.whole_bags(self.bag_size)
        images, labels, bags = batch.images, batch.labels, len(batch.labels) // self.bag_size
        if not bags:
            raise ConfigError(f"a mini-bag of {self.bag_size} needs batches of at least as many images: raise training.batch_size")
        lams = torch.rand(bags, generator=generator) if lam is None else torch.full((bags,), lam)
        lams = lams.to(images.device, non_blocking=True)  # (bags,)
        together = self.bag_size if self.credit == "bag" else 1
        policy = self.exploration.policy(graph, batch.holdout, together, progress, generator)
        execution = execute(graph, images, policy, lam=lams.repeat_interleave(self.bag_size))
        share = reward_cost(graph, execution).float()  # (B,)
        predicted, classes = execution.predicted, execution.output.shape[1]
        measure = bag_metric if self.credit == "bag" else marginal_metric
        accuracy = measure(self.metric, predicted.view(bags, -1), labels.view(bags, -1), classes).flatten()  # one for each reward
        if self._shares_metric and lam is None:
            accuracy = 0.5 + accuracy / (2 * self.bag_size)  # from [−m, m] to [0, 1], which an expected accuracy lies in
        per_reward = len(predicted) // len(accuracy)  # images
        for_controllers = torch.ones_like(accuracy, dtype=torch.bool)  # the rewards that controllers learn from
        if self.controller_holdout:
            for_controllers = batch.holdout.view(-1, per_reward).any(dim=1)
        binary = self.metric == "accuracy" and per_reward == 1
        lams = lams.repeat_interleave(len(accuracy) // bags)
        if self.outcomes == "computed" and binary and graph.tradeoff.every_lam:
            values = hindsight_loss(graph, execution, labels, for_controllers)
        else:
            values = value_loss(graph, execution, share, accuracy, lams, for_controllers, binary=binary)
        figures = {"accuracy": (predicted == labels).float().mean(), "cost share": share.mean()}
        labelled = classification(execution, batch.targets, batch.holdout, self.early_exit_weight)
        losses = {"classification": self.label_weight * labelled, "values": values}
        if self.self_distillation:
            losses["self-distillation"] = self.self_distillation * distillation_from_final_exit(execution, batch.holdout)
        if batch.teacher is not None:
            losses["distillation"] = self.distillation_weight * distillation_from_teacher(execution, batch.teacher, batch.holdout)
        return StepResult(losses, figures)

    def after_epoch(self, graph: Graph, images: Tensor, labels: Tensor) -> None:
        """Calibrate κ, so that evenly drawn λ keep every path in use."""
        if graph.tradeoff.adjustable:
            calibrate(graph, images, labels)

    def finish(self, graph: Graph, holdout: Split, val: Split, generator: Generator) -> None:
        """Refit the controllers of a network for every λ, if the options ask for it and the holdout is large enough."""
        refits = self.refit_controllers and self.metric == "accuracy" and self.bag_size == 1
        if refits and graph.tradeoff.every_lam and len(holdout) >= MIN_REFIT_IMAGES:
            fit_controllers(graph, holdout, val, generator)
