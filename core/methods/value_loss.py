"""The regression losses of Q-learning: each control node's value of the option taken against the reward of its mini-bag.

With two values per option, the accuracy is regressed on the accuracy of the bag, and the cost to come on the cost of the nodes behind the
control node. Only bags whose later decisions were greedy count. An image with a reward of its own is a bag of one.

Beyond the paper: where each image has its own reward, an option can be regressed whether or not it was taken, as long as all that it and
the greedy decisions behind it need was computed (hindsight.py).
"""

import torch
from torch import Tensor

from core.graph.cost import reward_cost_after
from core.graph.execution import Execution
from core.graph.graph import Graph
from core.graph.hindsight import alternative
from core.modules.controller import Controller

MIN_LIKELIHOOD = 1e-6  # of what was seen, by which a loss is kept finite


def value_loss(
    graph: Graph, execution: Execution, share: Tensor, accuracy: Tensor, lams: Tensor, counted: Tensor, *, binary: bool
) -> Tensor:
    """Return the loss of all control nodes, for a batch of B images in mini-bags, from the options that were taken.

    `share`: the cost share of each image, (B,). `accuracy`, `lams`: the metric and the λ of each bag, (bags,). `counted`: the bags that the
    controllers learn from, (bags,) bool. `binary`: whether each bag is one image, whose accuracy is 0 or 1.
    """
    bags, bag_size = len(accuracy), len(share) // len(accuracy)
    losses = [accuracy.new_zeros(())]
    later_greedy = torch.ones(bags, dtype=torch.bool, device=accuracy.device)  # (bags,) whether all later decisions were greedy
    for control in reversed(graph.controls):
        ran = execution.ran[control.name]  # (B,)
        values, taken = execution.values[control.name], execution.gates[control.name].argmax(dim=1)  # (B, K) or (B, K, 2); (B,)
        value = values[torch.arange(len(values)), taken]  # (B,) or (B, 2)
        reached = ran.view(bags, -1).any(dim=1) & counted  # (bags,)
        if values.dim() == 2:
            rewards = graph.tradeoff.reward(accuracy, share.view(bags, -1).mean(dim=1), lams)
            losses.append(_squared_error((value * ran).view(bags, -1).sum(dim=1), rewards, reached))
            continue
        reached = reached & later_greedy
        expected, efficiency = value.unbind(dim=1)  # (B,) each
        losses.append(_accuracy_loss(expected.view(bags, -1), accuracy, ran.view(bags, -1), reached, binary=binary))
        if isinstance(part := graph.parts[control.name], Controller) and part.has_successors:
            to_come = reward_cost_after(graph, execution, control.name)
            losses.append(_squared_error(efficiency, -to_come, ran & reached.repeat_interleave(bag_size)))
        greedy = execution.scores[control.name].argmax(dim=1) == taken
        later_greedy = later_greedy & (greedy | ~ran).view(bags, -1).all(dim=1)
    return torch.stack(losses).sum()


def hindsight_loss(graph: Graph, execution: Execution, labels: Tensor, counted: Tensor) -> Tensor:
    """Return the loss of all control nodes from every option whose outcome is known, for B images whose rewards are their own.

    `labels`: the classes of the images, (B,). `counted`: the images that the controllers learn from, (B,) bool. Control nodes must predict
    two values per option.
    """
    losses = [execution.output.new_zeros(())]
    for control in graph.controls:
        rows = execution.ran[control.name] & counted  # (B,)
        part = graph.parts[control.name]
        outcomes, count = losses[0], losses[0]
        for column in range(len(control.options)):
            other = alternative(graph, execution, control.name, column)
            known = rows & other.known
            expected, efficiency = execution.values[control.name][:, column].unbind(dim=1)  # (B,) each
            right = other.execution.predicted == labels
            likelihood = torch.where(right, expected, 1 - expected)[known]
            outcomes = outcomes - likelihood.clamp(min=MIN_LIKELIHOOD).log().sum()
            if isinstance(part, Controller) and part.has_successors:
                to_come = reward_cost_after(graph, other.execution, control.name)
                outcomes = outcomes + ((efficiency + to_come)[known] ** 2).sum()
            count = count + known.sum()
        losses.append(outcomes / count.clamp(min=1))
    return torch.stack(losses).sum()


def _accuracy_loss(expected: Tensor, accuracy: Tensor, ran: Tensor, counted: Tensor, *, binary: bool) -> Tensor:
    """Return the loss of expected accuracies (bags, m), where the control node ran (bags, m), against those of the bags (bags,).

    Cross-entropy for `binary` accuracies, of bags of one image; otherwise the squared error of the bag's mean.
    """
    if binary:
        likelihood = torch.where(accuracy > 0, expected[:, 0], 1 - expected[:, 0])[counted]
        return -likelihood.clamp(min=MIN_LIKELIHOOD).log().mean() if len(likelihood) else accuracy.new_zeros(())
    means = (expected * ran).sum(dim=1) / ran.sum(dim=1).clamp(min=1)
    return _squared_error(means, accuracy, counted)


def _squared_error(expected: Tensor, target: Tensor, counted: Tensor) -> Tensor:
    """Return the mean squared error over the rows that count, 0 if none does; all (n,)."""
    return ((expected - target)[counted] ** 2).sum() / counted.sum().clamp(min=1)
