"""The fast engine answers as the executor does."""

import pytest
import torch
from graphs import graphs, images
from hypothesis import given, settings
from hypothesis import strategies as st
from test_residual import KINDS, awake
from torch import Generator, Tensor, nn

from core.config import run_config
from core.fast.engine import Engine
from core.graph.builder import Builder
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.node import ChannelGate, Edge, GraphError
from core.graph.policy import Forced, Greedy, Open, Policy, Random
from core.graph.static import static_network
from core.modules.gate_network import GateNetwork
from core.modules.layers import Add, Join, Residual, classifier, conv
from core.modules.residual import Branch

CLOSE = 1e-5


def same_to_the_bit(graph: Graph, seed: int, count: int) -> None:
    """The executor and the engine run the same nodes, with the same gates and answers, under three policies."""
    x = images(count, seed)
    for policy in (Greedy, Open, lambda: Random(0.5, Generator().manual_seed(seed))):
        slow, fast = execute(graph.eval(), x, policy()), Engine(graph).run(x, policy())
        assert torch.equal(slow.output.nan_to_num(99), fast.output.nan_to_num(99))
        assert all(torch.equal(slow.ran[name], ran) for name, ran in fast.ran.items())
        assert all(torch.equal(slow.gates[name], gates) for name, gates in fast.gates.items())


@settings(max_examples=100)
@given(graph=graphs(), seed=st.integers(0, 999), count=st.integers(1, 6))
def test_random_graphs_give_the_same_to_the_bit(graph: Graph, seed: int, count: int) -> None:
    same_to_the_bit(graph, seed, count)


@pytest.mark.long
@settings(max_examples=500)
@given(graph=graphs(), seed=st.integers(0, 999), count=st.integers(1, 6))
def test_many_random_graphs_give_the_same_to_the_bit(graph: Graph, seed: int, count: int) -> None:
    same_to_the_bit(graph, seed, count)


def alike(graph: Graph, x: Tensor, policy: Policy, again: Policy, lam: float | None) -> None:
    slow, fast = execute(graph, x, policy, lam=lam), Engine(graph).run(x, again, lam=lam)
    assert fast.ran.keys() == slow.ran.keys()
    assert all(torch.equal(slow.ran[name], ran) for name, ran in fast.ran.items())
    near(slow.output, fast.output)
    for name, gates in fast.gates.items():
        near(slow.gates[name], gates)


def near(expected: Tensor, found: Tensor) -> None:
    """Equal but for rounding, against the largest of the numbers."""
    scale = expected.detach().abs().max().clamp(min=1)
    assert float((expected.detach() - found).abs().max() / scale) < CLOSE


SHAPES = [
    *[{"name": "lc_resnet", "depth": 14, "width": 8, "layers": layers, "channels": channels} for layers in (0, 1) for channels in (0, 1)],
    {"name": "lc_resnet", "depth": 14, "width": 8, "gates_of": "group"},
    {"name": "lc_resnet", "depth": 50, "images": "imagenet", "width": 8},
    {"name": "lc_resnet", "depth": 8, "width": 16, "channel_order": "nested", "granule": 8},
    {"name": "lc_resnet", "depth": 8, "channel_order": "nested", "granule": 8, "gates_see": "answer", "scout_exit": True, "min_scale": 1},
    {"name": "lc_mobile", "granule": 8, "stages": [[8, 1, 1, 0], [16, 2, 2, 3]], "activation": "relu6"},
    {"name": "resnet_cascade", "n": 2, "exits": [1, 3, 5]},
    *({"name": name} for name in ("cascade", "high_low", "chain", "hierarchy", "plain")),
]


