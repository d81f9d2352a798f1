"""Which pixels opened a gate, on networks where that is known; what a node sent."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from core.config import run_config
from core.datasets import normalised
from core.explain.attribution import PATCH, WAYS, SameRoute, activations, attribution
from core.explain.model import Model
from core.explain.predict import holding
from core.graph.builder import Builder
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.node import GraphError
from core.modules.controller import Controller
from core.training.assembly import assemble

SIDE = 16


class Corner(nn.Module):
    """A control module that opens the second option by how bright the upper left quarter is."""

    def forward(self, x: Tensor, weight: Tensor | None = None) -> Tensor:
        bright = x[:, :, : SIDE // 2, : SIDE // 2].mean(dim=(1, 2, 3))
        return torch.stack([torch.zeros_like(bright), bright], dim=1)


def looking_at_a_corner(through: bool) -> Model:
    """A network whose gate looks at a corner of the image, or of a feature map that repeats it."""
    g = Builder((1, SIDE, SIDE))
    seen = g.add("copy", nn.Identity(), g.input) if through else g.input
    gates = g.control("Q", seen, options=("dark", "bright"), part=Corner())
    for gate, option in zip(gates, ("dark", "bright"), strict=True):
        kept = g.add(option, nn.Flatten(), seen, when=gate)
        g.output(f"y {option}", nn.Linear(SIDE * SIDE, 2), kept)
    return modelled(g.build().eval())


def modelled(graph: Graph) -> Model:
    config = run_config(architecture="high_low", dataset="digits", method="d2nn", lam=0.5)
    return Model("toy", config, graph.requires_grad_(False), (1, SIDE, SIDE), ("no", "yes"))


def lit_corner() -> Tensor:
    image = torch.full((1, SIDE, SIDE), 90, dtype=torch.uint8)
    image[:, : SIDE // 2, : SIDE // 2] = 250
    return image


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("through", [False, True])
def test_the_pixels_that_a_gate_looks_at_are_found(way: Any, through: bool) -> None:
    told: list[float] = []
    found = attribution(looking_at_a_corner(through), lit_corner(), "Q", 1, way, report=told.append)
    assert found.shape == (SIDE, SIDE)
    corner = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    corner[: SIDE // 2, : SIDE // 2] = True
    near = torch.zeros(SIDE, SIDE, dtype=torch.bool)  # an occluded patch may reach over the corner's border
    near[: SIDE // 2 + SIDE // PATCH, : SIDE // 2 + SIDE // PATCH] = True
    if not (through and way == "quick"):  # Grad-CAM weighs whole channels, and shows where they are bright
        assert float(found[~(near if way == "occlusion" else corner)].abs().max()) <= 1e-6
    assert float(found[corner].mean()) > float(found[~corner].mean())
    assert told == sorted(told)
    assert told[-1] == 1.0


def trained(name: str) -> Model:
    """A network of random weights that decides by them."""
    config = run_config(architecture=name, dataset="digits", method="d2nn")
    graph = assemble(config, (1, SIDE, SIDE), 10).eval().requires_grad_(False)
    return Model("toy", config, graph, (1, SIDE, SIDE), tuple("0123456789"))


@pytest.mark.parametrize("name", ["cascade", "chain", "high_low", "hierarchy"])
def test_integrated_gradients_add_up_because_the_route_stays(name: str) -> None:
    model, image = trained(name), torch.randint(256, (1, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    for control in model.graph.controls:
        part = model.graph.parts[control.name]
        assert isinstance(part, Controller)
        part.hidden.weight.mul_(4)  # so that what it sees makes a difference
    control = model.graph.controls[-1]
    forced = {node.name: True for node in model.graph.nodes if node.name in ("N3", "N5")}  # the cascade's last control node is asked
    lam = 0.5
    found = attribution(model, image, control.name, 1, "integrated gradients", lam=lam, forced=forced)
    x = normalised(image[None])
    seen = execute(model.graph, x, holding(model.graph, forced), lam=lam)

    def margin(x: Tensor) -> float:
        scores = execute(model.graph, x, SameRoute(seen), lam=lam).scores[control.name][0]
        return float(scores[1] - scores[0])

    gained = margin(x) - margin(torch.full_like(x, -1.0))
    assert abs(gained) > 1e-5
    error = abs(float(found.sum()) - gained)
    assert error < abs(gained)  # not nothing, nor the opposite
    assert error < 0.05 * float(found.abs().sum())  # what the steps of the sum leave


@pytest.mark.parametrize("way", WAYS)
def test_explaining_leaves_the_network_as_it_was_and_repeats(way: Any) -> None:
    model, image = trained("cascade"), lit_corner()
    before = {name: value.clone() for name, value in model.graph.state_dict().items()}
    one, again = (attribution(model, image, "Q1", 1, way, lam=0.5) for _ in range(2))
    assert torch.equal(one, again)
    assert float(one.abs().max()) > 0
    assert all(torch.equal(value, before[name]) for name, value in model.graph.state_dict().items())
    assert not any(parameter.requires_grad for parameter in model.graph.parameters())


def test_a_control_node_that_was_not_asked_cannot_be_explained() -> None:
    model = trained("cascade")
    with pytest.raises(GraphError, match="Q3"):
        attribution(model, lit_corner(), "Q3", 1, lam=0.5, forced={"N3": False})


def test_activations_are_what_the_module_gives_and_none_where_it_did_not_run() -> None:
    model, image = trained("cascade"), lit_corner()
    sent = activations(model, image, "N1", lam=0.5)
    assert sent is not None
    assert torch.equal(sent, model.graph.parts["N1"](normalised(image[None]))[0])
    assert activations(model, image, "N3", lam=0.5, forced={"N3": False}) is None
    assert activations(model, image, "N3", lam=0.5, forced={"N3": True}) is not None
    with pytest.raises(GraphError, match="nothing"):
        activations(model, image, "nothing", lam=0.5)
    assert not model.graph.parts["N1"]._forward_hooks


def test_a_dummy_that_did_not_run_sent_nothing() -> None:
    g = Builder((1, SIDE, SIDE))
    dark, bright = g.control("Q", g.input, options=("dark", "bright"), part=Corner())
    g.output("y", nn.Flatten(), g.dummy("constant", torch.tensor([1.0, 2.0]), when=bright))
    g.output("y dark", nn.Flatten(), g.dummy("other", torch.tensor([2.0, 1.0]), when=dark))
    model = modelled(g.build().eval())
    assert activations(model, lit_corner(), "other") is None
    sent = activations(model, lit_corner(), "constant")
    assert sent is not None
    assert sent.tolist() == [1.0, 2.0]
