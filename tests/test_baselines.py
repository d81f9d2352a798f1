"""Baselines of gated networks, compared with values computed by hand."""

import pytest
import torch
from torch import Generator, Tensor, nn

from core.config import run_config
from core.datasets import Split, normalised
from core.evaluation.baselines import (
    RANDOM_RATES,
    THRESHOLDS,
    baselines,
    confidence_front,
    pareto_point,
    passes,
    random_front,
    routes,
    routes_front,
)
from core.evaluation.evaluate import evaluate
from core.graph.builder import Builder
from core.graph.cost import reward_cost
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.node import Edge, GraphError
from core.graph.policy import Open
from core.graph.static import static_macs, static_network
from core.methods.static_gates import RandomStaticGates, gate_statistics
from core.methods.widths import at_width, nested_parts, width_steps
from core.modules.controller import Controller
from core.modules.layers import Add


class Exit(nn.Module):
    """Predict class 1 with a confidence read from an image channel. An idle linear layer of the given width sets the cost."""

    def __init__(self, channel: int, width: int) -> None:
        super().__init__()
        self.channel, self.idle = channel, nn.Linear(1, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        score = x[:, self.channel].mean(dim=(1, 2))
        return torch.stack([torch.zeros_like(score), score * 10], dim=1) + 0 * self.idle(score[:, None]).sum()


class ThirdChannel(nn.Module):
    """Control module that continues where the third channel is positive."""

    def forward(self, x: Tensor, *, weight: Tensor | None) -> Tensor:
        value = x[:, 2].mean(dim=(1, 2))
        return torch.stack([torch.zeros_like(value), value], dim=1)


def two_exits() -> Graph:
    g = Builder((3, 1, 1))
    g.output("early", Exit(0, 10), g.input)
    _, on = g.control("Q", g.input, options=("stop", "go on"), part=ThirdChannel())
    g.output("late", Exit(1, 90), g.input, when=on)
    return g.build()


def images(rows: list[tuple[int, int, int]]) -> Split:
    """Return one-pixel images (N, 3, 1, 1) of class 1. Values above 127 become positive inputs."""
    return Split(torch.tensor(rows, dtype=torch.uint8)[:, :, None, None], torch.ones(len(rows), dtype=torch.long))


# The early exit is confident and right, unsure and wrong, unsure and wrong, confident and wrong; the late exit is always right.
ROWS = [(255, 255, 0), (120, 255, 255), (110, 255, 255), (0, 255, 0)]


def test_fronts_of_a_toy_cascade() -> None:
    graph, split = two_exits(), images(ROWS)
    share = {"early": 10 / 90, "both": 100 / 90}
    gated = pareto_point(evaluate(graph, split))
    assert (gated.cost, gated.accuracy) == (pytest.approx((share["early"] + share["both"]) / 2), 0.75)
    fixed = routes_front(graph, split)
    assert [(point.cost, point.accuracy) for point in fixed] == [(pytest.approx(share["early"]), 0.25), (pytest.approx(share["both"]), 1.0)]
    confident = confidence_front(graph, split)
    assert len(confident) == len(THRESHOLDS)
    assert (confident[0].cost, confident[0].accuracy) == (pytest.approx(share["early"]), 0.25)
    best = max(confident, key=lambda point: point.accuracy)
    assert best.accuracy == 0.75  # the early exit is also confident on an image that it gets wrong


def test_random_gates_are_reproducible_and_ordered_by_cost() -> None:
    graph, split = two_exits(), images(ROWS * 200)
    front = random_front(graph, split)
    assert front == random_front(graph, split) != random_front(graph, split, seed=1)
    assert [reached.cost for reached in front] == sorted(reached.cost for reached in front)
    for rate, reached in zip(RANDOM_RATES, front, strict=True):
        assert reached.accuracy == pytest.approx(0.25 + 0.75 * rate, abs=0.06)


class Brightness(nn.Module):
    """Control module whose single score is the mean of the third channel."""

    def forward(self, x: Tensor, *, weight: Tensor | None) -> Tensor:
        return x[:, 2].mean(dim=(1, 2))[:, None]


def test_independent_gates_are_drawn_with_their_own_rates_and_scales() -> None:
    """The gated module predicts class 1; without it the prediction is class 0. Its gate opens for half of the images."""
    g = Builder((3, 1, 1))
    default = g.add("default", Exit(0, 10), g.input)
    gates = g.control("Q", g.input, options=("block",), part=Brightness(), decides="each")
    gated = g.add("gated", Exit(1, 90), g.input, when=gates)
    g.output("y", Add(), default, Edge(gated, 0.0))
    graph, split = g.build(), images([(120, 255, 178), (120, 255, 0)] * 400)
    (drawn,) = random_front(graph, split)
    assert drawn.accuracy == pytest.approx(0.5, abs=0.06)
    assert drawn.cost == pytest.approx(0.1 + 0.9 * drawn.accuracy)
    assert list(baselines(graph, split)) == ["random gates"]
    inputs = normalised(split.images)
    statistics = gate_statistics(graph.eval(), inputs, None)
    opened = RandomStaticGates(statistics, Generator().manual_seed(0))(graph.by_name["Q"], torch.zeros(len(inputs), 1))
    assert opened.unique().tolist() == pytest.approx([0.0, 178 / 127.5 - 1])
    assert passes(graph) == 1
    with pytest.raises(GraphError, match="have no routes"):
        routes(graph)


def test_each_width_of_nested_channels_is_a_point_and_what_runs_for_the_gates_is_not_counted() -> None:
    shape = {
        "name": "lc_resnet",
        "depth": 8,
        "width": 32,
        "granule": 8,
        "channel_order": "nested",
        "gates_see": "answer",
        "scout_exit": True,
    }
    graph = run_config(architecture=shape, dataset="digits", method="slimmable").architecture.build((1, 16, 16), 10).eval()
    split = Split(torch.randint(0, 256, (40, 1, 16, 16), dtype=torch.uint8), torch.randint(0, 10, (40,)))
    reports: list[int] = []
    assert list(baselines(graph, split, reports.append)) == ["random gates"], "no training has run the narrow widths"
    assert sum(reports) == passes(graph) * len(split)
    reports.clear()
    for part in nested_parts(graph).values():
        part.sort_channels()
    fronts = baselines(graph, split, reports.append)
    assert list(fronts) == ["random gates", "fixed widths"]
    assert sum(reports) == passes(graph) * len(split)
    scout, *widths = fronts["fixed widths"]
    assert len(widths) == width_steps(graph) == 4
    assert scout.cost == pytest.approx(graph.macs["scout"] / static_macs(graph))
    first = execute(graph, normalised(split.images), Open(), lam=0.5).outputs[graph.outputs[0].name].argmax(dim=1)
    assert scout.accuracy == pytest.approx((first == split.labels).float().mean().item())
    assert widths[-1].cost == pytest.approx(1)
    aside = graph.macs["scout"] + sum(graph.macs[control.name] for control in graph.controls)
    run = execute(graph, normalised(split.images[:1]), at_width(graph, 1), lam=0.5)
    assert widths[0].cost == pytest.approx(reward_cost(graph, run).item() - aside / static_macs(graph))
    whole = execute(static_network(graph), normalised(split.images), Open(), lam=0.5)
    answers = list(whole.outputs.values())[-1].argmax(dim=1)
    assert widths[-1].accuracy == pytest.approx((answers == split.labels).float().mean().item())


@pytest.mark.parametrize(("architecture", "count"), [("cascade", 4), ("chain", 8), ("hierarchy", 4), ("high_low", 2)])
def test_routes_are_distinct(architecture: str, count: int) -> None:
    config = run_config(architecture=architecture, dataset="digits", method="d2nn")
    assert len(routes(config.architecture.build((1, 32, 32), 10))) == count


def test_combinations_that_run_the_same_nodes_are_one_route() -> None:
    cascade = run_config(architecture={"name": "resnet_cascade", "n": 3, "exits": list(range(1, 9))}, dataset="digits", method="d2nn")
    assert len(routes(cascade.architecture.build((1, 8, 8), 10))) == 9


@pytest.mark.parametrize(("links", "message"), [(7, "128 routes"), (13, "8192 combinations")])
def test_too_many_routes_are_refused(links: int, message: str) -> None:
    many = run_config(architecture={"name": "chain", "links": [2] * links}, dataset="digits", method="d2nn")
    with pytest.raises(GraphError, match=message):
        routes(many.architecture.build((1, 8, 8), 10))


def test_early_exit_by_confidence_needs_a_cascade() -> None:
    hierarchy = run_config(architecture="hierarchy", dataset="digits", method="d2nn").architecture.build((1, 8, 8), 10)
    assert isinstance(hierarchy.parts["Q1"], Controller)
    with pytest.raises(GraphError, match="needs a cascade"):
        confidence_front(hierarchy, Split(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.zeros(2, dtype=torch.long)))


def test_baselines_report_every_image() -> None:
    graph, split, reports = two_exits(), images(ROWS), []
    fronts = baselines(graph, split, reports.append)
    assert list(fronts) == ["full path", "random gates", "fixed routes", "confidence"]
    assert fronts["full path"] == [fronts["fixed routes"][-1]]
    assert sum(reports) == passes(graph) * len(split)
    many = run_config(architecture={"name": "chain", "links": [2] * 7}, dataset="digits", method="d2nn")
    too_many_routes = many.architecture.build((1, 32, 32), 10)
    assert passes(too_many_routes) == passes(graph) - 2
