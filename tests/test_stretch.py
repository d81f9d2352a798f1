"""One image passes a network in as few programs as its decisions allow, and what is skipped is in none that runs."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
import torch
from test_branch import awake
from test_engine import alike
from torch import Generator, Tensor, nn

from core.config import run_config
from core.inference.engine import Engine
from core.inference.step import Step, steps
from core.inference.stretch import Stretch, stretches
from core.network.branch import Branch
from core.network.builder import Builder
from core.network.execution import execute
from core.network.gate_network import GateNetwork
from core.network.graph import Graph
from core.network.layers import Add, Join, classifier, conv
from core.network.node import Decision, Edge
from core.network.policy import Forced, Greedy, Open, Policy, Random, Replay
from core.network.route import static_network

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
@pytest.mark.parametrize("options", [{}, {"gates_of": "group"}, {"least_scale": 0.5}, {"layers": False}, {"channels": False}], ids=str)
def test_lc_nets_answer_as_the_executor_does_whoever_decides(options: dict[str, object], policy: Callable[[Graph], Policy]) -> None:
    graph = lc_net(**options)
    alike(graph, X, policy(graph), policy(graph), 0.4)


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
@pytest.mark.parametrize("name", ["cascade", "chain", "hierarchy", "high_low", "resnet_cascade"])
def test_d2nns_answer_as_the_executor_does_whoever_decides(name: str, policy: Callable[[Graph], Policy]) -> None:
    graph = d2nn(name)
    for lam in (0.1, 0.9):
        alike(graph, X, policy(graph), policy(graph), lam)


def programs(graph: Graph, *, deciding: bool) -> list[Step | Stretch]:
    return stretches(graph, steps(graph), deciding=deciding)


def test_a_network_without_decisions_is_one_program() -> None:
    for graph in (static_network(lc_net()), static_network(d2nn("cascade"))):
        (whole,) = programs(graph, deciding=False)
        assert isinstance(whole, Stretch)
        assert len(whole.steps) == len(steps(graph))


def test_an_lc_net_is_one_program_where_its_gate_networks_decide() -> None:
    graph = lc_net()
    (whole,) = programs(graph, deciding=True)
    assert isinstance(whole, Stretch)
    assert whole.deciding == graph.controls


@pytest.mark.parametrize("graph", [lc_net(), d2nn("cascade"), d2nn("resnet_cascade")], ids=["lc_resnet", "cascade", "resnet_cascade"])
def test_where_a_policy_decides_each_decision_begins_a_program(graph: Graph) -> None:
    found = programs(graph, deciding=False)
    inside = [[step.node for step in one.steps if step.node.kind == "control"] for one in found if isinstance(one, Stretch)]
    assert inside == [*([control] for control in graph.controls), []]


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


def test_a_program_is_made_once_for_each_pattern() -> None:
    graph = d2nn("cascade")
    last = programs(graph, deciding=False)[-1]
    assert isinstance(last, Stretch)
    engine = Engine(graph)
    for _ in range(2):
        for lam in (0.0, 1.0):
            engine.run(X, Greedy(), lam=lam)
            engine.run(X, Forced({"Q1": {0: True}}), lam=lam)
    made = [len(one.programs) for one in engine.stretches[True] if isinstance(one, Stretch)]
    assert max(made) <= 2


def test_networks_of_double_precision_have_no_programs() -> None:
    graph = lc_net(layers=False).double()
    assert all(isinstance(one, Step) for one in programs(graph, deciding=True))
