"""Channels that are skipped inside a block: the same answer as multiplying by zero, and the multiply-adds of what is left."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from core.architectures.lc_resnet import LCResNet
from core.graph.builder import Builder
from core.graph.cost import cost
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.node import ChannelGate, Edge, GraphError, Node
from core.graph.policy import Forced, Greedy, Open, Replay
from core.graph.static import static_network
from core.modules.gate_network import OPEN, GateNetwork, clamp_open
from core.modules.layers import Add, classifier
from core.modules.residual import Branch

KINDS = {
    "basic": lambda stride: Branch(5, (8, 6), (3, 3), (stride, 1)),
    "bottleneck": lambda stride: Branch(5, (4, 8, 6), (1, 3, 1), (1, stride, 1)),
}


def awake(part: nn.Module, seed: int = 0) -> nn.Module:
    """A module in evaluation mode whose batch norms have seen something."""
    generator = Generator().manual_seed(seed)
    for norm in part.modules():
        if isinstance(norm, nn.BatchNorm2d | nn.BatchNorm1d):
            for values in (norm.running_mean, norm.bias.data):
                values.copy_(torch.randn(values.shape, generator=generator) / 4)
            for values in (norm.running_var, norm.weight.data):
                values.copy_(0.5 + torch.rand(values.shape, generator=generator))
    return part.eval()


def by_hand(branch: Branch, image: Tensor, gates: Tensor) -> Tensor:
    """The branch for one image, filter by filter: only what is open is computed and read."""
    x, first = image, 0
    read = list(range(image.shape[0]))
    for number, (convolution, norm) in enumerate(branch.layers):
        last = number == len(branch.filters) - 1
        filters = range(branch.filters[number])
        opened = [k for k in filters if last or gates[first + k] > 0]
        rows, columns = (-(-side // convolution.stride[0]) for side in x.shape[1:])
        sent = []
        for k in opened:
            weight = convolution.weight[k : k + 1][:, read]
            drawn = F.conv2d(x[None], weight, None, convolution.stride, convolution.padding)[0, 0] if read else torch.zeros(rows, columns)
            drawn = (drawn - norm.running_mean[k]) / (norm.running_var[k] + norm.eps).sqrt() * norm.weight[k] + norm.bias[k]
            sent.append(drawn if last else drawn.relu() * gates[first + k])
        first += branch.filters[number]
        x, read = (torch.stack(sent) if sent else torch.zeros(0, rows, columns)), opened
    return x


def drawn_gates(branch: Branch, count: int, generator: Generator) -> Tensor:
    """Gates (count, branch.count) of which 40% are closed, and for each image and convolution with a chance of 30% all of them."""
    gates = (torch.rand(count, branch.count, generator=generator) - 0.4).clamp(min=0) * 3
    runs = [(torch.rand(count, 1, generator=generator) > 0.3).float().expand(-1, width) for width in branch.inner]
    return gates * torch.cat(runs, dim=1)


cases = st.tuples(st.sampled_from(sorted(KINDS)), st.integers(1, 2), st.integers(1, 5), st.integers(0, 9999))


@settings(max_examples=60)
@given(cases)
@torch.no_grad()
def test_what_is_closed_is_neither_computed_nor_read(drawn: tuple[str, int, int, int]) -> None:
    kind, stride, count, seed = drawn
    generator = Generator().manual_seed(seed)
    branch = awake(KINDS[kind](stride), seed)
    images = torch.randn(count, 5, 6, 6, generator=generator)
    gates = drawn_gates(branch, count, generator)
    expected = torch.stack([by_hand(branch, image, row) for image, row in zip(images, gates, strict=True)])
    for dense in (False, True):
        assert torch.allclose(branch(images, channels=gates, dense=dense), expected, atol=1e-5)
        alone = [branch(images[n : n + 1], channels=gates[n : n + 1], dense=dense) for n in range(count)]
        assert torch.allclose(torch.cat(alone), expected, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_with_all_closed_only_the_last_shift_is_left_and_with_none_it_is_a_plain_branch(kind: str) -> None:
    branch = awake(KINDS[kind](1))
    images = torch.randn(3, 5, 6, 6, generator=Generator().manual_seed(0))
    closed = torch.zeros(3, branch.count)
    for rows in (slice(0, 1), slice(0, 3)):
        found = branch(images[rows], channels=closed[rows])
        assert torch.equal(found, found[:1, :, :1, :1].expand_as(found))  # a constant per channel, at the border too
        assert torch.equal(found, branch(images[rows], channels=closed[rows], dense=True))
    mixed = torch.cat([closed[:1], torch.ones(2, branch.count)])
    assert torch.allclose(branch(images, channels=mixed), branch(images, channels=mixed, dense=True), atol=1e-5)
    assert torch.allclose(branch(images, channels=torch.ones(3, branch.count)), branch(images), atol=1e-5)


@pytest.mark.parametrize("size", [(8, 8), (9, 7)])
@pytest.mark.parametrize("count", [1, 12])
@pytest.mark.parametrize(("kind", "stride"), [("basic", 1), ("basic", 2), ("bottleneck", 1), ("bottleneck", 2)])
@torch.no_grad()
def test_the_share_is_what_torch_counts(kind: str, stride: int, count: int, size: tuple[int, int]) -> None:
    """For one image and in a batch, of which each keeps other channels and as many as it likes, none of a convolution included."""
    branch = awake(KINDS[kind](stride))
    images, shapes = torch.randn(count, 5, *size), [(5, *size)]

    def counted(gates: Tensor) -> int:
        with FlopCounterMode(display=False) as counter:
            branch(images, channels=gates)
        return counter.get_total_flops()

    full = counted(torch.ones(count, branch.count)) / count
    generator = Generator().manual_seed(0)
    for _ in range(20):
        gates = drawn_gates(branch, count, generator)
        assert counted(gates) == pytest.approx(full * float(branch.share(gates > 0, shapes).sum()), rel=1e-12)
    assert float(branch.share(torch.ones(1, branch.count) > 0, shapes)) == pytest.approx(1)
    assert float(branch.share(torch.zeros(1, branch.count) > 0, shapes)) == counted(torch.zeros(count, branch.count)) == 0


@torch.no_grad()
def test_a_convolution_that_nothing_reads_is_charged_and_computed() -> None:
    """The first of a bottleneck keeps 2 of 4 filters and the second none: 36 · 5 · 2 multiply-adds; the other way around 36 · 8 · 6."""
    branch, image = awake(KINDS["bottleneck"](1)), torch.randn(1, 5, 6, 6)
    full = 36 * (5 * 4 + 4 * 9 * 8 + 8 * 6)
    for gates, left in ((torch.tensor([[1.0, 1.0] + [0.0] * 10]), 36 * 5 * 2), (torch.tensor([[0.0] * 4 + [1.0] * 8]), 36 * 8 * 6)):
        with FlopCounterMode(display=False) as counter:
            branch(image, channels=gates)
        assert counter.get_total_flops() == 2 * left
        assert float(branch.share(gates > 0, [(5, 6, 6)])) * full == pytest.approx(left)


def gated(every_lam: bool = False) -> Graph:
    """Two blocks with gates of both kinds, all of them random."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        g = Builder((3, 8, 8), every_lam=every_lam)
        before = g.add("stem", nn.Conv2d(3, 6, 3, padding=1), g.input)
        for number in (1, 2):
            part = GateNetwork([g.shapes[before]], 9, every_lam=every_lam)
            nn.init.normal_(part.head.weight)
            nn.init.normal_(part.head.bias)
            names = ("block", *(f"channel {n}" for n in range(8)))
            gates = g.control(f"Q{number}", before, options=names, part=part, decides="each")
            inside = ChannelGate(f"Q{number}", 1, 8)
            branch = g.add(f"block {number}", Branch(6, (8, 6), (3, 3), (1, 1)), before, when=gates[0], channels=inside)
            before = g.add(f"add {number}", Add(), before, Edge(branch, 0.0))
        g.output("y", classifier(6, 4), before)
        return awake(g.build())


