"""Nested widths: the same answer as free channels that keep the first ones, exact costs, channels sorted by importance, fitted gates."""

from itertools import islice
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_residual import awake
from torch import Generator, Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from core.architectures.lc_mobile import LCMobile
from core.architectures.lc_resnet import LCResNet
from core.architectures.mobile import Mobile
from core.config import run_config
from core.datasets import Data, Split
from core.graph.checkpoint import pack, unpack
from core.graph.cost import cost, reward_cost
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.initialisation import initialise_from
from core.graph.policy import Forced, Greedy, Open
from core.graph.static import static_network
from core.methods import Batch
from core.methods.lcnet import LCNet
from core.methods.slimmable import Slimmable
from core.methods.static_gates import RandomStaticGates, gate_statistics
from core.methods.widths import WidthTable, at_width, exit_gate, fit_width_gates, nested_parts, tabulate_widths
from core.modules.gate_network import FIRST_OPEN, GateNetwork, clamp_open, nest_scores
from core.modules.nested import Nested, NestedBranch, NestedInverted, group_ends
from core.modules.residual import Branch
from core.registry import ConfigError, choose
from core.training.assembly import assemble, check_initial_weights, initialise_nodes
from core.training.train import train

SHAPES = {"basic": ((40, 6), (3, 3), (2, 1)), "bottleneck": ((40, 40, 12), (1, 3, 1), (1, 2, 1))}


def kind_of(kind: str) -> Nested:
    torch.manual_seed(0)
    return awake(NestedInverted(5, 6, 2, 8, "relu6", 8, 4) if kind == "inverted" else NestedBranch(5, *SHAPES[kind], 8, 4))


def opened(widths: list[int], count: int) -> Tensor:
    """Gates (B, count) of which the first ones are open."""
    return (torch.arange(count) < torch.tensor(widths)[:, None]).float()


def test_groups_are_even_shares_in_multiples_of_the_granule() -> None:
    assert group_ends(160, 8, 4) == (40, 80, 120, 160)
    assert group_ends(80, 16, 4) == (32, 48, 64, 80)
    assert group_ends(16, 16, 4) == (16,)
    part = NestedBranch(3, (40, 3), (3, 3), (1, 1), 8, 4)  # groups end at 16, 24, 32 and 40
    assert [part.ends[part.groups_at(step) - 1] for step in (1, 2, 3, 4)] == [16, 24, 32, 40]


@pytest.mark.parametrize("kind", ["basic", "bottleneck"])
@torch.no_grad()
def test_a_width_is_the_free_choice_of_the_same_channels(kind: str) -> None:
    nested, free = kind_of(kind), Branch(5, *SHAPES[kind]).eval()
    images = torch.randn(4, 5, 8, 8, generator=Generator().manual_seed(1))
    for width, end in enumerate(nested.ends, start=1):
        norms = [layer.norms[width - 1] for layer in nested.layers_by_width]
        for (convolution, norm), layer, own in zip(free.layers, nested.layers_by_width, norms, strict=True):
            convolution.weight.copy_(layer.convolution.weight)
            for name, values in own.state_dict().items():
                if values.dim():
                    norm.state_dict()[name][: len(values)] = values
        kept = (torch.arange(40) < end).float().repeat(len(free.inner))
        scales = torch.rand(4, nested.count, generator=Generator().manual_seed(2)) + 0.5
        gates = opened([width] * 4, nested.count) * scales
        expected = kept.expand(4, -1).clone()
        expected[:, -40:] *= scales[:, nested.group]  # a block's scale acts once, behind its last inner convolution
        assert torch.allclose(nested(images, channels=gates), free(images, channels=expected), atol=1e-5)


cases = st.tuples(st.sampled_from(["basic", "bottleneck", "inverted"]), st.lists(st.integers(0, 4), min_size=1, max_size=5))


@settings(max_examples=25)
@given(cases)
def test_what_is_charged_is_computed_and_dense_gives_the_same(drawn: tuple[str, list[int]]) -> None:
    kind, widths = drawn
    part, images = kind_of(kind), torch.randn(len(drawn[1]), 5, 9, 7, generator=Generator().manual_seed(0))
    gates = (opened(widths, part.count) * 0.7).requires_grad_()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        found = part(images, channels=gates)
    with FlopCounterMode(display=False) as whole, torch.no_grad():
        part(images[:1])
    expected = part.share(gates > 0, [(5, 9, 7)]).sum() * whole.get_total_flops()
    assert counter.get_total_flops() == pytest.approx(float(expected), rel=1e-12)
    dense = part(images, channels=gates, dense=True)
    assert torch.allclose(found, dense, atol=1e-5)
    closed = torch.tensor([0 < width < part.count for width in widths])
    if bool(closed.any()):
        dense.square().sum().backward()
        assert gates.grad is not None
        assert bool((gates.grad[closed, -1] != 0).all())  # a gradient reaches gates that are closed


