"""What bench measures: the multiply-adds of what it times. Times themselves are never tested."""

import time

import pytest
import torch
from torch import nn

from core.fast.bench import Timing, bench, profile
from core.fast.forms import StaticForm, StaticNetwork, fastest_form
from core.graph.builder import Builder
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.node import GraphError
from core.graph.policy import Open
from core.graph.static import static_network
from core.modules.layers import Add, classifier, conv, convs

IMAGES = torch.randn(10, 3, 8, 8)


def two_paths() -> Graph:
    """Every image is decided for by a controller with random weights; the dear path costs much more than all else."""
    torch.manual_seed(0)
    g = Builder((3, 8, 8), every_lam=True)
    stem = g.add("stem", conv(3, 4), g.input)
    _, dear = g.control("Q", stem, options=("stop", "go on"))
    g.output("y1", classifier(4, 5), stem)
    more = g.add("more", convs(4, 32, 32), stem, when=dear)
    g.output("y2", classifier(32, 5), more)
    return g.build()


def test_each_case_is_measured_with_each_batch_and_number_of_threads() -> None:
    told: list[float] = []
    before = torch.get_num_threads()
    choices = {"lams": [0.3, 0.9], "rates": [0.0, 0.5], "batches": [1, 4], "threads": [1, 2], "seconds": 0.01}
    rows = list(bench("two", two_paths(), IMAGES, **choices, report=told.append))
    cases = [("learned", 0.3), ("learned", 0.9), ("random 0", 0.5), ("random 0.5", 0.5), ("open", 0.5)]
    assert [(row.batch, row.threads, row.gates, row.lam) for row in rows] == [
        (batch, threads, *case) for batch in (1, 4) for threads in (1, 2) for case in cases
    ]
    assert told == [0.25, 0.5, 0.75, 1.0]
    assert torch.get_num_threads() == before
    for row in rows:
        assert row.gated_ms > 0
        assert row.static_ms > 0
        assert row.time_ratio == pytest.approx(row.gated_ms / row.static_ms)
        assert row.skip_efficiency == pytest.approx((1 / row.time_ratio) / (1 / row.macs_ratio))


def test_the_multiply_adds_are_those_of_what_was_timed() -> None:
    graph = two_paths()
    rows = {row.gates: row for row in bench("two", graph, IMAGES, lams=[], rates=[0.0, 1.0, 0.5], batches=[4], threads=[1], seconds=0.01)}
    static = graph.macs["stem"] + graph.macs["more"] + graph.macs["y2"]
    least = graph.macs["stem"] + graph.macs["Q"] + graph.macs["y1"]
    most = sum(graph.macs.values())
    assert rows["random 0"].macs_ratio == pytest.approx(least / static)
    assert rows["random 1"].macs_ratio == rows["open"].macs_ratio == pytest.approx(most / static)
    assert least / static < rows["random 0.5"].macs_ratio < most / static
    assert all(isinstance(row, Timing) for row in rows.values())


def test_a_node_that_reads_the_image_may_take_the_place_of_the_static_network() -> None:
    g = Builder((3, 8, 8))
    members = [g.add(name, nn.Sequential(conv(3, width), classifier(width, 5)), g.input) for name, width in (("small", 4), ("large", 9))]
    g.output("y", Add(), *members)
    g.control("Q", members[0], options=("no", "yes"))
    graph, choices = g.build(), {"lams": [], "rates": [1.0], "batches": [4], "threads": [1], "seconds": 0.01}
    row, *_ = bench("two", graph, IMAGES, **choices, against="large")
    assert row.macs_ratio == pytest.approx(sum(graph.macs.values()) / graph.macs["large"])
    with pytest.raises(GraphError, match="'y' is not a node that reads the image alone; such nodes are small, large"):
        list(bench("two", graph, IMAGES, **choices, against="y"))


def test_a_profile_tells_of_every_node_that_is_computed() -> None:
    graph = two_paths()
    taken = profile(graph, IMAGES, lam=0.5, batch=3, turns=2)
    assert list(taken) == [node.name for node in graph.nodes[1:]]
    assert all(time > 0 for time in taken.values())


@pytest.mark.parametrize("batch", [1, 5])
def test_all_forms_of_a_static_network_answer_alike(batch: int) -> None:
    graph = static_network(two_paths())
    forms, x = StaticNetwork(graph).forms(batch), torch.randn(batch, 3, 8, 8)
    assert [form.name.split(",")[0] for form in forms] == [
        "fast engine",
        "torch.onnx in ONNX Runtime",
        *(["one program in ONNX Runtime"] if batch > 1 else []),
    ]
    expected = execute(graph, x, Open()).output
    assert torch.allclose(torch.as_tensor(_scores(forms[0].prepare(x)())), expected, atol=1e-5)
    for form in forms[1:]:
        assert torch.allclose(torch.as_tensor(_scores(form.prepare(x)())), expected, atol=1e-5)


def _scores(sent: object) -> object:
    """What a form returned: an answer of the engine, or the outputs of a program."""
    return sent.output if hasattr(sent, "output") else sent[0]


def test_the_fastest_form_is_taken() -> None:
    ran: list[str] = []

    def form(name: str, seconds: float) -> StaticForm:
        return StaticForm(name, lambda x: lambda: (ran.append(name), time.sleep(seconds)))

    assert fastest_form([form("slow", 0.03), form("quick", 0.0), form("slower", 0.04)], [torch.zeros(1)]).name == "quick"
    assert ran[:3] == ["slow", "quick", "slower"]


def test_a_timing_says_in_which_forms_both_ran() -> None:
    rows = list(bench("two", two_paths(), IMAGES, lams=[0.5], rates=[], batches=[1, 4], threads=[1], seconds=0.01))
    assert {row.gated_form for row in rows if row.batch == 1} == {"one program with the decisions inside"}
    assert all("program" in row.gated_form and row.static_form for row in rows)
