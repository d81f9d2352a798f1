"""Multiply-adds, compared with closed forms for modules and with sums for executions."""

import pytest
import torch
from graphs import answers, every_choice, graphs, images
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import nn

from core.graph.builder import Builder
from core.graph.cost import cost
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.measure import measure
from core.graph.node import GraphError
from core.graph.policy import Forced, Greedy, Open
from core.graph.static import static_network
from core.modules.controller import Controller
from core.modules.layers import Add, classifier, conv, convs

quick = settings(max_examples=40, suppress_health_check=[HealthCheck.filter_too_much])


@settings(max_examples=60)
@given(
    st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.sampled_from([1, 3, 5]), st.integers(1, 3), st.integers(0, 2),
    st.integers(1, 2), st.integers(6, 11), st.integers(6, 11), st.booleans(),
)  # fmt: skip
def test_convolutions(
    channels: int, filters: int, groups: int, kernel: int, stride: int, padding: int, dilation: int, height: int, width: int, bias: bool
) -> None:
    reach = dilation * (kernel - 1) + 1
    assume(reach <= min(height, width) + 2 * padding)
    part = nn.Conv2d(channels * groups, filters * groups, kernel, stride, padding, dilation, groups, bias)
    rows, columns = ((size + 2 * padding - reach) // stride + 1 for size in (height, width))
    shape, macs = measure(part, [(channels * groups, height, width)])
    assert shape == (filters * groups, rows, columns)
    assert macs == rows * columns * filters * groups * channels * kernel**2


@settings(max_examples=20)
@given(st.integers(1, 50), st.integers(1, 50), st.booleans())
def test_linear_layers(inputs: int, outputs: int, bias: bool) -> None:
    assert measure(nn.Linear(inputs, outputs, bias=bias), [(inputs,)]) == ((outputs,), inputs * outputs)


@pytest.mark.parametrize("every_lam", [False, True])
@pytest.mark.parametrize("options", [1, 2, 4])
def test_controllers(every_lam: bool, options: int) -> None:
    shapes = [(5, 9, 7), (10,)]
    part = Controller(shapes, options, hidden=6, every_lam=every_lam)
    shape, macs = measure(part, shapes, conditioned=True)
    assert shape == ((options, 2) if every_lam else (options,))
    assert macs == (5 + 10 + every_lam) * 6 + 6 * options * (1 + every_lam)


@pytest.mark.parametrize(
    ("part", "shapes"),
    [
        (nn.BatchNorm2d(3), [(3, 8, 8)]),
        (nn.ReLU(), [(3, 8, 8)]),
        (nn.MaxPool2d(2), [(3, 8, 8)]),
        (nn.AvgPool2d(2), [(3, 8, 8)]),
        (nn.AdaptiveAvgPool2d(1), [(3, 8, 8)]),
        (nn.Flatten(), [(3, 8, 8)]),
        (nn.Softmax(dim=1), [(9,)]),
        (Add(), [(3, 8, 8)] * 3),
    ],
    ids=lambda one: type(one).__name__,
)
def test_modules_without_multiply_adds_cost_nothing(part: nn.Module, shapes: list[tuple[int, ...]]) -> None:
    assert measure(part, shapes)[1] == 0


def test_blocks_are_the_sums_of_their_layers() -> None:
    assert measure(conv(3, 8, stride=2), [(3, 9, 9)]) == ((8, 5, 5), 25 * 8 * 3 * 9)
    assert measure(convs(3, 8, 4, stride=2), [(3, 9, 9)]) == ((4, 5, 5), 25 * 8 * 3 * 9 + 25 * 4 * 8 * 9)
    assert measure(classifier(8, 10), [(8, 5, 5)]) == ((10,), 80)


def test_measuring_does_not_change_the_module() -> None:
    part = conv(3, 4).train()
    original = {name: tensor.clone() for name, tensor in part.state_dict().items()}
    measure(part, [(3, 8, 8)])
    assert part.training
    assert all(torch.equal(tensor, original[name]) for name, tensor in part.state_dict().items())
    assert next(part.parameters()).device.type == "cpu"


@quick
@given(graphs())
def test_the_cost_used_is_the_sum_over_the_nodes_that_ran(graph: Graph) -> None:
    assume(answers(graph, graph.reference))
    execution = execute(graph, images(6), Greedy())
    report = cost(graph, execution)
    for row in range(6):
        assert int(report.used[row]) == sum(graph.macs[name] for name, ran in execution.ran.items() if ran[row])
    assert report.per_node == graph.macs
    assert report.full == sum(graph.macs.values())
    assert torch.equal(report.used, cost(graph, execute(graph, images(6), Greedy(), dense=True)).used)
    assert torch.allclose(report.share * max(report.static, 1), report.used)
    for node in graph.nodes:
        if node.kind in ("input", "dummy") or isinstance(graph.parts[node.name], Add):
            assert graph.macs[node.name] == 0
        else:
            width = sum(graph.shapes[edge.source][0] for edge in node.inputs)
            assert graph.macs[node.name] == width * graph.shapes[node.name][0]


@quick
@given(graphs(decides=("one",)), st.integers(0, 99))
def test_the_static_cost_is_that_of_the_static_network(graph: Graph, pick: int) -> None:
    routes = [choices for choices in every_choice(graph) if answers(graph, choices)]
    assume(routes)
    chosen = routes[pick % len(routes)]
    graph = Graph(graph.nodes, graph.parts, graph.shapes["x"], chosen)
    static = static_network(graph)
    report = cost(graph, execute(graph, images(2), Forced({name: {column: True} for name, column in chosen.items()})))
    assert report.static == sum(static.macs.values())
    controllers = sum(graph.macs[control.name] for control in graph.controls)
    assert report.used.max() <= report.full
    assert report.static <= int(report.used[0])
    assert report.static <= report.full - controllers
    assert int(cost(static, execute(static, images(1), Open())).used[0]) == report.static


def test_costs_of_a_small_network_by_hand() -> None:
    g = Builder((1, 8, 8))
    stem = g.add("stem", nn.Conv2d(1, 4, 3, stride=2, padding=1), g.input)  # 16 · 4 · 9
    low, high = g.control("Q", stem, options=("low", "high"), part=Controller([(4, 4, 4)], 2, hidden=5))  # 4 · 5 + 5 · 2
    g.output("y low", classifier(4, 2), stem, when=low)  # 4 · 2
    wide = g.add("wide", nn.Conv2d(4, 4, 3, padding=1, groups=2), stem, when=high)  # 16 · 4 · 2 · 9
    g.output("y high", classifier(4, 2), wide)
    graph = g.build()
    x = torch.zeros(2, 1, 8, 8)
    forced = [Forced({"Q": {column: True}}) for column in range(2)]
    cheap, expensive = (cost(graph, execute(graph, x, policy)) for policy in forced)
    assert cheap.per_node == {"x": 0, "stem": 576, "Q": 30, "y low": 8, "wide": 1152, "y high": 8}
    assert cheap.used.tolist() == [576 + 30 + 8] * 2
    assert expensive.used.tolist() == [576 + 30 + 1152 + 8] * 2
    assert (cheap.static, cheap.full) == (576 + 1152 + 8, 576 + 30 + 8 + 1152 + 8)
    assert cheap.share.tolist() == pytest.approx([614 / 1736] * 2)


def test_a_reference_route_without_an_output_is_refused() -> None:
    g = Builder((3,))
    gates = g.control("Q", g.input, options=("answer", "nothing"), part=Scores())
    g.output("y", nn.Linear(3, 2), g.input, when=gates[0])
    graph = g.build()
    with pytest.raises(GraphError, match=r"no output"):
        static_network(graph)
    assert sum(static_network(graph, {"Q": 0}).macs.values()) == 6


class Scores(nn.Module):
    """Control module whose scores are the first two values of its input."""

    def forward(self, x: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
        return x[:, :2]
