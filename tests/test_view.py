"""What the browser is sent about an image: the model of the data, the scales of gates, forced modules and comparisons."""

import re
from collections.abc import Mapping

import pytest
import torch
from test_predict import IMAGES, fresh

from app.graph_view.drawing import Drawing, DrawnEdge, DrawnNode
from app.graph_view.facts import NodeFacts, facts
from app.graph_view.folding import MAX_UNFOLDED_NODES, costs, fold
from app.graph_view.payload import (
    Attribution,
    ComparedInterval,
    ComparedView,
    Comparison,
    Forcing,
    InsideModule,
    Inspection,
    Interval,
    LayerRow,
    ModuleBlock,
    NodeGates,
    Picture,
    PossibleRoute,
    StaticCost,
    View,
    WeightHistogram,
)
from app.graph_view.view import Subject, Times, ViewOptions, seen, view_of
from app.javascript import ENTRY, joined
from core.datasets import normalised
from core.explain import gradual
from core.explain.gradual import GradualSweep
from core.explain.model import Model
from core.explain.predict import forced_policy, sweep_lam
from core.fast.stopwatch import TIMED_INTERVALS, Spread, timed_along
from core.graph.execution import execute
from core.scale import SLIDER_STEPS, lam_at

SHAPE = {"name": "lc_resnet", "depth": 8, "width": 4}
MODEL = (
    *(Attribution, ComparedInterval, Comparison, DrawnEdge, DrawnNode, Drawing, Forcing, Inspection, Interval, NodeFacts, Picture),
    *(ComparedView, InsideModule, LayerRow, ModuleBlock, NodeGates, PossibleRoute, StaticCost, View, WeightHistogram),
)
TAKEN_APART = r"\{([^{}]*)\}(?: = |(?:, \w+)*\) (?:=>|\{))"  # an object, into constants or the parameters of a function
SECONDS = Spread(1e-3, 0.9e-3, 1.2e-3)
STATIC_SECONDS = Spread(1e-3, 0.95e-3, 1.1e-3)
BLOCKS = ("block 1-1", "block 2-1", "block 3-1")


def varied(**options: object) -> Model:
    """An LC-Net whose first block runs from some λ upwards, and whose others are closed."""
    model = fresh(SHAPE | options, method="lcnet")
    for number, control in enumerate(model.graph.controls):
        head = model.graph.parts[control.name].head
        torch.nn.init.normal_(head.weight, generator=torch.Generator().manual_seed(number))
        head.bias.fill_(0.0 if number else -4.0)
    return model


def viewed(model: Model, image: torch.Tensor, forced: Mapping[str, bool] | None = None, times: list[Spread] | None = None) -> View:
    nodes, sweep = model.graph.nodes, sweep_lam(model, image, forced)
    shown = fold(nodes)
    seconds = times or [SECONDS] * len(sweep.traces)
    return view_of(
        nodes,
        shown,
        costs(shown, model.graph.macs),
        sweep,
        Times(seconds, STATIC_SECONDS),
        model.lam,
        model.graph.tradeoff.every_lam,
        {},
        Subject(),
    )


def scales_at(view: View, step: int) -> dict[str, str]:
    return dict(
        next(one for start, one in zip(reversed(view["starts"]), reversed(view["intervals"]), strict=True) if start <= step)["scales"]
    )


@pytest.mark.parametrize("channels", [True, False])
@pytest.mark.parametrize("forced", [{}, {"block 3-1": True, "block 1-1": False}])
def test_a_module_shows_the_scale_of_its_own_gate_where_it_ran(channels: bool, forced: dict[str, bool]) -> None:
    model = varied(channels=channels)
    told = set()
    for image in IMAGES[:4]:
        view = viewed(model, image, forced)
        assert {node["name"] for node in view["drawing"]["nodes"] if node["scales"]} == set(BLOCKS)
        for step in range(0, SLIDER_STEPS, 10):
            execution = execute(model.graph, normalised(image[None]), forced_policy(model.graph, forced), lam=lam_at(step))
            scales = {name: float(execution.gate(model.graph.by_name[name])) * bool(execution.ran[name]) for name in BLOCKS}
            for name, shown in scales_at(view, step).items():
                told.add(shown)
                assert float(shown.rpartition("×")[2] or 0) == pytest.approx(scales[name], abs=0.01), (name, step)
                assert bool(shown) == bool(scales[name])
    assert "" in told
    assert "×1.00" in told if forced else len(told) > 5, "the test shows nothing"