@torch.no_grad()
def test_a_network_with_both_kinds_of_gates_agrees_with_itself() -> None:
    graph, images = gated(), torch.randn(40, 3, 8, 8, generator=Generator().manual_seed(0))
    free = execute(graph, images, Greedy())
    assert 0 < free.ran["block 1"].float().mean() < 1  # so that it says something
    dense = execute(graph, images, Replay(free), dense=True)
    assert torch.allclose(free.output, dense.output, atol=1e-5)
    single = torch.cat([execute(graph, image[None], Greedy()).output for image in images])
    assert torch.allclose(free.output, single, atol=1e-5)
    assert torch.equal(cost(graph, free).used, cost(graph, dense).used)


@torch.no_grad()
def test_the_cost_is_that_of_the_channels_that_are_open() -> None:
    graph, images = gated(), torch.randn(40, 3, 8, 8, generator=Generator().manual_seed(0))
    free = execute(graph, images, Greedy())
    always = sum(graph.macs[node.name] for node in graph.nodes if not node.name.startswith("block"))
    used = torch.full((40,), float(always), dtype=torch.float64)
    for number in (1, 2):
        gates = free.gates[f"Q{number}"] > 0
        used += gates[:, 0] * gates[:, 1:].double().mean(dim=1) * graph.macs[f"block {number}"]  # both convolutions are linear in them
    assert cost(graph, free).used.tolist() == pytest.approx(used.tolist())
    assert cost(graph, execute(graph, images, Open())).used.tolist() == [sum(graph.macs.values())] * 40
    closed = Forced({"Q1": dict.fromkeys(range(1, 9), False), "Q2": {0: False}})
    assert cost(graph, execute(graph, images, closed)).used.tolist() == [always] * 40


