"""Exploration in Q-learning: an ε-greedy schedule, random routes and full routes (Liu & Deng, section 4).

Differs from the paper: a network for every λ explores whole routes up to a random control node, and sends a fraction of the images along
the full route. While others of its mini-bag explore, an image that has a reward of its own learns beside them what it adds to the metric.
Reconstructed: the schedule of ε.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from core.graph.graph import Graph
from core.graph.policy import EpsilonGreedy, Policy, RandomPrefix


@dataclass(frozen=True)
class Exploration:
    """When and how the options of control nodes are chosen at random.

    start         the point of the training, from 0 to 1, up to which ε is 1
    end           the point of the training at which ε reaches its final value
    final         the final value of ε
    random_routes fraction of the images on random routes until the end of the training, in a network for every λ
    full_routes   fraction of the images on the full route, in a network for every λ
    """

    start: float
    end: float
    final: float
    random_routes: float
    full_routes: float

    def epsilon(self, progress: float) -> float:
        """Return ε at a point of the training from 0 to 1."""
        if progress < self.start:
            return 1.0
        decayed = (progress - self.start) / max(self.end - self.start, 1e-9)
        return max(self.final, 1.0 - decayed * (1.0 - self.final))

    def policy(self, graph: Graph, holdout: Tensor, bag_size: int, progress: float, generator: Generator) -> Policy:
        """Return the policy for one batch, whose images are on the holdout where `holdout` (B,) bool is true.

        A network for every λ explores in groups of `bag_size` images. Where they share one reward, one greedy bag teaches the controllers
        more than many bags with a random choice in each.
        """
        if not graph.tradeoff.every_lam:
            return EpsilonGreedy(self.epsilon(progress), generator)
        order = {control.name: number for number, control in enumerate(graph.controls)}
        bags = len(holdout) // bag_size
        explores = torch.rand(bags, generator=generator) < max(self.epsilon(progress), self.random_routes)  # (bags,)
        until = torch.randint(1, len(order) + 1, (bags,), generator=generator) * explores  # (bags,)
        rates = torch.rand(len(holdout), generator=generator)  # (B,)
        full = (torch.rand(bags, generator=generator) < self.full_routes).repeat_interleave(bag_size) & ~holdout.cpu()  # (B,)
        until = torch.where(full, len(order), until.repeat_interleave(bag_size))  # (B,)
        return RandomPrefix(until, torch.where(full, 1.0, rates), order, generator)
