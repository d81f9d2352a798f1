"""Toys whose paths are right or wrong as the image itself says, so that the best way is known for every image and every λ."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from core.graph.builder import Builder
from core.graph.cost import cost
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.policy import Greedy

WIDTHS = (8, 100, 300)  # of three paths, from the cheapest to the dearest
LAMS = (0.15, 0.4, 0.7)  # at κ = 1: the cheapest path for all; the middle one where it gains; each where it gains


class Path(nn.Module):
    """A path that cannot learn: it says class 1 where its channel of the image is positive; `width` makes it dear."""

    def __init__(self, channels: int, channel: int, width: int) -> None:
        super().__init__()
        first, second = torch.zeros(width, channels), torch.zeros(2, width)
        first[0, channel], second[0, 0], second[1, 0] = 1.0, -1.0, 1.0
        self.register_buffer("first", first)
        self.register_buffer("second", second)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(F.linear(x.flatten(1), self.first), self.second)


def built(every_lam: bool, add: Callable[[Builder], None], channels: int) -> Graph:
    """A graph of fixed paths and controllers whose first weights are always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        g = Builder((channels, 1, 1), every_lam=every_lam)
        add(g)
        return g.build()


def three_paths(every_lam: bool = False) -> Graph:
    """One controller picks one of three paths; which of them are right is written into the image's three channels."""

    def add(g: Builder) -> None:
        gates = g.control("Q", g.input, options=("cheap", "middle", "dear"))
        for channel, gate in enumerate(gates):
            g.output(f"y{channel}", Path(3, channel, WIDTHS[channel]), g.input, when=gate)

    return built(every_lam, add, 3)


def three_stages(every_lam: bool = False) -> Graph:
    """Two controllers, one after the other: stop or go on to the next path."""

    def add(g: Builder) -> None:
        g.output("y0", Path(3, 0, WIDTHS[0]), g.input)
        seen, on = g.input, ()
        for stage in (1, 2):
            _, on = g.control(f"Q{stage}", seen, options=("stop", "go on"))
            seen = g.add(f"N{stage}", nn.Identity(), seen, when=on)
            g.output(f"y{stage}", Path(3, stage, WIDTHS[stage]), seen)

    return built(every_lam, add, 3)


def marked(count: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Images of class 1 whose channels are positive where the path that reads them is right."""
    signs = torch.randint(2, (count, 3), generator=generator) * 2 - 1
    sizes = 0.75 + 0.5 * torch.rand(count, 3, generator=generator)  # far from zero, so that what is learnt about signs is clear
    return (signs * sizes)[:, :, None, None], torch.ones(count, dtype=torch.long)


def shares_of_ways(graph: Graph, images: Tensor, ways: int) -> Tensor:
    """The cost share of each of the ways through a toy, (ways,): the first output, the second …"""
    by_name = graph.macs
    controls = [by_name[control.name] for control in graph.controls]
    outputs = [by_name[node.name] for node in graph.outputs]
    static = max(outputs)
    if len(controls) == 1:
        return torch.tensor([(controls[0] + output) / static for output in outputs])
    used = [sum(controls[: way + 1]) + sum(outputs[: way + 1]) for way in range(ways)]
    return torch.tensor(used) / static


def agreement(graph: Graph, lam: float, rate: float) -> float:
    """The share of fresh images that go the best way there is for them."""
    images, _ = marked(4000, Generator().manual_seed(1))
    with torch.no_grad():
        execution = execute(graph, images, Greedy(), lam=lam)
    report = cost(graph, execution)
    shares = shares_of_ways(graph, images, 3)
    taken = (report.share[:, None] - shares).abs().argmin(dim=1)
    assert torch.allclose(report.share.float(), shares[taken], atol=1e-6)
    right = (images.flatten(1) > 0).float()  # (N, ways)
    best = (lam * right - (1 - lam) * rate * shares).argmax(dim=1)
    assert best.unique().numel() == {0.15: 1, 0.4: 2, 0.7: 3}[lam]
    return float((taken == best).float().mean())


UNSURE_WIDTHS = (200, 1000, 4000)  # of the exits of a cascade whose answers are right by chance


class Context(nn.Module):
    """Returns the two numbers on which it depends how likely each exit is right."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :2]


def unsure_stages(every_lam: bool = False) -> Graph:
    """Two controllers, one after the other, which see the context alone; what each exit says is written into the image."""

    def add(g: Builder) -> None:
        context = g.add("context", Context(), g.input)
        g.output("y0", Path(5, 2, UNSURE_WIDTHS[0]), g.input)
        seen, on = context, ()
        for stage in (1, 2):
            _, on = g.control(f"Q{stage}", seen, options=("stop", "go on"))
            seen = g.add(f"N{stage}", nn.Identity(), seen, when=on)
            g.output(f"y{stage}", Path(5, 2 + stage, UNSURE_WIDTHS[stage]), g.input, when=on)

    return built(every_lam, add, 5)


def likely_right(context: Tensor) -> Tensor:
    """How likely each exit is right, (N, exits), from contexts (N, 2)."""
    first, second = context.unbind(1)
    return torch.stack([(1.5 * first + 0.3).sigmoid(), (1.5 * second + 0.7 * first + 1).sigmoid(), torch.full_like(first, 0.95)], dim=1)


def unsure(count: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Images of class 1: a context, and what each exit says of it."""
    context = torch.randn(count, 2, generator=generator)
    right = torch.rand(count, 3, generator=generator) < likely_right(context)
    return torch.cat([context, right * 2.0 - 1], dim=1)[:, :, None, None], torch.ones(count, dtype=torch.long)


def agreement_and_regret(graph: Graph, lam: float, rate: float) -> tuple[float, float]:
    """The share of fresh unsure images that leave at the exit with the highest expected reward, and the mean reward that is lost."""
    images, _ = unsure(20_000, Generator().manual_seed(1))
    with torch.no_grad():
        execution = execute(graph, images, Greedy(), lam=lam)
    taken = torch.stack([execution.ran["y1"], execution.ran["y2"]]).sum(dim=0)  # (N,)
    macs = graph.macs
    before = torch.tensor([0, macs["Q1"] + macs["y0"], macs["Q2"] + macs["y1"], macs["y2"]]).cumsum(0)[1:]  # (exits,)
    shares = before / macs["y2"]
    assert torch.allclose(cost(graph, execution).share.float(), shares[taken], atol=1e-6)
    rewards = lam * likely_right(images[:, :2, 0, 0]) - (1 - lam) * rate * shares  # (N, exits)
    best = rewards.max(dim=1)
    assert best.indices.unique().numel() >= 2
    lost = best.values - rewards.gather(1, taken[:, None]).squeeze(1)
    return float((taken == best.indices).float().mean()), float(lost.mean())
