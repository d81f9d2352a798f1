"""What holds for every architecture there is; a new one is tested by being there."""

import json
from dataclasses import replace
from functools import cache
from itertools import pairwise, product
from typing import Any, get_args

import pytest
import torch
from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic.fields import FieldInfo
from torch import Tensor

from core.architectures import Architecture
from core.config import run_config
from core.graph.cost import cost
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.policy import Forced, Greedy, Open, Random, Replay, StraightThrough
from core.graph.static import min_remaining_costs, running_nodes, static_network, static_nodes
from core.methods.losses import classification
from core.registry import ConfigError, choose, component, names

NAMES = names("architectures")
SHAPES = [(1, 8, 8), (1, 25, 25), (1, 48, 48), (3, 32, 32)]
CONTROLLERS = 0.02  # the share of the static network's multiply-adds that all controllers together may take


@cache
def built(name: str, image: tuple[int, int, int], classes: int = 10, every_lam: bool = False) -> Graph:
    """An architecture at its default sizes, in evaluation mode."""
    torch.manual_seed(0)
    chosen = choose("architectures", name)
    assert isinstance(chosen, Architecture)
    return chosen.build(image, classes, every_lam=every_lam).eval()


def images(count: int, image: tuple[int, int, int]) -> Tensor:
    return torch.rand(count, *image, generator=torch.Generator().manual_seed(1)) * 2 - 1


everywhere = pytest.mark.parametrize("name", NAMES)
on_images = pytest.mark.parametrize("image", SHAPES, ids=str)


@everywhere
@pytest.mark.parametrize(
    "image",
    [SHAPES[0], pytest.param(SHAPES[1], marks=pytest.mark.long), pytest.param(SHAPES[2], marks=pytest.mark.long), SHAPES[3]],
    ids=str,
)
def test_every_image_and_number_of_classes_gets_an_answer(name: str, image: tuple[int, int, int]) -> None:
    for classes, every_lam in product((2, 10), (False, True)):
        graph = built(name, image, classes, every_lam)
        assert graph.tradeoff.every_lam == (every_lam and bool(graph.controls))
        assert graph.shapes[graph.input.name] == image
        assert all(graph.shapes[node.name] == (classes,) for node in graph.outputs)
        for lam in (0.0, 0.5, 1.0):
            execution = execute(graph, images(3, image), Greedy(), lam=lam)
            assert execution.output.shape == (3, classes)
            assert execution.output.isfinite().all()


@everywhere
def test_every_route_ends_in_an_answer(name: str) -> None:
    graph = built(name, (3, 32, 32), every_lam=True)
    for seed, rate in product(range(3), (0.0, 0.3, 0.7, 1.0)):
        policy = Random(rate, torch.Generator().manual_seed(seed))
        assert execute(graph, images(8, (3, 32, 32)), policy, lam=0.5).output.isfinite().all()


@everywhere
@pytest.mark.parametrize("every_lam", [False, True])
def test_skipping_rows_changes_no_answer(name: str, every_lam: bool) -> None:
    """One by one, together, and with all nodes computed: the same network."""
    graph, x = built(name, (1, 25, 25), every_lam=every_lam), images(5, (1, 25, 25))
    with torch.no_grad():
        execution = execute(graph, x, Random(0.5, torch.Generator().manual_seed(2)), lam=0.5)
        dense = execute(graph, x, Replay(execution), lam=0.5, dense=True)
        assert torch.allclose(dense.output, execution.output, atol=1e-5)
        assert all(torch.equal(dense.ran[node], execution.ran[node]) for node in execution.ran)
        for row in range(5):
            gates = {control: each[row : row + 1] for control, each in execution.gates.items()}
            held = replace(execution, gates=gates)
            single = execute(graph, x[row : row + 1], Replay(held), lam=0.5)
            assert torch.allclose(single.output[0], execution.output[row], atol=1e-5)


@everywhere
@pytest.mark.parametrize("image", [(3, 32, 32), (1, 48, 48)], ids=str)
def test_controllers_are_cheap(name: str, image: tuple[int, int, int]) -> None:
    for every_lam in (False, True):
        graph = built(name, image, every_lam=every_lam)
        static = cost(graph, execute(graph, images(1, image), Open(), lam=0.5)).static
        assert sum(graph.macs[control.name] for control in graph.controls) < CONTROLLERS * static


