"""D2NN: controllers trained by Q-learning together with the modules they control (Liu & Deng, AAAI 2018, section 4).

There is one step and no future: every control node that ran regresses the value of the option taken to a single reward, λA + (1−λ)E of its
image or, for set-based metrics such as F1, of its mini-bag, Σ Q over the bag. Options are explored ε-greedily, with ε falling from 1. The
modules learn from the cross-entropy of the outputs that ran; a module that a controller observes also gets the controller's gradient, times
`controller_gradient`.

Differs from the paper:
- Without a λ, one network is trained for every λ: two values per option, the accuracy and the cost to come, and a λ for each mini-bag. A
  control node then learns only from images whose later decisions were greedy: after other decisions, the result does not show what its
  own choice is worth. The values of a mini-bag are averaged, so that they are on the scale of a single image's.
- The exchange rate κ (1 in the paper) makes the static network's whole cost worth κ of accuracy. A network for every λ is calibrated after
  each epoch, so that evenly drawn λ keep every path in use: expensive paths that get no images do not learn, and then get none.
- The modules do not learn from the holdout, a fraction of the training images; the controllers learn from it alone. On images that it has
  fitted, even a small path is always right, and a controller that learns there never sees what the large path is for. (Batch norm sees
  the images of the holdout, without their labels.)
- With `self_distillation`, earlier outputs also learn from the last one. With `distillation_weight`, all outputs learn from a teacher: the
  static network in `training.init_from`, or an exported run.
- With every λ, the controllers are fitted once more after training, to what each of their options gives for the holdout (refit.py). The
  result is kept if it serves validation images better.

Reconstructed: the schedule of ε, the share of the controllers' gradient, the size of the bags.
"""

from typing import Literal

import torch
from pydantic import AliasChoices, Field
from torch import Generator, Tensor

from core import bibliography
from core.datasets import Split
from core.graph.calibration import calibrate
from core.graph.cost import spent, spent_after
from core.graph.execution import Execution, execute
from core.graph.graph import Graph
from core.graph.policy import Episodes, EpsilonGreedy, Policy
from core.graph.static import costs_to_come
from core.graph.timing import seconds
from core.graph.tradeoff import ExchangeRate, FixedLam
from core.methods import Batch, DistillingMethod, StepResult
from core.methods.holdout import reserved
from core.methods.losses import classification, taught_by, taught_by_last
from core.methods.metrics import Metric, bag_metric
from core.methods.refit import fit_controllers
from core.modules.controller import Controller
from core.registry import ConfigError

FITTED_ON = 256  # images of the holdout that fitting the controllers once more takes, at least


