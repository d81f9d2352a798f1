"""Policies: how the scores of a control node become its gates.

A policy receives all images of the batch, including those for which the control node does not run; the executor closes their gates later.
So random policies draw the same numbers whatever ran before, and the answer for one image does not depend on the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Generator, Tensor

from core.graph.node import GraphError, Node

if TYPE_CHECKING:
    from core.graph.execution import Execution

NOISE_MARGIN = 1e-6  # distance of random numbers from 0 and 1 before their logarithm is taken


class Policy(Protocol):
    """Turns the scores (B, K) of a control node into gates (B, K) ≥ 0: zero is closed, another number opens and scales."""

    def __call__(self, control: Node, scores: Tensor) -> Tensor: ...


def one_hot(columns: Tensor, like: Tensor) -> Tensor:
    """Return gates (B, K) in {0, 1} with one open column (B,) per image, in the type of `like` (B, K)."""
    return torch.zeros_like(like).scatter_(1, columns[:, None], 1)


@dataclass(frozen=True)
class Greedy:
    """Opens the option with the highest score, and of equal ones the cheapest; or every gate with a positive score, scaled by the score."""

    def __call__(self, control: Node, scores: Tensor) -> Tensor:
        if control.decides == "each":
            return scores.relu()
        return one_hot(scores.argmax(dim=1), scores)


@dataclass(frozen=True)
class Random:
    """Random gates, independent of the image. A node with two options takes the second with probability `rate`.

    With K options, the index of the one that is taken is Binomial(K − 1, rate). Independent gates each open with probability `rate`.
    `rate` may be one number, or one per control node.
    """

    rate: float | Mapping[str, float]
    generator: Generator

    def __call__(self, control: Node, scores: Tensor) -> Tensor:
        rate = self.rate if isinstance(self.rate, float | int) else self.rate[control.name]
        return _draw_gates(control, scores, torch.full((len(scores),), rate), self.generator)


@dataclass(frozen=True)
class EpsilonGreedy:
    """Greedy, except that each image at each control node takes a uniformly random option with probability `epsilon`."""

    epsilon: float
    generator: Generator

    def __call__(self, control: Node, scores: Tensor) -> Tensor:
        greedy = Greedy()(control, scores)
        explores = torch.rand(len(scores), 1, generator=self.generator) < self.epsilon
        if control.decides == "each":
            drawn = torch.randint(2, scores.shape, generator=self.generator).to(scores)
        else:
            drawn = one_hot(
                torch.randint(scores.shape[1], (len(scores),), generator=self.generator).to(scores.device, non_blocking=True), scores
            )
        return torch.where(explores.to(scores.device, non_blocking=True), drawn, greedy)


@dataclass(frozen=True)
class RandomPrefix:
    """Greedy, except that each image takes random options at its first `until` (B,) control nodes, at a rate of its own (B,).

    Deep nodes are thus reached as well. Since all later decisions are greedy, the result shows the value of the last random option.
    `order`: the position of each control node, from 0.
    """

    until: Tensor
    rates: Tensor
    order: Mapping[str, int]
    generator: Generator

    def __call__(self, control: Node, scores: Tensor) -> Tensor:
        random = _draw_gates(control, scores, self.rates, self.generator)
        explores = (self.order[control.name] < self.until)[:, None].to(scores.device, non_blocking=True)  # (B, 1)
        return torch.where(explores, random, Greedy()(control, scores))


@dataclass(frozen=True)
class StraightThrough:
    """Greedy in the forward pass, with the gradient of a soft gate: a softmax over options, or a sigmoid per independent gate."""

    def __call__(self, control: Node, scores: Tensor) -> Tensor:
        hard = Greedy()(control, scores)
        soft = scores.sigmoid() if control.decides == "each" else scores.softmax(dim=1)
        return hard.detach() + (soft - soft.detach())  # the bracket is exactly zero


@dataclass(frozen=True)
class GumbelStraightThrough:
    """Random gates of 0 and 1, with the gradient of a soft gate at a temperature (Jang et al., ICLR 2017, arXiv 1611.01144).

    Options are drawn by the softmax of the scores, independent gates by their sigmoid: Gumbel noise is added to each score, and its
    difference, which is logistic, to the score of an independent gate. The gradient is that of the softmax or sigmoid of the noisy scores.
    """

    temperature: float
    generator: Generator

    def __call__(self, control: Node, scores: Tensor) -> Tensor:
        uniform = torch.rand(scores.shape, generator=self.generator).clamp(NOISE_MARGIN, 1 - NOISE_MARGIN)
        noise = uniform.logit() if control.decides == "each" else -(-uniform.log()).log()
        noisy = scores.float() + noise.to(scores.device, non_blocking=True)
        if control.decides == "each":
            hard, soft = (noisy > 0).float(), (noisy / self.temperature).sigmoid()
        else:
            hard, soft = one_hot(noisy.argmax(dim=1), noisy), (noisy / self.temperature).softmax(dim=1)
        return (hard + (soft - soft.detach())).to(scores.dtype)  # the bracket is exactly zero


@dataclass(frozen=True)
class Sampled:
    """Random gates of 0 and 1: options drawn by a softmax of the scores, independent gates by a sigmoid, without a gradient.

    The scores are divided by `temperature`. With probability `epsilon` an option, or the state of a gate, is drawn uniformly instead.
    """

    generator: Generator
    epsilon: float = 0.0
    temperature: float = 1.0

    def probabilities(self, control: Node, scores: Tensor) -> Tensor:
        """Return the probability of each option, or of each independent gate to open, (B, K) float, with a gradient."""
        logits = scores.float() / self.temperature
        if control.decides == "each":
            return (1 - self.epsilon) * logits.sigmoid() + self.epsilon / 2
        return (1 - self.epsilon) * logits.softmax(dim=1) + self.epsilon / scores.shape[1]

    def __call__(self, control: Node, scores: Tensor) -> Tensor:
        likely = self.probabilities(control, scores.detach())
        if control.decides == "each":
            uniform = torch.rand(scores.shape, generator=self.generator).to(scores.device, non_blocking=True)
            return (uniform < likely).to(scores.dtype)
        uniform = torch.rand(len(scores), 1, generator=self.generator).to(scores.device, non_blocking=True)
        below = (likely.cumsum(dim=1)[:, :-1] <= uniform).sum(dim=1)  # (B,) how many options lie below the number drawn
        return one_hot(below, torch.zeros_like(scores))


@dataclass(frozen=True)
class Unscaled:
    """Opens what Greedy opens, without scaling."""

    def __call__(self, control: Node, scores: Tensor) -> Tensor:
        return (Greedy()(control, scores) > 0).to(scores.dtype)


@dataclass(frozen=True)
class Open:
    """Opens every gate without scaling, so that every node that can run does."""

    def __call__(self, control: Node, scores: Tensor) -> Tensor:
        return torch.ones_like(scores)


@dataclass(frozen=True)
class Replay:
    """Repeats the gates of an earlier execution of the same images, whatever the scores."""

    execution: "Execution"

    def __call__(self, control: Node, scores: Tensor) -> Tensor:
        return self.execution.gates[control.name].to(scores)


@dataclass(frozen=True)
class Forced:
    """Holds columns of control nodes open (True) or closed (False), and leaves the others to another policy."""

    columns: Mapping[str, Mapping[int, bool]]
    otherwise: Policy = Greedy()

    def __call__(self, control: Node, scores: Tensor) -> Tensor:
        forced = self.columns.get(control.name, {})
        gates = self.otherwise(control, scores)
        if not forced:
            return gates
        if control.decides == "each":
            for column, held in forced.items():
                gates = gates.clone()
                gates[:, column] = torch.where(gates[:, column] > 0, gates[:, column], 1.0) if held else 0.0
            return gates
        allowed = [column for column, held in forced.items() if held] or [k for k in range(scores.shape[1]) if k not in forced]
        if not allowed:
            raise GraphError(f"every option of {control.name!r} is forced off: leave one of {', '.join(control.options)} free")
        best = torch.full_like(scores, -torch.inf)
        best[:, allowed] = scores[:, allowed]
        kept = torch.zeros_like(gates)
        kept[:, allowed] = gates[:, allowed]
        return torch.where(kept.sum(dim=1, keepdim=True) > 0, kept, one_hot(best.argmax(dim=1), gates))


@dataclass(frozen=True)
class Stacked:
    """One policy per copy of the batch, (copies · N,)."""

    policies: Sequence[Policy]

    def __call__(self, control: Node, scores: Tensor) -> Tensor:
        parts = scores.chunk(len(self.policies))
        return torch.cat([policy(control, part) for policy, part in zip(self.policies, parts, strict=True)])


def _draw_gates(control: Node, scores: Tensor, rates: Tensor, generator: Generator) -> Tensor:
    """Draw random gates at a rate per image, (B,), as `Random` does."""
    columns = scores.shape[1] if control.decides == "each" else scores.shape[1] - 1
    drawn = (torch.rand(len(scores), columns, generator=generator) < rates[:, None]).to(scores.device, non_blocking=True)
    return drawn.to(scores.dtype) if control.decides == "each" else one_hot(drawn.sum(dim=1), scores)