@everywhere
@on_images
def test_options_run_from_the_cheapest_to_the_dearest(name: str, image: tuple[int, int, int]) -> None:
    graph = built(name, image)
    if any(control.decides == "each" for control in graph.controls):
        return  # their options are gates beside each other
    ends = ({control.name: (0, len(control.options) - 1)[end] for control in graph.controls} for end in (0, 1))
    cheapest, dearest = (sum(graph.macs[node] for node in running_nodes(graph, end)) for end in ends)
    assert cheapest < dearest if graph.controls else cheapest == dearest
    assert dearest >= sum(graph.macs[node] for node in static_nodes(graph, graph.reference))
    for control in graph.controls:
        to_come = min_remaining_costs(graph, control)
        assert all(cheaper < dearer for cheaper, dearer in pairwise(to_come))


@everywhere
def test_the_static_network_is_the_dearest_path_alone(name: str) -> None:
    graph, x = built(name, (3, 32, 32)), images(4, (3, 32, 32))
    static = static_network(graph).eval()
    along = Forced({control: {column: True} for control, column in graph.reference.items()})
    with torch.no_grad():
        execution = execute(graph, x, along)
        assert torch.allclose(execute(static, x, Open()).output, execution.output, atol=1e-6)
    assert not static.controls
    assert sum(static.macs.values()) == cost(graph, execution).static


TRAINED = [name for name in NAMES if not component("architectures", name)(name=name).frozen]


def test_frozen_nodes_have_no_parameters_to_train() -> None:
    for name in set(NAMES) - set(TRAINED):
        graph = built(name, (1, 8, 8))
        for node in choose("architectures", name).frozen:
            parameters = list(graph.parts[node].parameters())
            assert parameters
            assert not any(parameter.requires_grad for parameter in parameters)


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize("rows", [1, 2, 5])
def test_training_goes_through_whatever_rows_the_gates_let_pass(name: str, rows: int) -> None:
    torch.manual_seed(0)
    graph = choose("architectures", name).build((1, 8, 8), 3, every_lam=True).train()
    x, labels = images(rows, (1, 8, 8)), torch.arange(rows) % 3
    for seed, rate in product(range(3), (0.0, 0.5, 1.0)):
        execution = execute(graph, x, Random(rate, torch.Generator().manual_seed(seed)), lam=0.5)
        graph.zero_grad()
        classification(execution, labels).backward()
        gradients = [parameter.grad for parameter in graph.parameters() if parameter.grad is not None]
        assert gradients
        assert all(gradient.isfinite().all() for gradient in gradients)
    execute(graph, x, StraightThrough(), lam=0.5, dense=True).output.sum().backward()


@everywhere
def test_half_precision_goes_through_whatever_rows_the_gates_let_pass(name: str) -> None:
    graph, x = built(name, (1, 25, 25), every_lam=True), images(4, (1, 25, 25))
    for rate in (0.0, 0.5, 1.0):
        policy = Random(rate, torch.Generator().manual_seed(0))
        exact = execute(graph, x, policy, lam=0.5)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            rough = execute(graph, x, Replay(exact), lam=0.5)
        assert torch.allclose(rough.output.float(), exact.output, atol=0.1 * float(exact.output.detach().abs().max()) + 0.02)
        assert all(torch.equal(rough.ran[node], exact.ran[node]) for node in exact.ran)


@everywhere
def test_two_builds_share_nothing_and_repeat_with_the_seed(name: str) -> None:
    def fresh(seed: int) -> dict[str, Tensor]:
        torch.manual_seed(seed)
        return choose("architectures", name).build((1, 8, 8), 2).state_dict()

    one, again, other = fresh(3), fresh(3), fresh(4)
    assert all(torch.equal(one[key], again[key]) for key in one)
    assert any(not torch.equal(one[key], other[key]) for key in one)
    assert not {tensor.data_ptr() for tensor in one.values()} & {tensor.data_ptr() for tensor in again.values()} - {0}  # of empty ones


@everywhere
def test_a_file_holds_the_component_of_its_name(name: str) -> None:
    kind = component("architectures", name)
    assert kind.model_fields["name"].default == name
    assert choose("architectures", name) == kind() == choose("architectures", {"name": name})
    assert issubclass(kind, Architecture)