def test_the_static_network_has_no_gates_and_all_channels() -> None:
    graph, images = gated(), torch.randn(5, 3, 8, 8, generator=Generator().manual_seed(0))
    static = static_network(graph)
    assert static.controls == ()
    with torch.no_grad():
        assert torch.allclose(execute(static, images, Greedy()).output, execute(graph, images, Open()).output, atol=1e-5)
    assert sum(static.macs.values()) == cost(graph, execute(graph, images, Open())).static


def test_gradients_reach_closed_channels_in_training() -> None:
    graph = gated().train()
    execution = execute(graph, torch.randn(16, 3, 8, 8, generator=Generator().manual_seed(0)), Open(), dense=True)
    execution.output.sum().backward()
    assert all(weights.grad is not None for weights in graph.parts["block 1"].parameters())


def test_gate_networks_begin_with_every_gate_open_and_take_lam() -> None:
    part = GateNetwork([(3, 4, 4)], 5, every_lam=True).eval()
    seen = torch.randn(2, 3, 4, 4)
    assert part(seen, weight=torch.tensor([0.0, 1.0])).tolist() == [[1.0] * 5] * 2
    assert part.train()(seen[:1], weight=torch.tensor([0.5])).shape == (1, 5)
    assert gated(every_lam=True).tradeoff.every_lam
    assert not gated().tradeoff.every_lam


def test_open_gates_can_be_held_to_a_range_around_one() -> None:
    """Closed ones stay as they are, and each score gets the gradient that it would get without."""
    scores = torch.tensor([[-2.0, 0.0, 0.01, 0.7, 1.2, 9.0]], requires_grad=True)
    held = clamp_open(scores, torch.tensor([0.5, 0.5, 0.5, 0.5, 0.5, 0.5]))
    assert held[0].tolist() == pytest.approx([-2.0, 0.0, 0.5, 0.7, 1.2, 1.5])
    assert clamp_open(scores, torch.tensor([0.5, 0.5, 0.0, 0.5, 0.5, 0.0]))[0].tolist() == pytest.approx([-2.0, 0.0, 0.01, 0.7, 1.2, 9.0])
    (held * torch.arange(6)).sum().backward()
    assert scores.grad is not None
    assert scores.grad[0].tolist() == list(range(6))
    assert clamp_open(scores, None) is scores
    torch.manual_seed(0)
    graph = LCResNet(depth=8, width=4).build((3, 32, 32), 10).eval()
    for control in graph.controls:
        nn.init.normal_(graph.parts[control.name].head.weight, std=2.0)
        nn.init.zeros_(graph.parts[control.name].head.bias)
    with torch.no_grad():
        execution = execute(graph, torch.randn(16, 3, 32, 32), Greedy())
    layers = torch.cat([gates[:, 0] for gates in execution.gates.values()])
    channels = torch.cat([gates[:, 1:].flatten() for gates in execution.gates.values()])
    held = channels[channels > 0]
    assert (float(held.min()), float(held.max())) == pytest.approx((0.5, 1.5))
    assert float(layers.max()) > 1.5  # a block's gate is not held


def test_gates_can_learn_slower() -> None:
    graph = LCResNet(depth=8, width=4).build((3, 32, 32), 10)
    part = graph.parts[graph.controls[0].name]
    (scores := part(torch.randn(8, 4, 8, 8), weight=None)).sum().backward()
    assert scores.tolist() == [[OPEN] * 5] * 8
    assert part.head.bias.grad.tolist() == pytest.approx([0.8, 8.0, 8.0, 8.0, 8.0])
    alone = LCResNet(depth=8, width=4, channels=False).build((3, 32, 32), 10)
    assert alone.parts[alone.controls[0].name].rates is None  # where nothing else saves, blocks have to


def test_gates_within_need_a_control_node_that_decides_each() -> None:
    g = Builder((3, 8, 8))
    g.control("Q", g.input, options=("stop", "go on"))
    with pytest.raises(GraphError, match=r"decides=.each."):
        Graph(
            [*g.nodes, Node("b", "regular", (Edge("x"),), channels=ChannelGate("Q", 0, 2)), Node("y", "output", (Edge("b"),))],
            {**g.parts, "b": Branch(3, (2, 2), (3, 3), (1, 1)), "y": classifier(2, 2)},
            (3, 8, 8),
        )
    part = GateNetwork([(3, 8, 8)], 2)
    h = Builder((3, 8, 8))
    h.control("Q", h.input, options=("one", "two"), part=part, decides="each")
    for first, count in ((1, 2), (-1, 2), (0, 0)):
        inside = ChannelGate("Q", first, count)
        nodes = [*h.nodes, Node("b", "regular", (Edge("x"),), channels=inside), Node("y", "output", (Edge("b"),))]
        with pytest.raises(GraphError, match="2 options"):
            Graph(nodes, {**h.parts, "b": Branch(3, (2, 2), (3, 3), (1, 1)), "y": classifier(2, 2)}, (3, 8, 8))
