"""The regression losses of Q-learning: each control node's value of the option taken against the reward of its mini-bag.

With two values per option, the accuracy is regressed on the accuracy of the bag, and the cost to come on the cost of the nodes behind the
control node. Only bags whose later decisions were greedy count. An image with a reward of its own is a bag of one.
"""

import torch
from torch import Tensor

from core.graph.cost import reward_cost_after
from core.graph.execution import Execution
from core.graph.graph import Graph
from core.modules.controller import Controller


def value_loss(
    graph: Graph, execution: Execution, share: Tensor, accuracy: Tensor, lams: Tensor, counted: Tensor, *, binary: bool
) -> Tensor:
    """Return the loss of all control nodes, for a batch of B images in mini-bags.

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


def _accuracy_loss(expected: Tensor, accuracy: Tensor, ran: Tensor, counted: Tensor, *, binary: bool) -> Tensor:
    """Return the loss of expected accuracies (bags, m), where the control node ran (bags, m), against those of the bags (bags,).

    Cross-entropy for `binary` accuracies, of bags of one image; otherwise the squared error of the bag's mean.
    """
    if binary:
        likelihood = torch.where(accuracy > 0, expected[:, 0], 1 - expected[:, 0])[counted]
        return -likelihood.clamp(min=1e-6).log().mean() if len(likelihood) else accuracy.new_zeros(())
    means = (expected * ran).sum(dim=1) / ran.sum(dim=1).clamp(min=1)
    return _squared_error(means, accuracy, counted)


def _squared_error(expected: Tensor, target: Tensor, counted: Tensor) -> Tensor:
    """Return the mean squared error over the rows that count, 0 if none does; all (n,)."""
    return ((expected - target)[counted] ** 2).sum() / counted.sum().clamp(min=1)
