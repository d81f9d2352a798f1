"""Validation of graphs, and the errors for invalid ones."""

from collections.abc import Mapping, Sequence

import pytest
import torch
from torch import Tensor, nn

from core.graph.builder import Builder
from core.graph.cost import cost
from core.graph.description import describe
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.node import ChannelGate, Edge, Gate, GraphError, Node
from core.graph.policy import Forced, Greedy, Open, Stacked
from core.graph.tradeoff import BudgetCurve, ExchangeRate
from core.graph.validation import topological_order, validate
from core.methods.d2nn import D2NN
from core.modules.controller import Controller
from core.modules.layers import Add, Constant, Norm, classifier
from core.modules.residual import Branch

X, Y = Node("x", "input"), Node("y", "output", (Edge("x"),))
Q = Node("Q", "control", (Edge("x"),), (), ("low", "high"))


class Scores(nn.Module):
    """Control module whose scores are zeros of a given shape for each image."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, *inputs: Tensor, weight: Tensor | None = None) -> Tensor:
        return inputs[0].new_zeros(len(inputs[0]), *self.shape)


def parts_for(nodes: Sequence[Node]) -> dict[str, nn.Module]:
    """Return modules for nodes on vectors of two numbers."""
    parts: dict[str, nn.Module] = {}
    for node in nodes:
        if node.kind == "control":
            parts[node.name] = Scores(len(node.options))
        elif node.kind == "dummy":
            parts[node.name] = Constant(torch.zeros(2))
        elif node.kind != "input":
            parts[node.name] = Add()
    return parts


def fault(nodes: Sequence[Node], parts: Mapping[str, nn.Module] | None = None, **options: Mapping[str, str | int]) -> str:
    """Return the error for these nodes, which must be one line."""
    with pytest.raises(GraphError) as caught:
        Graph(nodes, parts_for(nodes) if parts is None else parts, (2,), **options)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def regular(name: str, *inputs: str, when: Sequence[Gate] = ()) -> Node:
    return Node(name, "regular", tuple(map(Edge, inputs)), tuple(when))


FAULTS = {
    "a cycle of data edges": (
        [X, regular("a", "x", "c"), regular("b", "a"), regular("c", "b"), Y],
        ["a → b → c → a|b → c → a → b|c → a → b → c", "cycle", "remove"],
    ),
    "a cycle of one": ([X, regular("a", "a"), Y], ["a → a", "cycle", "remove"]),
    "a cycle through a control edge": (
        [X, regular("a", "x", when=[Gate("Q", 0)]), Node("Q", "control", (Edge("a"),), (), ("low", "high")), Y],
        ["a → Q → a|Q → a → Q", "cycle", "remove"],
    ),
    "a control node that sends data": ([X, Q, regular("a", "Q"), Y], ["'Q'", "mixed outgoing edges", "'a'"]),
    "a regular node that opens": (
        [X, Q, regular("a", "x"), regular("b", "x", when=[Gate("a", 0)]), Y],
        ["'a'", "mixed outgoing edges", "'b'"],
    ),
    "an input that opens": ([X, regular("b", "x", when=[Gate("x", 0)]), Y], ["'x'", "mixed outgoing edges", "'b'"]),
    "a dummy that opens": ([X, Node("d", "dummy"), regular("b", "x", when=[Gate("d", 0)]), Y], ["'d'", "mixed outgoing edges", "'b'"]),
    "a controlled controller": (
        [X, Q, Node("R", "control", (Edge("x"),), (Gate("Q", 1),), ("low", "high")), Y],
        ["'R'", "has gates: remove them"],
    ),
    "a controlled input": (
        [Node("x", "input", (), (Gate("Q", 1),)), Node("Q", "control", (Edge("d"),), (), ("a", "b")), Node("d", "dummy"), Y],
        ["'x'", "has gates: remove them"],
    ),
    "an output that is read": ([X, Y, regular("a", "y")], ["'a'", "'y'", "outputs end a route"]),
    "an edge from nowhere": ([X, regular("a", "z"), Y], ["'a'", "'z'", "add it or correct the name"]),
    "a gate from nowhere": ([X, regular("a", "x", when=[Gate("Z", 0)]), Y], ["'a'", "'Z'", "add it or correct the name"]),
    "a column too many": ([X, Q, regular("a", "x", when=[Gate("Q", 2)]), Y], ["'a'", "'Q'", "2 options", "column 2"]),
    "a column below zero": ([X, Q, regular("a", "x", when=[Gate("Q", -1)]), Y], ["'a'", "'Q'", "2 options", "column -1"]),
    "a regular node without input": ([X, regular("a"), Y], ["'a'", "no input", "dummy"]),
    "a control node without input": ([X, Node("Q", "control", (), (), ("a", "b")), Y], ["'Q'", "no input"]),
    "an output without input": ([X, Node("y", "output")], ["'y'", "no input"]),
    "a dummy with inputs": ([X, Node("d", "dummy", (Edge("x"),)), Y], ["dummy node 'd'", "cannot have inputs", "remove them"]),
    "an input with inputs": ([Node("x", "input", (Edge("d"),)), Node("d", "dummy"), Y], ["input node 'x'", "cannot have inputs"]),
    "a control node without options": ([X, Node("Q", "control", (Edge("x"),)), Y], ["'Q'", "options"]),
    "a regular node with options": ([X, Node("a", "regular", (Edge("x"),), (), ("p", "q")), Y], ["'a'", "options"]),
    "no input": ([Node("d", "dummy"), Node("y", "output", (Edge("d"),))], ["one input node", "0"]),
    "two inputs": ([X, Node("z", "input"), Y], ["one input node", "2", "x", "z"]),
    "no output": ([X, regular("a", "x")], ["no output node", "add one"]),
    "a name twice": ([X, regular("a", "x"), regular("a", "x"), Y], ["'a'", "twice", "name of its own"]),
    "an empty name": ([X, regular("", "x"), Y], ["''", "empty"]),
    "a name with a dot": ([X, regular("a.b", "x"), Y], ["'a.b'", "dot"]),
    "an output that no route reaches": (
        [X, Q, regular("a", "x", when=[Gate("Q", 0)]), regular("b", "x", when=[Gate("Q", 1)]), Node("y", "output", (Edge("a"), Edge("b")))],
        ["no route", "'y'", "default"],
    ),
    "an output behind a gate that its own input closes": (
        [X, Q, regular("a", "x", when=[Gate("Q", 0)]), Node("y", "output", (Edge("a"),), (Gate("Q", 1),))],
        ["no route", "'y'", "default"],
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_errors_name_the_node_and_the_remedy(case: str) -> None:
    nodes, expected = FAULTS[case]
    text = fault(nodes)
    for words in expected:
        assert any(word in text for word in words.split("|")), text


@pytest.mark.parametrize("case", FAULTS)
def test_errors_are_found_in_any_order_of_the_nodes(case: str) -> None:
    nodes = FAULTS[case][0]
    assert fault(nodes[::-1], parts_for(nodes))


def test_every_node_needs_its_module_and_vice_versa() -> None:
    nodes = [X, regular("a", "x"), Y]
    assert "'a'" in (text := fault(nodes, {"y": Add()}))
    assert "no module" in text
    assert "'extra'" in (text := fault(nodes, {"a": Add(), "y": Add(), "extra": Add()}))
    assert "remove the module" in text
    assert "'x'" in (text := fault(nodes, {"a": Add(), "y": Add(), "x": Add()}))
    assert "no module" in text


def test_shape_mismatches_name_the_node() -> None:
    nodes = [X, regular("a", "x"), Node("y", "output", (Edge("a"),))]
    text = fault(nodes, {"a": nn.Linear(2, 3), "y": nn.Linear(4, 2)})
    assert "'y'" in text
    assert "(3,)" in text
    text = fault([X, regular("a", "x"), Node("y", "output", (Edge("a"), Edge("x")))], {"a": nn.Linear(2, 3), "y": Add()})
    assert "'y'" in text
    assert "(3,), (2,)" in text
    assert "'a'" in fault([X, regular("a", "x", "x"), Y], {"a": nn.Linear(2, 2), "y": Add()})  # accepts one tensor, not two


@pytest.mark.parametrize("shape", [(3,), (1,), (3, 2), (), (2, 3), (2, 1), (2, 2, 2)])
def test_a_control_module_returns_one_or_two_values_per_option(shape: tuple[int, ...]) -> None:
    text = fault([X, Q, Y], {"Q": Scores(*shape), "y": Add()})
    assert "'Q'" in text
    assert "2 options" in text


@pytest.mark.parametrize("shape", [(2,), (2, 2)])
def test_two_values_per_option_serve_every_lam(shape: tuple[int, ...]) -> None:
    graph = Graph([X, Q, Y], {"Q": Scores(*shape), "y": Add()}, (2,))
    assert graph.tradeoff.every_lam == (len(shape) == 2)  # two values are to be weighed


def normalised_stages(norm: nn.Module, always: nn.Module | None = None) -> Graph:
    """A gated node, and behind it one without gates that has a batch norm."""
    g = Builder((1, 8, 8))
    stem = g.add("stem", nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), always or nn.Identity()), g.input)
    _, on = g.control("Q", stem, options=("stop", "go on"), part=Scores(2))
    g.output("y1", classifier(4, 2), stem)
    more = g.add("more", nn.Conv2d(4, 6, 8), stem, when=on)
    g.output("y2", nn.Sequential(norm, classifier(6, 2)), more)
    return g.build()


def test_a_node_that_can_be_skipped_has_a_batch_norm_for_single_rows() -> None:
    """Also one without gates of its own, which runs only where a gated node sends something. Where all images come, any norm will do."""
    with pytest.raises(GraphError, match=r"'y2'.*BatchNorm2d.*core\.modules\.layers\.Norm"):
        normalised_stages(nn.BatchNorm2d(6))
    with pytest.raises(GraphError, match=r"'y2'.*BatchNorm1d.*core\.modules\.gate_network\.Means"):
        normalised_stages(nn.Sequential(nn.Flatten(), nn.BatchNorm1d(6), nn.Unflatten(1, (6, 1, 1))))
    graph = normalised_stages(Norm(6), always=nn.BatchNorm2d(4)).train()
    x = torch.zeros(3, 1, 8, 8)
    one = Stacked([Forced({"Q": {column: True}}) for column in (0, 0, 1)])  # a single image goes on
    assert execute(graph, x, one).ran["y2"].tolist() == [False, False, True]
    with pytest.raises(GraphError, match=r"'more'.*BatchNorm2d"):
        graph.replace("more", nn.Sequential(nn.Conv2d(4, 6, 8), nn.BatchNorm2d(6)))


def test_outputs_must_have_the_same_number_of_classes() -> None:
    text = fault([X, Y, Node("z", "output", (Edge("x"),))], {"y": nn.Linear(2, 2), "z": nn.Linear(2, 3)})
    assert "'z'" in text or "'y'" in text


@pytest.mark.parametrize("name", ["type", "values", "half", "train", "keys", "double", "a b", "ε", "1"])
def test_any_name_without_a_dot_is_valid(name: str) -> None:
    graph = Graph([X, regular(name, "x"), Node("y", "output", (Edge(name),))], {name: nn.Linear(2, 2), "y": Add()}, (2,))
    x = torch.ones(1, 2)
    assert torch.equal(execute(graph, x, Open()).output, graph.parts[name](x))


def test_nodes_are_sorted_topologically() -> None:
    nodes = [Node("y", "output", (Edge("b"),)), regular("b", "a", when=[Gate("Q", 1)]), Q, regular("a", "x"), regular("c", "x"), X]
    graph = Graph(nodes, parts_for(nodes), (2,))
    assert [node.name for node in graph.nodes] == ["x", "Q", "a", "b", "y", "c"]
    assert graph.input is X
    assert [node.name for node in graph.outputs] == ["y"]
    assert graph.controls == (Q,)
    assert graph.opened_by("Q", 1) == ("b",)
    assert graph.opened_by("Q", 0) == ()


@pytest.mark.parametrize(("depth", "reach"), [(60, 60), (1500, 1)])
def test_wide_and_deep_graphs_are_valid(depth: int, reach: int) -> None:
    nodes = [X]
    for number in range(depth):
        nodes.append(regular(f"n{number}", *(node.name for node in nodes[-reach:])))
    nodes.append(Node("y", "output", (Edge(nodes[-1].name),)))
    validate(nodes, [node.name for node in nodes[1:]])
    assert topological_order(nodes) == tuple(nodes)


def test_a_default_makes_an_output_reachable() -> None:
    low, high = regular("a", "x", when=[Gate("Q", 0)]), regular("b", "x", when=[Gate("Q", 1)])
    for edges in ((Edge("a", 0.0), Edge("b")), (Edge("a"), Edge("b", 1.0)), (Edge("a", 0.0), Edge("b", 0.0))):
        nodes = [X, Q, low, high, Node("y", "output", edges)]
        assert Graph(nodes, parts_for(nodes), (2,)).shapes["y"] == (2,)


def test_independent_gates_may_all_be_open() -> None:
    each = Node("Q", "control", (Edge("x"),), (), ("p", "q"), "each")
    nodes = [X, each, regular("a", "x", when=[Gate("Q", 0)]), regular("b", "a", when=[Gate("Q", 1)]), Node("y", "output", (Edge("b"),))]
    assert Graph(nodes, parts_for(nodes), (2,)).shapes["y"] == (2,)


def test_the_reference_is_the_last_option_unless_given() -> None:
    nodes, parts = [X, Q, Y], parts_for([X, Q, Y])
    assert Graph(nodes, parts, (2,)).reference == {"Q": 1}
    assert Graph(nodes, parts, (2,), {"Q": "low"}).reference == {"Q": 0}
    assert Graph(nodes, parts, (2,), {"Q": 0}).reference == {"Q": 0}
    assert "low, high" in fault(nodes, parts, reference={"Q": "middle"})
    assert "'Q'" in fault(nodes, parts, reference={"Q": 2})
    assert "Q" in (text := fault(nodes, parts, reference={"R": 0}))
    assert "'R'" in text


def test_the_builder_reports_errors_where_they_are_written() -> None:
    g = Builder((2,))
    g.add("a", nn.Linear(2, 3), g.input)
    with pytest.raises(GraphError, match=r"'b'.*'z'"):
        g.add("b", nn.Linear(2, 3), "z")
    with pytest.raises(GraphError, match="'a' is defined twice"):
        g.add("a", nn.Linear(2, 3), g.input)
    with pytest.raises(GraphError, match="'b'"):
        g.add("b", nn.Linear(2, 3), "a")
    g.output("y", nn.Linear(3, 2), Edge("a"))
    gates = g.control("Q", "a", options=("low", "mid", "high"), part=Scores(3))
    assert gates == (Gate("Q", 0), Gate("Q", 1), Gate("Q", 2))
    d = g.dummy("d", torch.tensor([1.0, 2.0]), when=gates[1:])
    g.output("z", Add(), d)
    graph = g.build({"Q": "mid"})
    assert [node.name for node in graph.nodes] == ["x", "a", "y", "Q", "d", "z"]
    assert graph.by_name["d"] == Node("d", "dummy", (), gates[1:])
    assert graph.reference == {"Q": 1}
    assert graph.shapes == {"x": (2,), "a": (3,), "y": (2,), "Q": (3,), "d": (2,), "z": (2,)}


def stages() -> Graph:
    """A convolution, and behind it an early exit and a second convolution with an exit of its own, on images (1, 8, 8)."""
    g = Builder((1, 8, 8))
    stem = g.add("stem", nn.Conv2d(1, 4, 3, padding=1), g.input)  # 64 · 4 · 9
    _, on = g.control("Q", stem, options=("stop", "go on"), part=Controller([(4, 8, 8)], 2, hidden=5))  # 4 · 5 + 5 · 2
    g.output("y1", classifier(4, 2), stem)  # 4 · 2
    more = g.add("more", nn.Conv2d(4, 6, 3, padding=1), stem, when=on)  # 64 · 6 · 4 · 9
    g.output("y2", classifier(6, 2), more)  # 6 · 2
    return g.build()


class Unsure(nn.Module):
    """Goes on where the entropy of an answer (B, classes) is above a threshold, which falls as λ's condition rises. Learns nothing."""

    def forward(self, answer: Tensor, *, weight: Tensor | None) -> Tensor:
        entropy = -(answer.softmax(dim=1) * answer.log_softmax(dim=1)).sum(dim=1)  # (B,)
        above = entropy - (0.5 if weight is None else 1 - weight)
        return torch.stack([torch.zeros_like(above), above], dim=1)