@pytest.mark.parametrize("rate", [None, 0.0, 0.5, 1.0])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "-".join(map(str, shape.values())))
@pytest.mark.parametrize("count", [1, 7])
def test_every_architecture_answers_alike(shape: dict[str, object], rate: float | None, count: int) -> None:
    torch.manual_seed(1)
    method = "static" if shape["name"] == "plain" or not shape.get("layers", 1) | shape.get("channels", 0) else None
    architecture = run_config(architecture=shape, dataset="cifar10", method=method or _method(shape)).architecture
    graph = awake(architecture.build((3, 32, 32), 10, every_lam=method is None))
    for control in graph.controls:
        if isinstance(part := graph.parts[control.name], GateNetwork):
            nn.init.normal_(part.head.weight)
    policies = [Greedy() if rate is None else Random(rate, Generator().manual_seed(5)) for _ in range(2)]
    x = torch.randn(count, 3, 32, 32)
    alike(graph, x, policies[0], policies[1], 0.4 if graph.tradeoff.every_lam else None)
    still = static_network(graph)
    alike(still, x, Open(), Open(), None)


def _method(shape: dict[str, object]) -> str:
    return "lcnet" if str(shape["name"]).startswith("lc_") else "d2nn"


@pytest.mark.parametrize("least", [0.0, 0.5])
@pytest.mark.parametrize("kind", KINDS)
def test_a_block_whose_input_others_read_leaves_it_as_it_was(kind: str, least: float) -> None:
    """A join may overwrite what enters it only where nobody else reads it: here a second join and an output do."""
    torch.manual_seed(0)
    branch = KINDS[kind](1)
    g = Builder((3, 6, 6))
    stem = g.add("stem", conv(3, 5), g.input)
    part = GateNetwork([(5, 6, 6)], 1 + branch.count, least=torch.full((1 + branch.count,), least) if least else None)
    gates = g.control("Q", stem, options=("block", *map(str, range(branch.count))), part=part, decides="each")
    sent = g.add("a", branch, stem, when=gates[0], channels=ChannelGate("Q", 1, branch.count))
    first = g.add("join a", Join(5, 6, 1), stem, Edge(sent, 0.0))
    again = g.add("b", KINDS[kind](1), stem, when=gates[0])
    second = g.add("join b", Join(5, 6, 1), stem, Edge(again, 0.0))
    third = g.add("c", Residual(5, 5), stem)
    g.output("y1", classifier(6, 4), first)
    g.output("y2", classifier(6, 4), second, when=gates[0])
    g.output("y3", classifier(5, 4), third, when=gates[1])
    g.output("y4", classifier(5, 4), stem, when=gates[2])
    graph = awake(g.build())
    nn.init.normal_(graph.parts["Q"].head.weight)
    x = torch.randn(9, 3, 6, 6)
    alike(graph, x[:1], Greedy(), Greedy(), None)
    for policy in (lambda: Greedy(), lambda: Random(0.5, Generator().manual_seed(3)), lambda: Forced({"Q": {0: True}}, Greedy())):
        alike(graph, x, policy(), policy(), None)
    before = x.clone()
    Engine(graph).run(x, Greedy())
    assert torch.equal(x, before)


def test_an_engine_asks_for_the_lam_that_it_needs() -> None:
    graph = run_config(architecture="high_low", dataset="digits", method="d2nn").architecture.build((1, 8, 8), 10, every_lam=True)
    with pytest.raises(GraphError, match="serves every λ"):
        Engine(graph).run(torch.randn(1, 1, 8, 8), Greedy())


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("passing", [nn.Identity(), Add(), nn.Dropout(), nn.Unflatten(1, (5, 1))], ids=lambda part: type(part).__name__)
def test_what_hands_on_its_input_is_not_overwritten(count: int, passing: nn.Module) -> None:
    """A node that sends the memory it got: the block that reads the same later must not work in it."""
    torch.manual_seed(0)
    g = Builder((3, 6, 6))
    stem = g.add("stem", conv(3, 5), g.input)
    same = g.add("same", passing, stem)
    changed = g.add("changed", Residual(5, 5), stem)
    if isinstance(passing, nn.Unflatten):
        same = g.add("back", nn.Flatten(1, 2), same)
    g.output("y", classifier(5, 4), g.add("both", Add(), same, changed))
    alike(awake(g.build()), torch.randn(count, 3, 6, 6), Open(), Open(), None)


