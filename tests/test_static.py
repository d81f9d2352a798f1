"""Routes: which nodes run when every choice is known, and the network that a route alone is."""

from collections.abc import Mapping

import pytest
import torch
from graphs import answers, every_choice, graphs, images
from hypothesis import HealthCheck, assume, given, settings
from torch import Tensor, nn

from core.config import run_config
from core.graph.builder import Builder
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.node import Edge, Gate, GraphError, Node
from core.graph.policy import Forced, Open
from core.graph.static import choices_reaching, min_remaining_costs, running_nodes, static_network, static_nodes
from core.modules.layers import Add

quick = settings(max_examples=60, suppress_health_check=[HealthCheck.filter_too_much])
MOST = 48  # routes that are tried for one graph


class Told(nn.Module):
    """A control module whose scores are the first numbers of its input."""

    def __init__(self, options: int = 2) -> None:
        super().__init__()
        self.options = options

    def forward(self, seen: Tensor, weight: Tensor | None = None) -> Tensor:
        return seen[:, : self.options]


def along(choices: Mapping[str, int]) -> Forced:
    """One option of each control node of the choices; all others open."""
    return Forced({name: {column: True} for name, column in choices.items()}, Open())


def along_one_of_many(graph: Graph, choices: Mapping[str, int]) -> Forced:
    """The same where some control nodes decide each of their gates: these are all open."""
    return along({control.name: choices[control.name] for control in graph.controls if control.decides == "one"})


@quick
@given(graphs())
def test_what_runs_on_a_route_is_what_runs_in_an_execution(graph: Graph) -> None:
    for choices in every_choice(graph)[:MOST]:
        execution = execute(graph, images(2), along_one_of_many(graph, choices))
        assert running_nodes(graph, choices) == tuple(name for name, ran in execution.ran.items() if ran.all())
        assert all(ran.all() or not ran.any() for ran in execution.ran.values())


@quick
@given(graphs())
def test_the_network_of_a_route_answers_as_the_route_does(graph: Graph) -> None:
    routes = [choices for choices in every_choice(graph)[:MOST] if answers(graph, choices)]
    assume(routes)
    x = images(3)
    for choices in routes[:6]:
        static = static_network(graph, choices)
        assert not static.controls
        assert not any(node.gates for node in static.nodes)
        assert torch.equal(execute(static, x, Open()).output, execute(graph, x, along_one_of_many(graph, choices)).output)
        kept = set(static_nodes(graph, choices))
        assert kept <= set(running_nodes(graph, choices))
        assert kept <= set(static.by_name)
        assert all(node.name in kept or node.kind in ("dummy", "input") for node in static.nodes)


@quick
@given(graphs(decides=("one",)))
def test_no_node_of_a_static_network_could_be_left_out(graph: Graph) -> None:
    routes = [choices for choices in every_choice(graph)[:MOST] if answers(graph, choices)]
    for choices in routes[:6]:
        kept = static_nodes(graph, choices)
        read = {edge.source for name in kept for edge in graph.by_name[name].inputs}
        assert all(name in read for name in kept[:-1] if name != "x")
        assert graph.by_name[kept[-1]].kind == "output"


@pytest.mark.parametrize("shares", [False, True])
def test_the_weights_of_a_static_network_are_copies_unless_they_are_shared(shares: bool) -> None:
    graph = run_config(architecture="cascade", dataset="digits", method="d2nn").architecture.build((1, 8, 8), 10, every_lam=True)
    static, x = static_network(graph, shares_weights=shares), torch.randn(3, 1, 8, 8)
    before = execute(static, x, Open()).output
    own = {one.data_ptr() for one in graph.parameters()}
    assert {one.data_ptr() in own for one in static.parameters()} == {shares}
    with torch.no_grad():
        for one in graph.parameters():
            one.zero_()
    assert torch.equal(execute(static, x, Open()).output, before) == (not shares)