@pytest.mark.parametrize("every_lam", [True, False])
def test_only_two_values_per_option_have_an_exchange_rate(every_lam: bool) -> None:
    """An exit by entropy weighs nothing by κ: with every λ it is given λ as a budget, and its description claims no κ."""
    g = Builder((2,), every_lam=every_lam)
    first = g.add("first", nn.Linear(2, 2), g.input)
    _, on = g.control("Q", first, options=("stop", "go on"), part=Unsure())
    g.output("y1", Add(), first)
    g.output("y2", nn.Linear(2, 2), g.input, when=on)
    graph = D2NN().prepare(g.build(), None)
    assert isinstance(graph.tradeoff, BudgetCurve) == every_lam
    assert describe(graph)["every_lam"] == every_lam
    assert describe(graph)["exchange_rate"] is None
    assert "κ" not in describe(graph)["tradeoff"]
    x = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    runs = [execute(graph, x, Greedy(), lam=lam).ran["y2"] for lam in (0.0, 1.0)]
    assert torch.equal(*runs) != every_lam


def test_a_graph_with_a_controller_has_an_exchange_rate() -> None:
    g = Builder((2,), every_lam=True)
    _, on = g.control("Q", g.add("first", nn.Linear(2, 2), g.input), options=("stop", "go on"), decides="each")
    g.output("y", nn.Linear(2, 2), g.input, when=on)
    assert isinstance(g.build().tradeoff, ExchangeRate)