class Doubling(nn.Sequential):
    """A sequence that does more than its parts."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


ODD = {
    "reflected": nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"), nn.ReLU()),
    "same": nn.Sequential(nn.Conv2d(4, 4, 3, padding="same")),
    "subclass": Doubling(nn.Conv2d(4, 4, 3), nn.ReLU()),
    "rows": nn.Sequential(nn.Flatten(2), nn.Linear(81, 3)),
    "fewer filters": Residual(4, 2),
    "no bias": nn.Sequential(nn.Flatten(), nn.Linear(324, 3, bias=False)),
}


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("part", ODD.values(), ids=list(ODD))
def test_modules_of_every_kind_answer_as_they_are(part: nn.Module, count: int) -> None:
    """Those that have a form in ONNX operators, and those that run as modules between segments."""
    g = Builder((3, 9, 9))
    stem = g.add("stem", conv(3, 4), g.input)
    odd = g.add("odd", nn.Sequential(part, nn.Flatten()), stem)
    features = g.shapes[odd][0]
    g.output("y", nn.Linear(features, 5), odd)
    alike(awake(g.build()), torch.randn(count, 3, 9, 9), Open(), Open(), None)


@settings(max_examples=30)
@given(graph=graphs(), seed=st.integers(0, 999), count=st.integers(1, 6))
def test_random_graphs_in_double_precision_give_the_same_to_the_bit(graph: Graph, seed: int, count: int) -> None:
    """Control nodes are skipped for some of the images, too."""
    graph, x = graph.double().eval(), images(count, seed).double()
    slow, fast = execute(graph, x, Greedy()), Engine(graph).run(x, Greedy())
    assert torch.equal(slow.output.nan_to_num(99), fast.output.nan_to_num(99))
    assert all(torch.equal(slow.gates[name], gates) for name, gates in fast.gates.items())


@pytest.mark.parametrize("count", [1, 4])
def test_a_block_of_one_convolution_reads_before_it_writes(count: int) -> None:
    g = Builder((3, 6, 6))
    stem = g.add("stem", conv(3, 5), g.input)
    sent = g.add("sent", Branch(5, (5,), (3,), (1,)), stem)
    g.output("y", classifier(5, 4), g.add("join", Join(5, 5, 1), stem, Edge(sent, 0.0)))
    alike(awake(g.build()), torch.randn(count, 3, 6, 6), Open(), Open(), None)


def test_an_engine_keeps_the_weights_it_was_made_with() -> None:
    graph = awake(run_config(architecture="high_low", dataset="digits", method="d2nn").architecture.build((1, 8, 8), 10, every_lam=True))
    x = torch.randn(3, 1, 8, 8)
    engine = Engine(graph)
    before = engine.run(x, Greedy(), lam=0.5).output.clone()
    with torch.no_grad():
        for parameter in graph.parameters():
            parameter.add_(1)
        graph.tradeoff.exchange_rate.fill_(9.0)
    assert torch.equal(engine.run(x, Greedy(), lam=0.5).output, before)


@pytest.mark.parametrize("name", ["lc_resnet", "resnet_cascade"])
def test_lam_may_be_a_whole_number_or_one_for_each_image(name: str) -> None:
    torch.manual_seed(0)
    graph = awake(
        run_config(architecture=name, dataset="cifar10", method=_method({"name": name})).architecture.build((3, 32, 32), 10, every_lam=True)
    )
    x, lams = torch.randn(3, 3, 32, 32), torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    engine = Engine(graph)
    for lam in (1, 0, lams):
        near(execute(graph, x, Greedy(), lam=lam).output, engine.run(x, Greedy(), lam=lam).output)
        first = lam if isinstance(lam, int) else lam[:1]
        near(execute(graph, x[:1], Greedy(), lam=first).output, engine.run(x[:1], Greedy(), lam=first).output)


@pytest.mark.parametrize("seed", range(20))
def test_random_policies_inside_others_draw_as_in_the_executor(seed: int) -> None:
    graph = awake(run_config(architecture="cascade", dataset="digits", method="d2nn").architecture.build((1, 8, 8), 10))
    x = torch.randn(1, 1, 8, 8)
    drawn = [Forced({}, Random(0.5, Generator().manual_seed(seed))) for _ in range(2)]
    alike(graph, x, drawn[0], drawn[1], None)