def test_a_closed_gate_closes_those_behind_it() -> None:
    part, image = kind_of("basic"), torch.randn(1, 5, 8, 8)
    broken = torch.tensor([[1.0, 0.0, 1.0, 1.0]])
    assert torch.equal(part(image, channels=broken), part(image, channels=opened([1], part.count)))
    assert torch.equal(part.share(broken > 0, [(5, 8, 8)]), part.share(opened([1], part.count) > 0, [(5, 8, 8)]))
    scores = torch.tensor([[-1.0, 2.0, -3.0, 4.0, 5.0]], requires_grad=True)
    found = nest_scores(scores, [slice(0, 3), slice(3, 5)])
    assert found.tolist() == [[pytest.approx(FIRST_OPEN), 2.0, -3.0, 4.0, 5.0]]
    assert nest_scores(scores, [slice(1, 5)])[0].tolist() == [-1.0, 2.0, -3.0, -3.0, -3.0]
    assert clamp_open(torch.tensor([0.3, 7.0]), torch.ones(2)).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("kind", ["basic", "bottleneck", "inverted"])
@torch.no_grad()
def test_sorting_channels_changes_nothing_at_full_width_and_puts_the_important_first(kind: str) -> None:
    part, images = kind_of(kind), torch.randn(3, 5, 8, 8, generator=Generator().manual_seed(0))
    reader = part.base_layers[-1][0]
    reader.weight[:, :20] *= 0.01  # the first half hardly matters
    before = part(images)
    part.sort_channels()
    assert torch.allclose(part(images), before, atol=1e-5)
    norms = reader.weight.square().sum(dim=(0, 2, 3))
    assert float(norms[:20].min()) > float(norms[20:].max())
    for layer in part.layers_by_width:
        assert all(torch.equal(norm.running_mean, layer.norms[-1].running_mean[: norm.num_features]) for norm in layer.norms)
    weights = reader.weight.clone()
    reader.weight[:, 0] = 0
    part.sort_channels()
    assert torch.equal(reader.weight[:, 1:], weights[:, 1:])  # once


def network(every_lam: bool = True, **options: object) -> Graph:
    torch.manual_seed(0)
    shape = {"name": "lc_resnet", "depth": 8, "width": 16, "channel_order": "nested", "granule": 8} | options
    architecture, method = choose("architectures", shape), Slimmable()
    assert isinstance(architecture, LCResNet)
    return awake(method.prepare(architecture.build((1, 8, 8), 10, every_lam=every_lam), None if every_lam else 0.5))


IMAGES, LABELS = torch.randn(64, 1, 8, 8, generator=Generator().manual_seed(0)), torch.arange(64) % 10


@torch.no_grad()
def test_a_step_of_the_widths_is_the_same_share_of_every_block() -> None:
    graph = network()
    costs = [float(cost(graph, execute(graph, IMAGES[:1], at_width(graph, step), lam=1.0)).used) for step in (1, 2, 3, 4)]
    assert costs == sorted(costs)
    full = execute(graph, IMAGES, at_width(graph, 4), lam=1.0)
    assert torch.equal(full.output, execute(graph, IMAGES, Open(), lam=1.0).output)
    assert torch.allclose(full.output, execute(static_network(graph), IMAGES, Open()).output, atol=1e-5)
    for name, part in nested_parts(graph).items():
        gates = execute(graph, IMAGES[:1], at_width(graph, 2), lam=1.0).gates[graph.by_name[name].channels.control]
        assert part.ends[int(gates[0, graph.by_name[name].channels.columns].sum()) - 1] == part.ends[-1] / 2


def test_a_scout_answers_where_nothing_else_runs() -> None:
    graph = network(gates_see="answer", scout_exit=True)
    assert all([edge.source for edge in control.inputs] == ["scout"] for control in graph.controls)
    gate = exit_gate(graph)
    assert gate is not None
    nn.init.constant_(graph.parts["Q0"].head.bias, -1.0)
    execution = execute(graph, IMAGES[:3], Greedy(), lam=0.3)
    assert torch.equal(execution.output, execution.outputs["y0"])
    assert [name for name, ran in execution.ran.items() if bool(ran.any()) and name[0] != "Q"] == ["x", "scout", "y0"]
    paid = sum(graph.macs[node.name] for node in graph.nodes if node.name == "scout" or node.kind == "control")
    report = cost(graph, execution)
    assert report.used.tolist() == [paid] * 3
    assert report.static == sum(static_network(graph).macs.values())
    assert "scout" not in static_network(graph).by_name
    nn.init.constant_(graph.parts["Q0"].head.bias, 1.0)
    assert torch.equal(execute(graph, IMAGES[:3], Greedy(), lam=0.3).outputs["y0"], execution.output)
    assert graph.train().parts["scout"].training is False