def told(graph: Graph) -> tuple[dict[str, tuple[int, ...]], dict[str, int], list[float]]:
    return dict(graph.shapes), dict(graph.macs), graph.prices.tolist()


def test_a_replaced_module_is_measured_again() -> None:
    graph = stages()
    assert graph.macs == {"x": 0, "stem": 2304, "Q": 30, "y1": 8, "more": 13_824, "y2": 12}
    shapes = dict(graph.shapes)
    narrow = nn.Sequential(nn.Conv2d(4, 2, 1), nn.Conv2d(2, 6, 3, padding=1))  # 64 · 2 · 4, 64 · 6 · 2 · 9
    graph.replace("more", narrow)
    assert graph.parts["more"] is narrow
    assert graph.macs == {"x": 0, "stem": 2304, "Q": 30, "y1": 8, "more": 512 + 6912, "y2": 12}
    assert graph.shapes == shapes
    assert graph.prices.tolist() == [graph.macs[node.name] for node in graph.nodes]
    report = cost(graph, execute(graph, torch.zeros(3, 1, 8, 8), Open()))
    assert (report.static, report.full) == (2304 + 7424 + 12, 2304 + 30 + 8 + 7424 + 12)
    assert report.used.tolist() == [report.full] * 3
    assert list(dict(graph.named_parameters())) == list(dict(Graph(graph.nodes, graph.parts, (1, 8, 8)).named_parameters()))