@pytest.mark.parametrize("model", [varied(layers=False), fresh()], ids=["channels alone", "d2nn"])
def test_modules_whose_own_gates_do_not_scale_have_none(model: Model) -> None:
    view = viewed(model, IMAGES[0])
    assert not any(node["scales"] for node in view["drawing"]["nodes"])
    assert not any(one["scales"] for one in view["intervals"])


def test_a_folded_node_has_no_scale() -> None:
    model = fresh(SHAPE | {"depth": 32}, method="lcnet")
    view = viewed(model, IMAGES[0])
    assert len(model.graph.nodes) > MAX_UNFOLDED_NODES
    assert not any(node["scales"] for node in view["drawing"]["nodes"] if "…" in node["name"])


def test_what_a_network_beside_the_explored_one_shows_is_what_it_shows_when_it_is_explored() -> None:
    model = varied()
    nodes, sweep, forced = model.graph.nodes, sweep_lam(model, IMAGES[0], {"block 3-1": True}), {"block 3-1": True}
    shown, subject = fold(nodes), Subject("a run", "a digit", "data:", "7")
    macs, lam = costs(shown, model.graph.macs), model.lam
    explored = view_of(nodes, shown, macs, sweep, None, lam, True, {}, subject, ViewOptions(forced=forced))
    beside = seen(nodes, shown, macs, sweep, None, lam, True, subject, forced, held=30)
    assert beside["held"] == 30
    assert explored["held"] is None
    assert {name: value for name, value in beside.items() if name != "held"}.items() <= explored.items()


def test_a_note_says_where_some_times_are_those_of_the_nearest_lam() -> None:
    told = {}
    for name, model in {"many": varied(), "few": fresh()}.items():
        seconds, _ = timed_along(model, IMAGES[0], sweep_lam(model, IMAGES[0]))
        told[name] = viewed(model, IMAGES[0], times=seconds)["timing_note"]
    assert told == {"many": f"Measured at {TIMED_INTERVALS} values of λ; in between, the time at the nearest of them is shown.", "few": ""}


def test_the_script_of_the_component_reads_every_name_of_the_model_and_no_other() -> None:
    script = joined(ENTRY)
    names = {name for model in MODEL for name in model.__annotations__}
    picked = {name.partition(":")[0].strip() for part in re.findall(TAKEN_APART, script) for name in part.split(",")}
    read = set(re.findall(r"\.([a-z_]+)\b", script)) | picked
    assert names - read == set()
    assert {name for name in read if "_" in name[1:]} - names == set()


def test_forced_modules_are_marked_and_compared_with_the_automatic_route() -> None:
    model = varied()
    image, nodes = IMAGES[0], model.graph.nodes
    shown = fold(nodes)
    forced, automatic = sweep_lam(model, image, {"block 3-1": True}), sweep_lam(model, image)
    times = Times([SECONDS] * len(forced.traces), STATIC_SECONDS)
    options = ViewOptions(forced={"block 3-1": True}, automatic=automatic)
    view = view_of(nodes, shown, costs(shown, model.graph.macs), forced, times, model.lam, True, {}, Subject(), options)
    assert view["forced"] == {"block 3-1": "on"}
    assert all("block 3-1" in interval["executed"] for interval in view["intervals"])
    assert view["comparison"] is not None
    assert view["comparison"]["title"] == "With nothing forced"
    assert [interval["executed"] for interval in view["comparison"]["intervals"]] == [trace.executed for trace in automatic.traces]