def two_sums() -> Graph:
    nodes = [
        Node("x", "input"),
        Node("Q", "control", (Edge("x"),), (), ("none", "one")),
        Node("a", "regular", (Edge("x"),), (Gate("Q", 1),)),
        Node("sum", "regular", (Edge("a", 0.0), Edge("a", 0.0))),
        Node("y", "output", (Edge("sum"), Edge("x"))),
    ]
    return Graph(nodes, {"Q": Told(), "a": nn.Linear(3, 3), "sum": Add(), "y": Add()}, (3,))


def test_a_sum_of_which_nothing_ran_is_zero() -> None:
    graph, x = two_sums(), images(3)
    static = static_network(graph, {"Q": 0})
    assert torch.equal(execute(static, x, Open()).output, x)


def test_a_route_that_does_not_look_at_the_image_is_a_network_too() -> None:
    g = Builder((3,))
    gates = g.control("Q", g.input, options=("guess", "look"), part=Told())
    looks = g.add("look", nn.Linear(3, 3), g.input, when=gates[1])
    g.output("y", nn.Linear(3, 2), Edge(looks, 2.0))
    graph, x = g.build(), images(3)
    assert torch.allclose(execute(static_network(graph, {"Q": 0}), x, Open()).output, execute(graph, x, along({"Q": 0})).output)


def test_defaults_that_differ_little_stay_apart() -> None:
    first, second = 0.1234567, 0.1234573
    g = Builder((3,))
    gates = g.control("Q", g.input, options=("off", "on"), part=Told())
    a = g.add("a", nn.Identity(), g.input, when=gates[1])
    g.output("y", Difference(), Edge(a, first), Edge(a, second), g.input)
    graph, x = g.build(), images(2)
    assert torch.equal(execute(static_network(graph, {"Q": 0}), x, Open()).output, execute(graph, x, along({"Q": 0})).output)


class Difference(nn.Module):
    """How far two inputs are apart, enlarged, plus a third."""

    def forward(self, one: Tensor, other: Tensor, third: Tensor) -> Tensor:
        return (one - other) * 1e7 + third


def test_a_static_network_has_weights_of_its_own() -> None:
    graph = two_sums()
    static = static_network(graph, {"Q": 1})
    with torch.no_grad():
        static.parts["a"].weight.add_(1)
    assert not torch.equal(static.parts["a"].weight, graph.parts["a"].weight)


@pytest.mark.parametrize("mode", [True, False])
def test_floating_point_routes_agree(mode: bool) -> None:
    torch.manual_seed(0)
    g = Builder((2, 8, 8))
    low, high = g.control("Q", g.input, options=("low", "high"))
    narrow = g.add("narrow", nn.Conv2d(2, 3, 3), g.input, when=low)
    wide = g.add("wide", nn.Sequential(nn.Conv2d(2, 9, 3), nn.ReLU(), nn.Conv2d(9, 3, 1)), g.input, when=high)
    merged = g.add("sum", Add(), Edge(narrow, 0.0), Edge(wide, -0.5))
    g.output("y", nn.Sequential(nn.Flatten(), nn.Linear(108, 4)), merged)
    graph, x = g.build().train(mode), torch.randn(5, 2, 8, 8)
    for column in range(2):
        routed = execute(graph, x, along({"Q": column})).output
        assert torch.allclose(execute(static_network(graph, {"Q": column}), x, Open()).output, routed, atol=1e-6)
    assert torch.allclose(execute(static_network(graph), x, Open()).output, execute(graph, x, along({"Q": 1})).output, atol=1e-6)


@quick
@given(graphs())
def test_reaching_finds_a_way_wherever_there_is_one(graph: Graph) -> None:
    routes = every_choice(graph)
    assume(len(routes) <= MOST)
    for node in graph.nodes:
        if any(node.name in running_nodes(graph, choices) for choices in routes):
            choices = choices_reaching(graph, node.name)
            assert choices.keys() == {control.name for control in graph.controls}
            assert node.name in running_nodes(graph, choices)
        else:
            with pytest.raises(GraphError, match=f"'{node.name}'"):
                choices_reaching(graph, node.name)