def test_a_changed_shape_is_followed_to_all_that_reads_it() -> None:
    """Maps of half the size come to every later node; the classifiers pool them, so that their cost stays."""
    graph = stages()
    graph.replace("stem", nn.Conv2d(1, 4, 3, stride=2, padding=1))
    assert graph.macs == {"x": 0, "stem": 576, "Q": 30, "y1": 8, "more": 3456, "y2": 12}
    assert graph.shapes == {"x": (1, 8, 8), "stem": (4, 4, 4), "Q": (2,), "y1": (2,), "more": (6, 4, 4), "y2": (2,)}
    assert graph.prices.tolist() == [graph.macs[node.name] for node in graph.nodes]


def test_the_channels_of_a_branch_are_charged_for_the_maps_that_come_in_now() -> None:
    """A branch halves the maps in its second convolution: for odd sizes its cost divides among its convolutions in another way."""

    def built(stem: nn.Module) -> Graph:
        g = Builder((1, 8, 8))
        g.add("stem", stem, g.input)
        g.control("Q", "stem", options=[str(channel) for channel in range(6)], part=Scores(6), decides="each")
        branch = Branch(1, (2, 4, 3), (3, 3, 1), (1, 2, 1))  # 9 · 2 · 9, 4 · 4 · 2 · 9, 4 · 3 · 4 on maps of 3×3
        g.output("y", classifier(3, 2), g.add("branch", branch, "stem", channels=ChannelGate("Q", 0, 6)))
        return g.build()

    graph, other = built(nn.Identity()), built(nn.AvgPool2d(3, 3, padding=1))
    graph.replace("stem", nn.AvgPool2d(3, 3, padding=1))
    assert graph.macs == other.macs
    half = Forced({"Q": {channel: channel > 0 for channel in range(6)}})  # one of the first convolution's two filters
    assert cost(graph, execute(graph, torch.zeros(1, 1, 8, 8), half)).used.tolist() == pytest.approx([81 + 144 + 48 + 6], rel=1e-12)