def test_gates_learn_what_a_width_adds_and_what_it_costs() -> None:
    """Images whose first feature is high gain at every step, the others nothing; at a high price none goes on."""
    graph = network(layers=False)
    generator = Generator().manual_seed(0)
    needy = torch.rand(512, generator=generator) < 0.5
    observed = {
        name: torch.where(needy, 2.0, -2.0)[None, :, None].expand(4, -1, graph.parts[name].norm.num_features)
        for name in (control.name for control in graph.controls)
    }
    chances = torch.where(needy[:, None], torch.tensor([0.2, 0.4, 0.6, 0.9]), torch.tensor([0.9, 0.9, 0.9, 0.9]))
    costs = torch.tensor([0.4, 0.6, 0.8, 1.0])
    fit_width_gates(graph, WidthTable(chances, costs, None, 0.0, observed), 400, generator)
    for control in graph.controls:
        part = graph.parts[control.name]
        assert isinstance(part, GateNetwork)
        means = torch.tensor([[2.0], [-2.0]]).expand(2, part.norm.num_features)
        cheap, dear = (nest_scores(part.raw_scores(means, torch.full((2,), w)), part.nested) > 0 for w in (1.0, 0.0))
        assert cheap[0].all()
        assert not cheap[1, 1:].any()
        assert not dear[:, 1:].any()


@torch.no_grad()
def test_the_table_of_widths_has_their_costs_and_what_gates_observe() -> None:
    graph = network(gates_see="answer", scout_exit=True)
    table = tabulate_widths(graph, IMAGES, LABELS)
    assert table.chances.shape == (64, 4)
    assert table.scout is not None
    runs = [execute(graph, IMAGES, at_width(graph, step), lam=1.0) for step in (1, 4)]
    assert table.costs[[0, 3]].tolist() == pytest.approx([float(reward_cost(graph, run).mean()) for run in runs])
    assert 0 < table.exit_cost < float(table.costs[0])
    assert torch.equal(table.observed["Q1-1"][0], graph.parts["Q1-1"].observed(runs[0].outputs["y0"]))


@torch.no_grad()
def test_widths_by_chance_stay_nested() -> None:
    graph = network()
    for control in graph.controls:
        nn.init.normal_(graph.parts[control.name].head.weight, std=2.0)
    policy = RandomStaticGates(gate_statistics(graph, IMAGES, 0.5), Generator().manual_seed(0))
    execution = execute(graph, IMAGES, policy, lam=0.5)
    for control in graph.controls:
        for columns in graph.parts[control.name].nested:
            gates = execution.gates[control.name][:, columns] > 0
            assert torch.equal(gates, gates.cumprod(dim=1).bool())


def test_a_trained_static_network_begins_a_nested_one() -> None:
    static = static_network(LCResNet(depth=8, width=16).build((1, 8, 8), 10))
    graph = network(layers=False)
    found = initialise_from(pack(awake(static)), graph)
    assert set(found.new) == {control.name for control in graph.controls}
    assert found.dropped == ()
    Slimmable().setup(graph, 64, IMAGES)
    opening = execute(graph.eval(), IMAGES, at_width(graph, 4), lam=1.0).output
    assert torch.allclose(opening, execute(static, IMAGES, Open()).output, atol=1e-4)


def test_every_step_trains_the_full_width_and_narrower_ones() -> None:
    graph, method = network(gates_see="answer", scout_exit=True).train(), Slimmable(random_widths=1, gate_steps=3)
    batch = Batch(IMAGES, LABELS, torch.arange(64) >= 60)
    result = method.step(graph, batch, None, 0.5, Generator().manual_seed(0))
    assert set(result.losses) == {"classification", "narrower widths"}
    torch.stack(list(result.losses.values())).sum().backward()
    branch = graph.parts["block 1-1"]
    assert branch.conv1.weight.grad[-1].abs().sum() > 0  # the last channel, by the full width
    assert branch.narrow1[0].weight.grad.abs().sum() > 0
    assert all(one.grad is None for one in graph.parts["scout"].parameters())
    method.finish(graph, Split(torch.zeros(8, 1, 8, 8, dtype=torch.uint8), LABELS[:8]), Split(IMAGES, LABELS), Generator().manual_seed(0))