@pytest.mark.parametrize("options", [{}, {"layers": False}, {"channels": False}, {"gates_of": "group"}])
def test_the_gates_of_a_node_are_where_its_scores_are(options: dict[str, object]) -> None:
    model = varied(**options)
    view, sweep = viewed(model, IMAGES[0]), sweep_lam(model, IMAGES[0])
    gated = {node.name: node for node in model.graph.nodes if node.gates or node.channels}
    assert set(view["gates"]) == set(gated)
    for name, where in view["gates"].items():
        for start, trace in zip(view["starts"], sweep.traces, strict=True):
            row = view["scores"][where["control"]][view["scored"].index(start)]
            assert row is not None
            block = 1.0 if where["block"] is None else max(row[where["block"]], 0)
            own = [max(score, 0) * block for score in row[where["first"] :][: where["channels"]]] or block
            assert trace.gates[name] == pytest.approx(own, abs=1e-3)


def test_only_gates_that_open_independently_are_listed() -> None:
    assert viewed(fresh(), IMAGES[0])["gates"] == {}


def test_what_is_known_to_be_none_of_the_classes_is_called_that() -> None:
    model = varied()
    nodes, sweep = model.graph.nodes, sweep_lam(model, IMAGES[0])
    shown, times = fold(nodes), Times([SECONDS] * len(sweep.traces), STATIC_SECONDS)
    subject = Subject(outside="a rocket")
    view = view_of(nodes, shown, costs(shown, model.graph.macs), sweep, times, model.lam, True, {}, subject)
    assert all(one["claim"].startswith("A rocket is none of its classes: ") for one in view["intervals"])
    assert all(one["correct"] is None for one in view["intervals"])


def test_an_answer_is_right_or_wrong_at_each_lam_and_costs_what_it_costs() -> None:
    model = varied()
    nodes, sweep = model.graph.nodes, sweep_lam(model, IMAGES[0])
    shown, times = fold(nodes), Times([SECONDS] * len(sweep.traces), STATIC_SECONDS)
    label = sweep.traces[-1].label
    for true_label, right in ((label, True), ("none of them", False), (None, None)):
        subject = Subject(true_label=true_label)
        view = view_of(nodes, shown, costs(shown, model.graph.macs), sweep, times, model.lam, True, {}, subject)
        assert view["intervals"][-1]["correct"] is right
        assert [one["cost"] for one in view["intervals"]] == [trace.cost_share for trace in sweep.traces]


def test_a_static_network_is_not_compared_with_itself() -> None:
    model = fresh({"name": "plain"}, method="static")
    view = viewed(model, IMAGES[0])
    assert view["static"] is None
    assert view["intervals"][0]["time_comparison"] == ""
    assert view["intervals"][0]["cost"] == 1


def test_before_all_values_of_lam_and_times_are_known_the_view_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradual, "QUICK_SECONDS", 0)
    model = varied()
    nodes, sweep = model.graph.nodes, GradualSweep(model, IMAGES[0]).answer(50)
    shown = fold(nodes)
    view = view_of(nodes, shown, costs(shown, model.graph.macs), sweep, None, model.lam, True, {}, Subject(), ViewOptions(pending="so far"))
    assert (view["computed"], view["pending"], view["thresholds"]) == ([50], "so far", [])
    assert view["along"] == "1 of 101 values of λ so far; in between, the nearest of them is shown"
    assert (view["scored"], {len(rows) for rows in view["scores"].values()}) == ([0], {1})
    assert {(one["time"], one["time_range"], one["time_comparison"]) for one in view["intervals"]} == {("", "", "")}
    assert view["timing_note"] == ""
    known = facts(nodes, {node.name for node in nodes}, model.graph.shapes, {}, model.graph.macs, [], sweep)
    assert not [line for one in known.values() for line in one["lines"] if "at every λ" in line]