MISFITS = {
    "a channel too many": ("stem", nn.Conv2d(1, 5, 3, padding=1), r"node 'Q'.*cannot take inputs of shape \(5, 8, 8\)"),
    "inputs that it cannot take": ("more", nn.Conv2d(3, 6, 3, padding=1), r"node 'more'.*cannot take inputs of shape \(4, 8, 8\)"),
    "three classes in one of two answers": ("y2", classifier(6, 3), r"'y1' sends \(2,\) and 'y2' \(3,\): change"),
    "an option too many": ("Q", Controller([(4, 8, 8)], 3), r"control node 'Q' has 2 options"),
    "two values per option instead of one": ("Q", Controller([(4, 8, 8)], 2, every_lam=True), r"'Q' returns values \(2,\) and .* \(2, 2\)"),
    "no such node": ("z", nn.Identity(), r"'z' has no module to replace: name one of stem, Q, y1, more, y2"),
    "the input": ("x", nn.Identity(), r"'x' has no module to replace"),
}


@pytest.mark.parametrize("case", MISFITS)
def test_a_module_that_does_not_fit_leaves_the_graph_as_it_was(case: str) -> None:
    name, part, message = MISFITS[case]
    graph = stages()
    before, parts = told(graph), dict(graph.parts)
    with pytest.raises(GraphError, match=message):
        graph.replace(name, part)
    assert told(graph) == before
    assert dict(graph.parts) == parts


def test_a_replaced_module_moves_to_the_device_of_the_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = stages()
    monkeypatch.setattr(Graph, "device", torch.device("meta"))  # the one device besides the processor that every machine has
    graph.replace("more", nn.Conv2d(4, 6, 1))
    assert {weights.device.type for weights in graph.parts["more"].parameters()} == {"meta"}


def test_a_module_is_not_replaced_where_prices_are_seconds() -> None:
    graph = stages()
    graph.prices.copy_(torch.arange(len(graph.nodes)))
    before = told(graph)
    with pytest.raises(GraphError, match=r"'more'.*before prices are set"):
        graph.replace("more", nn.Conv2d(4, 6, 1))
    assert told(graph) == before


def test_a_module_cannot_be_assigned() -> None:
    graph = stages()
    with pytest.raises(TypeError, match=r"graph\.replace\('more', module\)"):
        graph.parts["more"] = nn.Identity()