def test_what_does_not_fit_is_refused_in_the_words_of_the_form() -> None:
    free = LCResNet(depth=8).build((1, 8, 8), 10)
    with pytest.raises(ConfigError, match="set “Choice of channels”"):
        Slimmable().prepare(free, None)
    with pytest.raises(ConfigError, match="leave out “Let the scout's answer stand”"):
        LCNet().prepare(LCResNet(depth=8, scout_exit=True).build((1, 8, 8), 10), None)
    config = run_config(architecture={"name": "lc_resnet", "depth": 8, "gates_see": "answer"}, dataset="digits", method="lcnet")
    with pytest.raises(ConfigError, match=r"scout=FILE in “Weights of single nodes”"):
        check_initial_weights(config)
    plain = run_config(
        architecture={"name": "lc_resnet", "depth": 8}, dataset="digits", method="lcnet", training={"init_nodes": ["y=some.safetensors"]}
    )
    with pytest.raises(ConfigError, match="this architecture has no such node"):
        initialise_nodes(plain, free)


def test_a_training_keeps_the_scout_as_it_is_and_resumes_to_the_same_weights(tmp_path: Path) -> None:
    """Batch-norm recalibration, which re-estimates every other norm, leaves out a network that is not trained along."""
    scout = awake(Mobile().build((1, 8, 8), 10))
    (tmp_path / "scout.safetensors").write_bytes(pack(scout))
    split = Split(torch.randint(256, (32, 1, 8, 8), dtype=torch.uint8, generator=Generator().manual_seed(0)), torch.arange(32) % 10)
    config = run_config(
        architecture={"name": "lc_resnet", "depth": 8, "width": 8, "channel_order": "nested", "granule": 8}
        | {"gates_see": "answer", "scout_exit": True},
        dataset="digits",
        method={"name": "slimmable", "gate_steps": 2, "bn_recalibration_batches": 1, "random_widths": 1, "controller_holdout": 0.2},
        training={"epochs": 2, "batch_size": 16, "init_nodes": [f"scout={tmp_path / 'scout.safetensors'}"]},
    )
    data, said = Data(split, split, split, tuple("0123456789")), list[str]()
    states = list(islice((one.state for one in train(config, data, tell=said.append) if one.state is not None), 2))  # after each epoch
    assert any(sentence.startswith("Weights of scout from") for sentence in said)
    graph = assemble(config, (1, 8, 8), 10)
    unpack(states[-1], graph)
    kept = graph.parts["scout"].network.state_dict()
    assert all(torch.equal(kept[name], value) for name, value in scout.state_dict().items() if name.startswith("parts."))
    again = next(one.state for one in train(config, data, resume=states[0]) if one.state is not None)
    assert again == states[-1]


@torch.no_grad()
def test_a_trained_mobile_network_begins_an_lc_mobile() -> None:
    mobile, shape = (
        awake(Mobile(stem=4, stages=((4, 2, 1, 4), (6, 2, 2, 3)), head=16).build((3, 8, 8), 5)),
        LCMobile(stem=4, stages=((4, 2, 1, 4), (6, 2, 2, 3)), head=16, granule=8),
    )
    graph, x = shape.build((3, 8, 8), 5, every_lam=True), torch.randn(3, 3, 8, 8)
    found = initialise_from(pack(mobile), graph, shape.own_weights)
    assert set(found.new) == {"Q1", "Q2", "Q3", "Q4"}
    opened = execute(graph.eval(), x, Open(), lam=0.5)
    assert torch.equal(opened.output, execute(mobile, x, Open()).output)
    assert cost(graph, opened).static == sum(mobile.macs.values())
    assert [bool(graph.by_name[f"block {number}"].gates) for number in (1, 2, 3, 4)] == [True, True, False, True]  # where input is added
    skipped = execute(graph, x, Forced({"Q2": {0: False}, "Q3": {1: False}}, Open()), lam=0.5)
    part = graph.parts["block 3"]
    assert part.ends == (8, 12)
    saved = graph.macs["block 2"] + graph.macs["block 3"] / 3  # a third of its hidden channels, of all three convolutions
    assert cost(graph, skipped).used.tolist() == pytest.approx([float(cost(graph, opened).used[0]) - saved] * 3)


def test_straight_through_trains_nested_gates() -> None:
    graph = LCNet().prepare(LCResNet(depth=8, width=16, channel_order="nested", granule=8).build((1, 8, 8), 10, every_lam=True), None)
    result = LCNet().step(graph.train(), Batch(IMAGES, LABELS, torch.zeros(64, dtype=torch.bool)), None, 0.9, Generator().manual_seed(0))
    torch.stack(list(result.losses.values())).sum().backward()
    assert all(graph.parts[control.name].head.weight.grad.abs().sum() > 0 for control in graph.controls)
