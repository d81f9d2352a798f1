"""One image passes a network in as few programs as its decisions allow, and what is skipped is in none that runs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st
from test_engine import alike
from test_residual import awake
from torch import Generator, Tensor, nn

from core.config import run_config
from core.fast.engine import Engine
from core.fast.segments import IMAGES_PER_CALL, Segment, units
from core.graph.builder import Builder
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.node import ChannelGate, Decision, Edge, Gate, GraphError, Node
from core.graph.policy import Forced, Greedy, Open, Policy, Random, Replay
from core.graph.static import static_network
from core.modules.controller import Controller
from core.modules.gate_network import GateNetwork
from core.modules.inverted_residual import InvertedResidual
from core.modules.layers import Add, Join, Refined, classifier, conv
from core.modules.residual import Branch

X = torch.randn(1, 3, 32, 32, generator=Generator().manual_seed(3))


def lc_net(**options: object) -> Graph:
    torch.manual_seed(1)
    config = run_config(architecture={"name": "lc_resnet", "depth": 14, "width": 8, **options}, dataset="cifar10", method="lcnet")
    graph = awake(config.architecture.build((3, 32, 32), 10, every_lam=True))
    for control in graph.controls:
        nn.init.normal_(graph.parts[control.name].head.weight)
    return graph


def d2nn(name: str) -> Graph:
    torch.manual_seed(1)
    config = run_config(architecture={"name": name}, dataset="cifar10", method="d2nn")
    return awake(config.architecture.build((3, 32, 32), 10, every_lam=True))


def held(graph: Graph) -> Policy:
    return Forced({graph.controls[-1].name: {0: True}}, Greedy())


def replayed(graph: Graph) -> Policy:
    return Replay(execute(graph, X, Random(0.5, Generator().manual_seed(5)), lam=0.4))


POLICIES: dict[str, Callable[[Graph], Policy]] = {
    "greedy": lambda graph: Greedy(),
    "open": lambda graph: Open(),
    "held": held,
    "replayed": replayed,
    "random": lambda graph: Random(0.5, Generator().manual_seed(7)),
}


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
@pytest.mark.parametrize(
    "options",
    [{}, {"gates_of": "group"}, {"min_scale": 0.0}, {"layers": False}, {"channels": False}],
    ids=str,
)
def test_lc_nets_answer_as_the_executor_does_whoever_decides(options: dict[str, object], policy: Callable[[Graph], Policy]) -> None:
    graph = lc_net(**options)
    alike(graph, X, policy(graph), policy(graph), 0.4)


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
@pytest.mark.parametrize("name", ["cascade", "chain", "dcn", "hierarchy", "high_low", "msdnet", "resnet_cascade"])
def test_d2nns_answer_as_the_executor_does_whoever_decides(name: str, policy: Callable[[Graph], Policy]) -> None:
    graph = d2nn(name)
    for lam in (0.1, 0.9):
        alike(graph, X, policy(graph), policy(graph), lam)


@pytest.mark.parametrize("graph", [lc_net(), d2nn("cascade"), d2nn("chain"), d2nn("hierarchy"), d2nn("resnet_cascade")], ids=range(5))
def test_a_network_is_one_program_with_its_decisions_inside(graph: Graph) -> None:
    assert Engine(graph).whole is not None
    assert Engine(static_network(graph)).whole is not None


def test_a_segment_ends_where_a_decision_changes_what_runs() -> None:
    found = [one.names for one in units(d2nn("cascade")) if isinstance(one, Segment)]
    assert found[0][-2:] == ("Q1", "y1")
    assert sum(len(names) for names in found) == len(d2nn("cascade").nodes) - 1
    blocks = [one for one in units(lc_net()) if isinstance(one, Segment) and one.branch is not None]
    assert [one.names for one in blocks] == [
        (f"add {group}-{number}", f"block {group}-{number}") for group in (1, 2, 3) for number in (1, 2)
    ]


def test_a_network_without_decisions_is_one_segment() -> None:
    for graph in (static_network(lc_net()), static_network(d2nn("cascade"))):
        (whole,) = units(graph)
        assert isinstance(whole, Segment)
        assert set(whole.names) == {node.name for node in graph.nodes[1:]}


@pytest.mark.parametrize("count", [IMAGES_PER_CALL - 1, IMAGES_PER_CALL, 2 * IMAGES_PER_CALL + 5])
def test_images_pass_a_few_at_a_time_and_keep_their_order(count: int) -> None:
    graph, x = d2nn("cascade"), torch.randn(count, 3, 32, 32)
    alike(graph, x, Greedy(), Greedy(), 0.6)
    alike(static_network(graph), x, Open(), Open(), None)


def closed(graph: Graph, number: int, score: float) -> None:
    """All gates of the network open, but for some of one control node, whose scores are −1."""
    for control in graph.controls:
        part = graph.parts[control.name]
        assert isinstance(part, GateNetwork)
        nn.init.zeros_(part.head.weight)
        nn.init.ones_(part.head.bias)
    head = graph.parts[graph.controls[number].name].head
    head.bias.data[:1], head.bias.data[1:] = score, -1.0


@pytest.mark.parametrize("score", [-1.0, 1.0], ids=["the block is closed", "no channel of it is kept"])
@pytest.mark.parametrize("policy", [lambda graph: Greedy(), held, lambda graph: Replay(execute(graph, X, Greedy(), lam=0.4))])
def test_a_block_that_is_skipped_is_not_computed(policy: Callable[[Graph], Policy], score: float) -> None:
    """Its filters are not numbers, which would be seen in every answer that they have part in."""
    graph = lc_net()
    closed(graph, 1, score)
    decided = policy(graph)
    whole = Engine(graph).run(X, decided, lam=0.4)
    graph.parts["block 1-2"].conv1.weight.data.fill_(torch.nan)
    graph.parts["block 1-2"].conv2.weight.data.fill_(torch.nan)
    answer = Engine(graph).run(X, decided, lam=0.4)
    assert torch.equal(answer.output, whole.output)
    assert bool(answer.ran["block 1-2"]) == (score > 0)
    assert Engine(graph).run(X, Open(), lam=0.4).output.isnan().all()


def test_a_path_that_is_not_taken_is_not_computed() -> None:
    graph = d2nn("high_low")
    graph.parts["high"].apply(lambda part: part.weight.data.fill_(torch.nan) if isinstance(part, nn.Conv2d) else None)
    taken = Engine(graph).run(X, Forced({"Q": {0: True}}), lam=0.5)
    assert taken.output.isfinite().all()
    assert not taken.ran["high"]


@pytest.mark.parametrize("kinds", [("one",), ("each",), ("one", "each")], ids="-".join)
def test_gates_of_either_kind_open_and_scale_a_block_and_a_node(kinds: tuple[Decision, ...]) -> None:
    """Of several gates the largest counts, a D2NN's among them, which is 1."""
    torch.manual_seed(0)
    g = Builder((3, 8, 8))
    stem = g.add("stem", conv(3, 4), g.input)
    gates = [g.control(f"Q {kind}", stem, options=("no", "yes"), decides=kind)[1] for kind in kinds]
    sent = g.add("branch", Branch(4, (4, 4), (3, 3), (1, 1)), stem, when=gates)
    joined = g.add("join", Join(4, 4, 1), stem, Edge(sent, 0.0))
    more = g.add("more", conv(4, 4), joined, when=gates)
    g.output("y", classifier(4, 3), g.add("sum", Add(), joined, Edge(more, 0.5)))
    graph = awake(g.build())
    for seed in range(12):
        x = torch.randn(1, 3, 8, 8, generator=Generator().manual_seed(seed))
        policy = Random(0.5, Generator().manual_seed(seed))
        drawn = Replay(replace(execution := execute(graph, x, policy), gates=_uneven(execution.gates)))
        alike(graph, x, drawn, drawn, None)
        alike(graph, x, Greedy(), Greedy(), None)