def test_reaching_through_many_gates() -> None:
    g = Builder((3,))
    before = g.input
    for link in range(10):
        gates = g.control(f"Q{link}", g.input, options=("skip", "low", "high"), part=Told(3))
        before = g.add(f"n{link}", nn.Identity(), before, when=gates[1:])
    g.output("y", nn.Identity(), before)
    graph = g.build()
    assert "y" in running_nodes(graph, choices_reaching(graph, "y"))


def detour(first: str) -> Graph:
    """Either option of the first control node leads to the second; only one of them opens `dear`, which comes after it."""
    g = Builder((3,))
    low, high = g.control(first, g.input, options=("low", "high"), part=Told())
    middle = g.add("middle", nn.Identity(), g.input, when=(low, high))
    g.control("last", middle, options=("low", "high"), part=Told())
    dear = g.add("dear", nn.Linear(3, 3), g.input, when=high)
    g.output("y", nn.Linear(3, 3), Edge(dear, 0.0))
    return g.build()


def test_the_way_to_a_node_does_not_depend_on_names_or_chance() -> None:
    ways = [choices_reaching(detour(name), "last")[name] for name in "ABCDEFGHIJKLMNOP"]
    assert ways == [0] * len(ways)  # the cheap one


@quick
@given(graphs(decides=("one",)))
def test_costs_to_come_are_those_of_some_way_there(graph: Graph) -> None:
    routes = every_choice(graph)
    assume(len(routes) <= MOST and answers(graph, graph.reference))
    static = max(sum(graph.macs[name] for name in static_nodes(graph, graph.reference)), 1)
    for control in graph.controls:
        after = graph.nodes[graph.nodes.index(control) + 1 :]
        ways = [
            way for way in routes if control.name in running_nodes(graph, way) and all(way[one.name] == 0 for one in after if one.options)
        ]
        if not ways:
            continue
        for column, share in enumerate(min_remaining_costs(graph, control)):
            possible = {
                sum(graph.macs[node.name] for node in after if node.name in running_nodes(graph, way)) / static
                for way in ways
                if way[control.name] == column
            }
            assert any(share == pytest.approx(one) for one in possible)


def test_costs_to_come_by_hand() -> None:
    g = Builder((3,))
    _, on = g.control("Q", g.input, options=("stop", "on"), part=Told())
    g.output("y0", nn.Linear(3, 2), g.input)  # 6
    a = g.add("a", nn.Linear(3, 4), g.input, when=on)  # 12
    _, further = g.control("R", a, options=("stop", "on"), part=Told())
    g.output("y1", nn.Linear(4, 2), a)  # 8
    b = g.add("b", nn.Linear(4, 10), a, when=further)  # 40
    g.output("y2", nn.Linear(10, 2), b)  # 20
    graph = g.build()
    static = 12 + 40 + 20
    assert min_remaining_costs(graph, graph.by_name["Q"]) == pytest.approx([6 / static, (6 + 12 + 8) / static])
    assert min_remaining_costs(graph, graph.by_name["R"]) == pytest.approx([8 / static, (8 + 40 + 20) / static])
    assert static_nodes(graph, graph.reference) == ("x", "a", "b", "y2")
    assert static_nodes(graph, {"Q": 0, "R": 0}) == ("x", "y0")
    assert choices_reaching(graph, "b") == {"Q": 1, "R": 1}


def test_a_route_without_an_answer_is_reported() -> None:
    nodes = [Node("x", "input"), Node("Q", "control", (Edge("x"),), (), ("a", "b")), Node("y", "output", (Edge("x"),), (Gate("Q", 0),))]
    graph = Graph(nodes, {"Q": Told(), "y": nn.Identity()}, (3,))
    with pytest.raises(GraphError, match="ends in no output"):
        static_nodes(graph, {"Q": 1})