@everywhere
def test_a_choice_is_frozen_hashable_and_survives_its_text(name: str) -> None:
    chosen = choose("architectures", name)
    for option in type(chosen).model_fields:
        with pytest.raises(ValueError, match="frozen"):
            setattr(chosen, option, None)
    again = choose("architectures", json.loads(chosen.model_dump_json()))
    assert chosen == again
    assert hash(chosen) == hash(again)
    config = run_config(architecture=name, dataset="digits", method="static")
    assert run_config(**json.loads(config.model_dump_json())) == config


def wrong(field: FieldInfo) -> list[Any]:
    """Values just outside the bounds of an option, told from its annotations."""
    outside: list[Any] = ["nonsense", {"no": "such"}]
    for bound in field.metadata:
        outside += [bound.ge - 1] if isinstance(bound, Ge) else []
        outside += [bound.le + 1] if isinstance(bound, Le) else []
        outside += [bound.gt] if isinstance(bound, Gt) else []
        outside += [bound.lt] if isinstance(bound, Lt) else []
        outside += [[]] if isinstance(bound, MinLen) else []
    if isinstance(field.default, tuple):
        outside += [[*field.default, 0], [*field.default, -1], [*field.default, "x"], [*field.default, 10**9]]
    return outside


OPTIONS = [(name, option) for name in NAMES for option in component("architectures", name).model_fields if option != "name"]


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_values_out_of_bounds_are_refused_in_one_line_that_names_the_option(name: str, option: str) -> None:
    field = component("architectures", name).model_fields[option]
    assert get_args(field.annotation) or field.metadata or field.annotation is bool, "an option has bounds or a list of choices"
    for value in wrong(field):
        with pytest.raises(ConfigError) as caught:
            choose("architectures", {"name": name, option: value})
        text = str(caught.value)
        assert option in text
        assert len(text.splitlines()) == 1


@everywhere
def test_unknown_options_and_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="nonsense"):
        choose("architectures", {"name": name, "nonsense": 1})
    with pytest.raises(ConfigError, match=f"'{name}s' is not one of the architectures.*{name}"):
        choose("architectures", f"{name}s")


@pytest.mark.parametrize("sees", ["features", "answer"])
@pytest.mark.parametrize("name", [name for name in NAMES if "controller_sees" in component("architectures", name).model_fields])
def test_both_forms_of_a_controller_answer_on_every_route(name: str, sees: str) -> None:
    graph = choose("architectures", {"name": name, "controller_sees": sees}).build((1, 25, 25), 4).eval()
    held = [Forced({control.name: {column: True} for control in graph.controls}) for column in (0, 1)]
    cheap, dear = (execute(graph, images(2, (1, 25, 25)), policy) for policy in held)
    assert cheap.output.isfinite().all()
    assert dear.output.isfinite().all()
    assert (cost(graph, cheap).used < cost(graph, dear).used).all()


def test_a_scout_answers_before_the_first_block_and_leaves_the_resnet_as_it_is() -> None:
    plain = choose("architectures", {"name": "resnet_cascade", "n": 2, "exits": [3]}).build((3, 32, 32), 10).eval()
    scouted = choose("architectures", {"name": "resnet_cascade", "n": 2, "exits": [3], "scout": [8, 16]}).build((3, 32, 32), 10).eval()
    assert static_network(scouted).macs == static_network(plain).macs
    stopped = execute(scouted, images(2, (3, 32, 32)), Forced({"Q0": {0: True}}))
    ran = [name for name, rows in stopped.ran.items() if bool(rows.any())]
    assert ran == ["x", "stem", "scout", "answer 0", "Q0", "y0"]


def test_half_the_width_of_a_resnet_cascade_costs_a_quarter() -> None:
    """But for the first convolution and the last layer, of which one side has a width of its own."""
    wide, narrow = (
        choose("architectures", {"name": "resnet_cascade", "n": 2, "exits": [3], "width": width}).build((3, 32, 32), 10)
        for width in (16, 8)
    )
    blocks = [sum(macs for name, macs in graph.macs.items() if name.startswith(("block", "exit"))) for graph in (wide, narrow)]
    assert blocks[0] == 4 * blocks[1] > 0
    assert wide.macs["stem"] == 2 * narrow.macs["stem"]