class D2NN(DistillingMethod):
    """Q-learning of the controllers, cross-entropy for the rest."""

    papers = (bibliography.D2NN, bibliography.DISTILLATION)
    name: Literal["d2nn"] = "d2nn"
    metric: Metric = Field(
        "accuracy",
        title="Accuracy metric",
        description="Accuracy term A of the reward: correctness of each image, or F1, precision or recall of a mini-bag",
    )
    efficiency: Literal["macs", "seconds"] = Field(
        "macs",
        title="Cost measure",
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
    exchange_rate: float = Field(
        0.1,
        gt=0,
        le=10,
        title="Exchange rate κ",
        description="κ: the accuracy that the static network's whole cost is worth (1 in the paper)",
    )
    calibrate: bool = Field(
        True,
        title="Calibrate κ",
        description="One network for every λ: choose κ so that cost rises evenly along the slider, finally on validation images",
    )
    early_exit_weight: float = Field(
        1.0,
        validation_alias=AliasChoices("early_exit_weight", "early"),
        ge=0,
        le=1,
        description="Loss weight of an exit for images that a later exit answered",
    )
    self_distillation: float = Field(
        0.0,
        validation_alias=AliasChoices("self_distillation", "taught"),
        ge=0,
        le=10,
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

    def holdout(self, count: int, batches: int) -> int:
        return reserved(self.controller_holdout, count, batches, self.bag_size)

    def prepare(self, graph: Graph, lam: float | None) -> Graph:
        """Return the graph itself, with its exchange rate and with the costs that its controllers can know beforehand."""
        if lam is None:
            graph.tradeoff = ExchangeRate(self.exchange_rate, adjustable=self.calibrate)
        else:
            graph.tradeoff = FixedLam(lam, self.exchange_rate)
        for control in graph.controls:
            part = graph.parts[control.name]
            if isinstance(part, Controller):
                part.controller_gradient = self.controller_gradient
                part.has_successors = control is not graph.controls[-1]
        _tell_costs(graph)
        return graph

    def setup(self, graph: Graph, batch_size: int, images: Tensor) -> None:
        if self.metric != "accuracy" and self.bag_size == 1:
            raise ConfigError(
                f"{self.metric} of a single image says no more than whether it is right: take several in method.bag_size, 16 say"
            )
        if self.efficiency == "seconds":
            taken = seconds(graph, batch_size)
            graph.prices.copy_(torch.tensor([taken[node.name] for node in graph.nodes], dtype=torch.float64))
        _tell_costs(graph)  # also anew where the controllers began as another network's

    def epsilon(self, progress: float) -> float:
        """ε at a point of the training from 0 to 1."""
        if progress < self.exploration_fraction:
            return 1.0
        falling = (progress - self.exploration_fraction) / max(self.epsilon_decay_end - self.exploration_fraction, 1e-9)
        return max(self.final_epsilon, 1.0 - falling * (1.0 - self.final_epsilon))

    def step(self, graph: Graph, batch: Batch, lam: float | None, progress: float, generator: Generator) -> StepResult:
        batch = batch.whole(self.bag_size)
        images, labels, bags = batch.images, batch.labels, len(batch.labels) // self.bag_size
        if not bags:
            raise ConfigError(f"a mini-bag of {self.bag_size} needs batches of at least as many images: raise training.batch_size")
        lams = torch.rand(bags, generator=generator) if lam is None else torch.full((bags,), lam)
        lams = lams.to(images.device)  # (bags,)
        policy = self._exploring(graph, batch.holdout, progress, generator)
        execution = execute(graph, images, policy, lam=lams.repeat_interleave(self.bag_size))
        share = spent(graph, execution).float()  # (B,)
        predicted, classes = execution.predicted, execution.output.shape[1]
        accuracy = bag_metric(self.metric, predicted.view(bags, -1), labels.view(bags, -1), classes)  # (bags,)
        telling = torch.ones_like(accuracy, dtype=torch.bool)  # (bags,) those that controllers learn from
        if self.controller_holdout:
            telling = batch.holdout.view(bags, -1).any(dim=1)
        values = self._regression(graph, execution, share, accuracy, lams, telling)
        figures = {"accuracy": float((predicted == labels).float().mean()), "cost share": float(share.mean())}
        losses = {"classification": classification(execution, labels, batch.holdout, self.early_exit_weight), "values": values}
        if self.self_distillation:
            losses["self-distillation"] = self.self_distillation * taught_by_last(execution, batch.holdout)
        if batch.teacher is not None:
            losses["distillation"] = self.distillation_weight * taught_by(execution, batch.teacher, batch.holdout)
        return StepResult(losses, figures)

    def after_epoch(self, graph: Graph, images: Tensor, labels: Tensor) -> None:
        """Calibrate κ, so that evenly drawn λ keep every path in use."""
        if graph.tradeoff.adjustable:
            calibrate(graph, images, labels)

    def finish(self, graph: Graph, holdout: Split, val: Split, generator: Generator) -> None:
        """Fit the controllers of a network for every λ once more, where that is wanted and possible."""
        fits = self.refit_controllers and self.metric == "accuracy" and self.bag_size == 1
        if fits and graph.tradeoff.every_lam and len(holdout) >= FITTED_ON:
            fit_controllers(graph, holdout, val, generator)

    def _exploring(self, graph: Graph, holdout: Tensor, progress: float, generator: Generator) -> Policy:
        if not graph.tradeoff.every_lam:
            return EpsilonGreedy(self.epsilon(progress), generator)
        order = {control.name: number for number, control in enumerate(graph.controls)}
        bags = len(holdout) // self.bag_size  # explored as a whole: one greedy bag tells more than many with a random choice in each
        explores = torch.rand(bags, generator=generator) < max(self.epsilon(progress), self.random_route_fraction)  # (bags,)
        until = torch.randint(1, len(order) + 1, (bags,), generator=generator) * explores  # (bags,)
        rates = torch.rand(len(holdout), generator=generator)  # (B,)
        opened = (torch.rand(bags, generator=generator) < self.full_route_fraction).repeat_interleave(
            self.bag_size
        ) & ~holdout.cpu()  # (B,)
        until = torch.where(opened, len(order), until.repeat_interleave(self.bag_size))
        return Episodes(until, torch.where(opened, 1.0, rates), order, generator)

    def _regression(self, graph: Graph, execution: Execution, share: Tensor, accuracy: Tensor, lams: Tensor, telling: Tensor) -> Tensor:
        """The loss of all values of options taken against the rewards of bags, for the bags `telling` (bags,) bool."""
        bags = len(accuracy)
        losses = [accuracy.new_zeros(())]
        later_greedy = torch.ones(bags, dtype=torch.bool, device=accuracy.device)  # bags whose later decisions were the greedy ones
        for control in reversed(graph.controls):
            ran = execution.ran[control.name]  # (B,)
            values, taken = execution.values[control.name], execution.gates[control.name].argmax(dim=1)  # (B, K) or (B, K, 2); (B,)
            value = values[torch.arange(len(values)), taken]  # (B,) or (B, 2)
            seen = ran.view(bags, -1).any(dim=1) & telling  # (bags,)
            if values.dim() == 2:
                rewards = graph.tradeoff.reward(accuracy, share.view(bags, -1).mean(dim=1), lams)
                losses.append(_squared((value * ran).view(bags, -1).sum(dim=1), rewards, seen))
                continue
            seen = seen & later_greedy
            expected, efficiency = value.unbind(dim=1)
            losses.append(self._accuracy_loss(expected.view(bags, -1), accuracy, ran.view(bags, -1), seen))
            if isinstance(part := graph.parts[control.name], Controller) and part.has_successors:
                to_come = spent_after(graph, execution, control.name)
                losses.append(_squared(efficiency, -to_come, ran & seen.repeat_interleave(self.bag_size)))
            greedy = execution.scores[control.name].argmax(dim=1) == taken
            later_greedy = later_greedy & (greedy | ~ran).view(bags, -1).all(dim=1)
        return torch.stack(losses).sum()

    def _accuracy_loss(self, expected: Tensor, accuracy: Tensor, ran: Tensor, seen: Tensor) -> Tensor:
        """Of expected accuracies (bags, m), where the control node ran (bags, m), against those that came out (bags,)."""
        if self.metric == "accuracy" and self.bag_size == 1:
            likelihood = torch.where(accuracy > 0, expected[:, 0], 1 - expected[:, 0])[seen]  # of what came out
            return -likelihood.clamp(min=1e-6).log().mean() if len(likelihood) else accuracy.new_zeros(())
        means = (expected * ran).sum(dim=1) / ran.sum(dim=1).clamp(min=1)
        return _squared(means, accuracy, seen)


def _tell_costs(graph: Graph) -> None:
    """Tells the controllers what is known of the costs to come."""
    for control in graph.controls:
        part = graph.parts[control.name]
        if isinstance(part, Controller):
            part.min_remaining_cost.copy_(torch.tensor(costs_to_come(graph, control)))


def _squared(expected: Tensor, came_out: Tensor, counted: Tensor) -> Tensor:
    """The mean squared error over the rows that count, zero if none does; all (n,)."""
    return ((expected - came_out)[counted] ** 2).sum() / counted.sum().clamp(min=1)