def _uneven(gates: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Gates of which those that scale do so by a quarter."""
    return {name: values * (0.25 if name == "Q each" else 1.0) for name, values in gates.items()}


def test_a_program_is_made_once() -> None:
    graph = d2nn("cascade")
    engine = Engine(graph)
    for _ in range(2):
        for lam in (0.0, 1.0):
            engine.run(X, Greedy(), lam=lam)
            engine.run(X, Open(), lam=lam)
            engine.run(X, Forced({"Q1": {0: True}}), lam=lam)
    assert engine.whole is not None
    assert len(engine.whole.sessions) == 2
    assert engine.units is not None
    assert max(len(one.sessions) for one in engine.units if isinstance(one, Segment)) == 1


@pytest.mark.parametrize(
    ("graph", "x"),
    [(static_network(lc_net()).double(), X.double()), (lc_net(), torch.randn(1, 3, 24, 24))],
    ids=["double precision", "another size of images"],
)
def test_what_programs_are_not_made_for_passes_step_by_step(graph: Graph, x: Tensor) -> None:
    alike(graph, x, Open(), Open(), 0.4)


@pytest.mark.parametrize("count", [1, 4])
def test_channel_gates_without_a_join_are_executed(count: int) -> None:
    g = Builder((3, 8, 8))
    gates = GateNetwork([(3, 8, 8)], 4)
    g.control("Q", g.input, options=tuple("abcd"), part=gates, decides="each")
    g.output("y", classifier(4, 3), g.add("branch", Branch(3, (4, 4), (3, 3), (1, 1)), g.input, channels=ChannelGate("Q", 0, 4)))
    graph = awake(g.build())
    assert Engine(graph).whole is None
    alike(graph, torch.randn(count, 3, 8, 8), Greedy(), Greedy(), None)


class Halves:
    """Opens by halves whatever has a positive score."""

    def __call__(self, control: Node, scores: Tensor) -> Tensor:
        return 0.5 * (scores > 0)


@st.composite
def mixed_graphs(draw: st.DrawFn) -> Graph:
    """A graph of all that has a form in programs: convolutions, blocks with gated channels, answers, controllers and gate networks."""
    torch.manual_seed(draw(st.integers(0, 999)))
    g = Builder((3, 6, 6), every_lam=draw(st.booleans()))
    maps, answers, gates, networks = [g.add("stem", conv(3, 4), g.input)], list[str](), list[Gate](), list[tuple[str, int]]()

    def edge(names: Sequence[str]) -> Edge:
        return Edge(draw(st.sampled_from(names)), draw(st.sampled_from((None, None, 0.0, -1.0))))

    def when() -> tuple[Gate, ...]:
        return tuple(draw(st.lists(st.sampled_from(gates), max_size=2, unique=True))) if gates else ()

    for number in range(draw(st.integers(2, 9))):
        kind = draw(
            st.sampled_from(("conv", "block", "block", "sum", "pool", "inverted", "answer", "refined", "controller", "gates", "gates"))
        )
        if kind == "conv":
            maps.append(g.add(f"conv {number}", conv(4, 4), edge(maps), when=when()))
        elif kind == "block":
            entering, branch = draw(st.sampled_from(maps)), Branch(4, (3, 2, 4), (1, 3, 1), (1, 1, 1))
            fitting = [(name, first) for name, options in networks for first in range(options - branch.count + 1)]
            name, first = draw(st.sampled_from([("", 0), *fitting]))
            channels = ChannelGate(name, first, branch.count) if name else None
            sent = g.add(f"branch {number}", branch, entering, when=when(), channels=channels)
            maps.append(g.add(f"join {number}", Join(4, 4, 1), entering, Edge(sent, 0.0)))
        elif kind == "sum":
            maps.append(g.add(f"sum {number}", Add(), edge(maps), edge(maps), edge(maps), when=when()))
        elif kind == "pool":
            maps.append(g.add(f"pool {number}", nn.MaxPool2d(3, 1, 1), edge(maps), when=when()))
        elif kind == "inverted":
            part = InvertedResidual(4, 4, 1, 2, draw(st.sampled_from(("relu", "relu6"))))
            maps.append(g.add(f"inverted {number}", part, edge(maps), when=when()))
        elif kind == "answer":
            answers.append(g.add(f"answer {number}", classifier(4, 3), edge(maps), when=when()))
        elif kind == "refined" and answers:
            answers.append(g.add(f"refined {number}", Refined(4, 3), edge(maps), edge(answers), when=when()))
        elif kind == "controller":
            inputs = [edge([*maps, *answers]), edge(maps)]
            part = Controller([g.shapes[one.source] for one in inputs], 2, every_lam=g.every_lam)
            nn.init.normal_(part.head.weight, std=3.0)
            decides: Decision = draw(st.sampled_from(("one", "one", "each")))
            gates += g.control(f"Q{number}", *inputs, options=("no", "yes"), part=part, decides=decides)
        elif kind == "gates":
            inputs, options, decides = [edge(maps)], draw(st.integers(2, 7)), draw(st.sampled_from(("each", "each", "each", "one")))
            held = torch.tensor(draw(st.lists(st.sampled_from((0.0, 0.5, 1.0)), min_size=options, max_size=options)))
            network = GateNetwork([(4, 6, 6)], options, every_lam=g.every_lam, least=draw(st.sampled_from((None, held))))
            nn.init.normal_(network.head.weight, std=2.0)
            nn.init.zeros_(network.head.bias)
            gates += g.control(f"Q{number}", *inputs, options=tuple(map(str, range(options))), part=network, decides=decides)
            networks += [(f"Q{number}", options)] if decides == "each" else []
    g.output("y", classifier(4, 3), maps[0])  # so that there always is an answer
    for number in range(draw(st.integers(1, 2))):
        g.output(f"y{number}", classifier(4, 3), edge(maps), when=when())
    try:
        return awake(g.build())
    except GraphError:
        assume(False)
        raise


@pytest.mark.long
@settings(max_examples=120, phases=[Phase.explicit, Phase.generate])  # an example takes too long to look for smaller ones
@given(graph=mixed_graphs(), seed=st.integers(0, 99), count=st.sampled_from((1, 1, 5, 20)))
def test_random_networks_answer_as_the_executor_does(graph: Graph, seed: int, count: int) -> None:
    x, lam = torch.randn(count, 3, 6, 6, generator=Generator().manual_seed(seed)), 0.3 if graph.tradeoff.every_lam else None
    replay = Replay(execute(graph, x, Random(0.6, Generator().manual_seed(seed)), lam=lam))
    for policy in (Greedy, Open, Halves, lambda: replay, lambda: Random(0.5, Generator().manual_seed(seed))):
        alike(graph, x, policy(), policy(), lam)


def test_a_block_that_nobody_reads_runs_for_its_images_all_the_same() -> None:
    g = Builder((3, 6, 6))
    stem = g.add("stem", conv(3, 4), g.input)
    gate = g.control("Q", stem, options=("no", "yes"), part=GateNetwork([(4, 6, 6)], 2), decides="each")[1]
    g.add("join", Join(4, 4, 1), stem, Edge(g.add("branch", Branch(4, (4, 4), (3, 3), (1, 1)), stem, when=gate), 0.0))
    g.output("y", classifier(4, 3), stem)
    graph = awake(g.build())
    nn.init.normal_(graph.parts["Q"].head.weight, std=3.0)
    for count in (1, 6):
        drawn = Replay(execute(graph, (x := torch.randn(count, 3, 6, 6)), Random(0.5, Generator().manual_seed(count))))
        alike(graph, x, drawn, drawn, None)
        alike(graph, x, Halves(), Halves(), None)
