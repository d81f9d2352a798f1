"""What the browser is sent about an image: by how much gates scaled modules, and how many of the times were measured."""

from collections.abc import Mapping

import pytest
import torch
from test_predict import IMAGES, fresh

from app.graph_view.folding import FEW, fold
from app.graph_view.payload import View, frozen, view_of
from core.evaluation.evaluate import normalised
from core.explain.model import Model
from core.explain.predict import forced_policy, sweep_lam
from core.fast.stopwatch import MOST, timed_along
from core.graph.execution import execute
from core.scale import SLIDER_STEPS, lam_at

SHAPE = {"name": "lc_resnet", "depth": 8, "width": 4}
BLOCKS = ("block 1-1", "block 2-1", "block 3-1")


def varied(**options: object) -> Model:
    """An LC-Net whose first block runs from some λ on, and the others not by themselves."""
    model = fresh(SHAPE | options, method="lcnet")
    for number, control in enumerate(model.graph.controls):
        head = model.graph.parts[control.name].head
        torch.nn.init.normal_(head.weight, generator=torch.Generator().manual_seed(number))
        head.bias.fill_(0.0 if number else -4.0)
    return model


def viewed(model: Model, image: torch.Tensor, held: Mapping[str, bool] | None = None, times: list[float] | None = None) -> View:
    nodes, sweep = model.graph.nodes, sweep_lam(model, image, held)
    shown = fold(nodes)
    layout = {"nodes": [{"name": node.name, "macs": 0} for node in shown]}
    seconds = times or [1e-3] * len(sweep.traces)
    return view_of(nodes, shown, layout, sweep, (seconds, 1e-3), model.lam, model.graph.every_lam, {})


def scales_at(view: View, step: int) -> dict[str, str]:
    return dict(
        next(one for start, one in zip(reversed(view["starts"]), reversed(view["stretches"]), strict=True) if start <= step)["scales"]
    )


@pytest.mark.parametrize("channels", [True, False])
@pytest.mark.parametrize("held", [{}, {"block 3-1": True, "block 1-1": False}])
def test_a_module_is_told_the_scale_of_its_own_gate_where_it_ran(channels: bool, held: dict[str, bool]) -> None:
    model = varied(channels=channels)
    told = set()
    for image in IMAGES[:4]:
        view = viewed(model, image, held)
        assert {node["name"] for node in view["layout"]["nodes"] if node["scales"]} == set(BLOCKS)
        for step in range(0, SLIDER_STEPS, 10):
            execution = execute(model.graph, normalised(image[None]), forced_policy(model.graph, held), lam=lam_at(step))
            scales = {name: float(execution.gate(model.graph.by_name[name])) * bool(execution.ran[name]) for name in BLOCKS}
            for name, shown in scales_at(view, step).items():
                told.add(shown)
                assert float(shown.rpartition("×")[2] or 0) == pytest.approx(scales[name], abs=0.01), (name, step)
                assert bool(shown) == bool(scales[name])
    assert "" in told
    assert "×1.00" in told if held else len(told) > 5, "the test shows nothing"


@pytest.mark.parametrize("model", [varied(layers=False), fresh()], ids=["channels alone", "d2nn"])
def test_modules_whose_own_gates_do_not_scale_have_none(model: Model) -> None:
    view = viewed(model, IMAGES[0])
    assert not any(node["scales"] for node in view["layout"]["nodes"])
    assert not any(one["scales"] for one in view["stretches"])


def test_a_node_that_stands_for_several_has_no_scale() -> None:
    model = fresh(SHAPE | {"depth": 32}, method="lcnet")
    view = viewed(model, IMAGES[0])
    assert len(model.graph.nodes) > FEW
    assert not any(node["scales"] for node in view["layout"]["nodes"] if "…" in node["name"])


def test_a_view_that_is_pinned_keeps_the_scales_of_its_step() -> None:
    view = viewed(varied(), IMAGES[0])
    different = [step for step in range(SLIDER_STEPS) if scales_at(view, step) != scales_at(view, 0)]
    for step in (0, different[0], different[-1]):
        assert scales_at(frozen(view, step), 0) == scales_at(view, step)


def test_it_is_said_where_some_times_are_those_of_the_nearest_lam() -> None:
    told = {}
    for name, model in {"many": varied(), "few": fresh()}.items():
        seconds, _ = timed_along(model, IMAGES[0], sweep_lam(model, IMAGES[0]))
        told[name] = viewed(model, IMAGES[0], times=seconds)["measured"]
    assert told == {"many": f"Measured at {MOST} values of λ; elsewhere the nearest one’s time.", "few": ""}
