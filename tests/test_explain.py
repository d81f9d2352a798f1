"""Attribution on networks whose relevant pixels are known, and activations of nodes."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from core.config import run_config
from core.datasets import normalised
from core.explain.attribution import ATTRIBUTION_METHODS, PATCH_FRACTION, SameRoute, activations, attribution
from core.explain.gate_evidence import gate_evidence
from core.explain.model import Model
from core.explain.predict import forced_policy
from core.graph.builder import Builder
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.node import GraphError
from core.modules.controller import Controller
from core.modules.gate_network import GateNetwork
from core.training.assembly import assemble

SIDE = 16


class Corner(nn.Module):
    """Control module whose score for the second option is the mean brightness of the upper left quarter."""

    def forward(self, x: Tensor, weight: Tensor | None = None) -> Tensor:
        bright = x[:, :, : SIDE // 2, : SIDE // 2].mean(dim=(1, 2, 3))
        return torch.stack([torch.zeros_like(bright), bright], dim=1)


def corner_network(through_map: bool) -> Model:
    """Return a network whose gate depends on a corner of the image, or of a feature map that copies the image."""
    g = Builder((1, SIDE, SIDE))
    observed = g.add("copy", nn.Identity(), g.input) if through_map else g.input
    gates = g.control("Q", observed, options=("dark", "bright"), part=Corner())
    for gate, option in zip(gates, ("dark", "bright"), strict=True):
        module = g.add(option, nn.Flatten(), observed, when=gate)
        g.output(f"y {option}", nn.Linear(SIDE * SIDE, 2), module)
    return as_model(g.build().eval())


def as_model(graph: Graph) -> Model:
    config = run_config(architecture="high_low", dataset="digits", method="d2nn", lam=0.5)
    return Model("toy", config, graph.requires_grad_(False), (1, SIDE, SIDE), ("no", "yes"))


def bright_corner() -> Tensor:
    image = torch.full((1, SIDE, SIDE), 90, dtype=torch.uint8)
    image[:, : SIDE // 2, : SIDE // 2] = 250
    return image


@pytest.mark.parametrize("method", ATTRIBUTION_METHODS)
@pytest.mark.parametrize("through_map", [False, True])
def test_attribution_finds_the_pixels_that_a_gate_depends_on(method: Any, through_map: bool) -> None:
    progress: list[float] = []
    found = attribution(corner_network(through_map), bright_corner(), "Q", 1, method, report=progress.append)
    assert found.shape == (SIDE, SIDE)
    corner = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    corner[: SIDE // 2, : SIDE // 2] = True
    tolerated = torch.zeros(SIDE, SIDE, dtype=torch.bool)  # an occluded patch may cross the border of the corner
    tolerated[: SIDE // 2 + SIDE // PATCH_FRACTION, : SIDE // 2 + SIDE // PATCH_FRACTION] = True
    if not (through_map and method == "quick"):  # Grad-CAM weights whole channels, so it is not limited to the corner
        assert float(found[~(tolerated if method == "occlusion" else corner)].abs().max()) <= 1e-6
    assert float(found[corner].mean()) > float(found[~corner].mean())
    assert progress == sorted(progress)
    assert progress[-1] == 1.0


def random_network(name: str) -> Model:
    """Return a network with random weights."""
    config = run_config(architecture=name, dataset="digits", method="d2nn")
    graph = assemble(config, (1, SIDE, SIDE), 10).eval().requires_grad_(False)
    return Model("toy", config, graph, (1, SIDE, SIDE), tuple("0123456789"))


@pytest.mark.parametrize("name", ["cascade", "chain", "high_low", "hierarchy"])
def test_integrated_gradients_sum_to_the_change_of_the_margin(name: str) -> None:
    model, image = random_network(name), torch.randint(256, (1, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    for control in model.graph.controls:
        part = model.graph.parts[control.name]
        assert isinstance(part, Controller)
        part.hidden.weight.mul_(4)  # strengthen the influence of the features
    control = model.graph.controls[-1]
    forced = {node.name: True for node in model.graph.nodes if node.name in ("N3", "N5")}  # so that the cascade's last control node runs
    lam = 0.5
    found = attribution(model, image, control.name, 1, "integrated gradients", lam=lam, forced=forced)
    x = normalised(image[None])
    original = execute(model.graph, x, forced_policy(model.graph, forced), lam=lam)

    def margin(x: Tensor) -> float:
        scores = execute(model.graph, x, SameRoute(original), lam=lam).scores[control.name][0]
        return float(scores[1] - scores[0])

    change = margin(x) - margin(torch.full_like(x, -1.0))
    assert abs(change) > 1e-5
    error = abs(float(found.sum()) - change)
    assert error < abs(change)  # neither zero nor the opposite sign
    assert error < 0.05 * float(found.abs().sum())  # discretisation of the integral


@pytest.mark.parametrize("method", ATTRIBUTION_METHODS)
def test_attribution_is_deterministic_and_leaves_the_network_unchanged(method: Any) -> None:
    model, image = random_network("cascade"), bright_corner()
    before = {name: value.clone() for name, value in model.graph.state_dict().items()}
    first, second = (attribution(model, image, "Q1", 1, method, lam=0.5) for _ in range(2))
    assert torch.equal(first, second)
    assert float(first.abs().max()) > 0
    assert all(torch.equal(value, before[name]) for name, value in model.graph.state_dict().items())
    assert not any(parameter.requires_grad for parameter in model.graph.parameters())


def test_a_control_node_that_did_not_run_is_refused() -> None:
    model = random_network("cascade")
    with pytest.raises(GraphError, match=r"Q3.*did not run"):
        attribution(model, bright_corner(), "Q3", 1, lam=0.5, forced={"N3": False})


def test_activations_are_the_output_of_a_node_that_ran() -> None:
    model, image = random_network("cascade"), bright_corner()
    output = activations(model, image, "N1", lam=0.5)
    assert output is not None
    assert torch.equal(output, model.graph.parts["N1"](normalised(image[None]))[0])
    assert activations(model, image, "N3", lam=0.5, forced={"N3": False}) is None
    assert activations(model, image, "N3", lam=0.5, forced={"N3": True}) is not None
    with pytest.raises(GraphError, match="nothing"):
        activations(model, image, "nothing", lam=0.5)
    assert not model.graph.parts["N1"]._forward_hooks


def test_a_dummy_that_did_not_run_has_no_activations() -> None:
    g = Builder((1, SIDE, SIDE))
    dark, bright = g.control("Q", g.input, options=("dark", "bright"), part=Corner())
    g.output("y", nn.Flatten(), g.dummy("constant", torch.tensor([1.0, 2.0]), when=bright))
    g.output("y dark", nn.Flatten(), g.dummy("other", torch.tensor([2.0, 1.0]), when=dark))
    model = as_model(g.build().eval())
    assert activations(model, bright_corner(), "other") is None
    output = activations(model, bright_corner(), "constant")
    assert output is not None
    assert output.tolist() == [1.0, 2.0]


def gated_network(**options: Any) -> Model:
    """Return an LC-Net whose gates depend on the image, with running statistics that are not those of a fresh network."""
    config = run_config(architecture={"name": "lc_resnet", "depth": 8, "width": 4} | options, dataset="digits", method="lcnet")
    graph = assemble(config, (1, SIDE, SIDE), 10).eval().requires_grad_(False)
    draws = torch.Generator().manual_seed(3)
    for control in graph.controls:
        part = graph.parts[control.name]
        assert isinstance(part, GateNetwork)
        nn.init.normal_(part.head.weight, generator=draws)
        part.norm.running_mean.copy_(torch.rand(part.norm.running_mean.shape, generator=draws))  # type: ignore[union-attr]
    return Model("toy", config, graph, (1, SIDE, SIDE), tuple("0123456789"))


def raw_score(model: Model, control: str, column: int, maps: list[Tensor]) -> float:
    part = copy.deepcopy(model.graph.parts[control])
    part.least = None
    return float(part(*maps, weight=model.graph.tradeoff.condition(torch.tensor([0.5])))[0, column])


@pytest.mark.parametrize("column", [0, 3])
def test_the_pixels_of_a_gate_add_up_to_its_difference_from_an_average_image(column: int) -> None:
    model, image = gated_network(), torch.randint(256, (1, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    control = model.graph.controls[0]
    (source,) = [edge.source for edge in control.inputs]
    seen = activations(model, image, source, lam=0.5)
    part = model.graph.parts[control.name]
    assert seen is not None
    usual = part.norm.running_mean[None, :, None, None].expand(1, -1, SIDE, SIDE)  # type: ignore[union-attr, index]
    found = gate_evidence(model, image, control.name, column, lam=0.5)
    assert found.score == pytest.approx(raw_score(model, control.name, column, [seen[None]]), abs=1e-4)
    assert found.average == pytest.approx(raw_score(model, control.name, column, [usual]), abs=1e-4)
    assert abs(found.score - found.average) > 1e-2, "the test shows nothing"
    assert float(found.pixels.sum()) == pytest.approx(found.score - found.average, rel=0.05)
    assert torch.equal(attribution(model, image, control.name, column, lam=0.5), found.pixels)


def test_pixels_like_the_average_do_not_count_for_or_against_a_gate() -> None:
    model, image = gated_network(), torch.full((1, SIDE, SIDE), 128, dtype=torch.uint8)
    image[:, :4, :4] = 255
    control = model.graph.controls[0]
    part = model.graph.parts[control.name]
    seen = activations(model, image, control.inputs[0].source, lam=0.5)
    assert seen is not None
    part.norm.running_mean.copy_(seen[:, SIDE - 3, SIDE - 3])  # type: ignore[union-attr]
    pixels = gate_evidence(model, image, control.name, 0, lam=0.5).pixels
    assert float(pixels[8:-2, 8:-2].abs().max()) < 1e-4 * float(pixels.abs().max())


def test_occlusion_of_a_gate_is_not_reduced_by_its_learning_rate_or_clamping() -> None:
    image = bright_corner()
    models = [gated_network(min_scale=least, layer_gate_lr=rate) for least, rate in ((0.9, 0.01), (0.0, 1.0))]
    found = [attribution(model, image, "Q1-1", 0, method, lam=0.5) for model in models for method in ("occlusion", "integrated gradients")]
    assert float(found[0].abs().max()) > 0
    assert torch.allclose(found[0], found[2], atol=1e-5)
    assert torch.allclose(found[1], found[3], atol=1e-5)


def test_only_gate_networks_have_evidence_for_their_gates() -> None:
    with pytest.raises(GraphError, match="has no gate network"):
        gate_evidence(random_network("cascade"), bright_corner(), "Q1", 1, lam=0.5)
