"""FBS: the k most salient channels run and are scaled by their saliencies, for every image and density."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Generator, Tensor, nn

from core.config import run_config
from core.datasets import Data, Split
from core.evaluation.evaluate import evaluate
from core.fast.engine import Engine
from core.graph.calibration import calibrate
from core.graph.checkpoint import pack, unpack
from core.graph.cost import cost, reward_cost
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.policy import Greedy
from core.graph.static import static_macs
from core.methods import Batch
from core.methods.fbs import FBS
from core.modules.residual import Branch
from core.modules.saliency import MIN_SALIENCY, SaliencyNetwork, winners
from core.registry import ConfigError
from core.training.assembly import assemble
from core.training.train import train

IMAGES = torch.randn(32, 1, 8, 8, generator=Generator().manual_seed(0))
FREE = {"name": "lc_resnet", "depth": 8, "width": 8, "layers": False}
BOTTLENECKS = {"name": "lc_resnet", "depth": 50, "images": "imagenet", "width": 4, "layers": False}


def network(lam: float | None = None, architecture: dict[str, object] = FREE, **options: float) -> Graph:
    """A ResNet as FBS trains it, in evaluation mode, whose saliencies differ between images and are partly below zero."""
    config = run_config(architecture=architecture, dataset="digits", method={"name": "fbs", **options}, lam=lam)
    graph, generator = assemble(config, (1, 8, 8), 10).eval(), Generator().manual_seed(1)
    for control in graph.controls:
        part = graph.parts[control.name]
        nn.init.normal_(part.hidden.weight, generator=generator)
        nn.init.normal_(
            part.head.weight, std=0.05 if architecture is BOTTLENECKS else 0.5, generator=generator
        )  # 16 blocks multiply scales
    return graph


def saliencies(graph: Graph, control: str, images: Tensor, lam: float | None) -> Tensor:
    """What a gate network predicts, (B, gates), before any channel wins: of the first block, whose input is the stem's output."""
    part = graph.parts[control]
    assert isinstance(part, SaliencyNetwork)
    with torch.no_grad():
        weight = None if lam is None else torch.full((len(images),), lam)
        return part.raw_scores(part.observed(graph.parts["stem"](images)), weight)


def test_the_winners_are_those_of_a_sorted_list() -> None:
    generator = Generator().manual_seed(1)
    found = torch.randn(50, 13, generator=generator).round(decimals=1)  # with equal ones
    density = torch.rand(50, generator=generator)
    won = winners(found, [slice(0, 5), slice(5, 13)], density)
    for row in range(50):
        for start, stop in ((0, 5), (5, 13)):
            count = max(math.ceil(float(density[row]) * (stop - start)), 1)
            best = sorted(range(start, stop), key=lambda column: (-float(found[row, column]), column))[:count]
            assert won[row, start:stop].nonzero()[:, 0].add(start).tolist() == sorted(best)


def test_a_density_that_is_a_whole_number_of_channels_is_not_rounded_up() -> None:
    density = torch.arange(1, 11) / 10  # 0.3 · 10 is above 3 in single precision
    assert winners(torch.randn(10, 10), [slice(0, 10)], density).sum(dim=1).tolist() == list(range(1, 11))


@pytest.mark.parametrize("architecture", [FREE, FREE | {"gates_of": "group", "depth": 14}, BOTTLENECKS])
@pytest.mark.parametrize("lam", [0.0, 0.3, 1.0])
def test_every_image_runs_as_many_channels_of_each_convolution(architecture: dict[str, object], lam: float) -> None:
    graph = network(None, architecture, min_density=0.2)
    with torch.no_grad():
        execution = execute(graph, IMAGES, Greedy(), lam=lam)
    for node in graph.nodes:
        if node.channels is not None:
            branch = graph.parts[node.name]
            assert isinstance(branch, Branch)
            gates = execution.gates[node.channels.control][:, node.channels.columns]
            for part, filters in zip(gates.split(branch.inner, dim=1), branch.inner, strict=True):
                expected = math.ceil((0.2 + 0.8 * lam) * filters - 1e-6)
                assert ((part > 0).sum(dim=1) == expected).all()


@pytest.mark.parametrize("lam", [0.25, 0.5])
def test_a_network_for_one_lam_has_one_density(lam: float) -> None:
    graph = network(lam, min_density=0.5)
    with torch.no_grad():
        execution = execute(graph, IMAGES, Greedy())
    for control in graph.controls:
        count = math.ceil((0.5 + 0.5 * lam) * len(control.options))
        assert ((execution.gates[control.name] > 0).sum(dim=1) == count).all()


def test_gates_scale_by_the_saliency_and_scores_hold_it_with_the_sign_of_the_decision() -> None:
    graph = network()
    with torch.no_grad():
        execution = execute(graph, IMAGES, Greedy(), lam=0.4)
    predicted = saliencies(graph, "Q1-1", IMAGES, 0.4)
    gates, scores = execution.gates["Q1-1"], execution.scores["Q1-1"]
    won = gates > 0
    assert won.any(dim=1).all()
    assert (~won).any(dim=1).all()
    assert float(predicted.min()) < 0
    assert torch.allclose(gates[won], predicted[won].clamp(min=MIN_SALIENCY), atol=1e-5)
    assert torch.allclose(scores[~won], -predicted[~won].relu(), atol=1e-5)
    assert bool((predicted.masked_fill(~won, torch.inf).amin(dim=1) >= predicted.masked_fill(won, -torch.inf).amax(dim=1)).all())
    assert len(won.unique(dim=0)) > 1  # the choice depends on the image


@pytest.mark.parametrize("density", [0.25, 0.5, 1.0])
def test_the_cost_is_the_gates_and_the_density_of_both_convolutions(density: float) -> None:
    """One of two convolutions loses filters and the other input channels, so a block costs its density."""
    graph = network(0.0, min_density=density)
    with torch.no_grad():
        execution = execute(graph, IMAGES, Greedy())
    blocks = sum(macs for name, macs in graph.macs.items() if name.startswith("block"))
    expected = sum(graph.macs.values()) - blocks + density * blocks
    assert torch.allclose(cost(graph, execution).used, torch.full((len(IMAGES),), expected, dtype=torch.float64))
    assert torch.allclose(reward_cost(graph, execution), torch.full((len(IMAGES),), expected / static_macs(graph), dtype=torch.float64))


def test_only_winners_learn_from_the_answer_and_all_channels_from_the_penalty() -> None:
    graph = network(0.0, min_density=0.25).train()
    for parameter in graph.parameters():
        parameter.requires_grad_(False)
    heads = {control.name: graph.parts[control.name].head.bias.requires_grad_() for control in graph.controls}
    first = IMAGES[:1]  # of one image, so that a channel either won or lost
    execution = execute(graph, first, Greedy())
    execution.output.logsumexp(dim=1).sum().backward()
    for name, bias in heads.items():
        won, gradient = execution.gates[name][0] > 0, bias.grad
        assert gradient is not None
        assert (gradient[~won] == 0).all()
        assert (gradient[won] != 0).any()
    execution = execute(graph, first, Greedy())
    for name, bias in heads.items():
        bias.grad = None
        execution.scores[name].abs().sum().backward(retain_graph=True)
        gradient, scores = bias.grad, execution.scores[name][0]
        assert gradient is not None
        assert torch.equal(gradient, ((scores < 0) | (scores > MIN_SALIENCY)).float())


def test_the_penalty_is_the_mean_l1_norm_of_the_saliencies() -> None:
    graph = network(0.5)
    batch = Batch(IMAGES, torch.zeros(len(IMAGES), dtype=torch.int64), torch.zeros(len(IMAGES), dtype=torch.bool))
    method = FBS(sparsity_weight=0.5, density_warmup=0)
    found = method.step(graph, batch, 0.5, 1.0, Generator()).losses["saliency"]
    with torch.no_grad():
        scores = execute(graph, IMAGES, Greedy()).scores
    assert found.item() == pytest.approx(0.5 * sum(float(one.abs().sum()) for one in scores.values()) / len(IMAGES))
    assert found.item() > 0.1


def test_the_density_falls_during_the_warmup_and_an_epoch_ends_at_the_final_one() -> None:
    method = FBS(min_density=0.2, density_warmup=0.5)
    assert [method.lowest_density(None, progress) for progress in (0.0, 0.25, 0.5, 1.0)] == pytest.approx([1.0, 0.6, 0.2, 0.2])
    assert method.lowest_density(0.5, 1.0) == pytest.approx(0.6)
    graph = network(0.5, min_density=0.2)
    batch = Batch(IMAGES, torch.zeros(len(IMAGES), dtype=torch.int64), torch.zeros(len(IMAGES), dtype=torch.bool))
    whole = method.step(graph, batch, 0.5, 0.0, Generator()).figures["cost share"]
    method.after_epoch(graph, IMAGES, batch.labels)
    execution = execute(graph, IMAGES, Greedy())
    assert all(
        ((gates > 0).float().mean(dim=1) == math.ceil(0.6 * gates.shape[1]) / gates.shape[1]).all() for gates in execution.gates.values()
    )
    assert float(whole) > float(reward_cost(graph, execution).mean())


def test_images_of_a_batch_draw_densities_of_their_own() -> None:
    graph = network(None)
    seen: list[Tensor] = []
    graph.parts["Q1-1"].register_forward_hook(lambda part, given, scores: seen.append((scores > 0).sum(dim=1)))
    batch = Batch(IMAGES, torch.zeros(len(IMAGES), dtype=torch.int64), torch.zeros(len(IMAGES), dtype=torch.bool))
    FBS().step(graph, batch, None, 1.0, Generator().manual_seed(0))
    assert len(seen[0].unique()) >= 4


def test_lam_is_calibrated_to_an_even_cost() -> None:
    """With untrained weights no accuracy is gained, so the curve may end anywhere; along it the cost never falls."""
    graph = network(None)
    calibrate(graph, IMAGES, torch.arange(len(IMAGES)) % 10)
    with torch.no_grad():
        costs = [float(reward_cost(graph, execute(graph, IMAGES, Greedy(), lam=lam)).mean()) for lam in (0.0, 0.5, 1.0)]
    assert costs == sorted(costs)


@pytest.mark.parametrize("architecture", [FREE, BOTTLENECKS])
@pytest.mark.parametrize("lam", [None, 0.5])
@pytest.mark.parametrize("count", [1, 7])
def test_the_fast_engine_answers_alike_as_one_program(architecture: dict[str, object], lam: float | None, count: int) -> None:
    graph = network(lam, architecture, min_density=0.3)
    for at in (0.0, 0.4, 1.0):
        with torch.no_grad():
            expected = execute(graph, IMAGES[:count], Greedy(), lam=at)
        engine = Engine(graph)
        found = engine.run(IMAGES[:count], Greedy(), lam=at)
        assert torch.allclose(expected.output, found.output, atol=1e-4 * float(expected.output.abs().max()))
        for control in graph.controls:
            assert torch.allclose(expected.gates[control.name], found.gates[control.name], atol=1e-4)
        assert engine.form(1, Greedy()) == "one program with the decisions inside"


def test_equal_saliencies_are_resolved_alike_by_the_program() -> None:
    graph = network(0.5)
    for control in graph.controls:
        nn.init.zeros_(graph.parts[control.name].head.weight)
    with torch.no_grad():
        expected = execute(graph, IMAGES[:1], Greedy())
    found = Engine(graph).run(IMAGES[:1], Greedy())
    assert all(torch.equal(expected.gates[control.name], found.gates[control.name]) for control in graph.controls)


def test_a_network_is_saved_and_loaded_with_its_decisions() -> None:
    graph, again = network(None), network(None)
    for control in graph.controls:
        nn.init.normal_(graph.parts[control.name].head.weight, generator=Generator().manual_seed(2))
    unpack(pack(graph), again)
    with torch.no_grad():
        before, after = (execute(one.eval(), IMAGES, Greedy(), lam=0.3) for one in (graph, again))
    assert torch.equal(before.output, after.output)
    assert all(torch.equal(before.gates[name], after.gates[name]) for name in before.gates)


@pytest.mark.parametrize(
    "architecture",
    [
        {"name": "lc_resnet", "depth": 8},
        {"name": "lc_resnet", "depth": 8, "channels": False},
        {"name": "lc_resnet", "depth": 8, "layers": False, "channel_order": "nested", "width": 32},
        {"name": "lc_mobile"},
    ],
)
def test_other_gates_are_refused_in_one_line(architecture: dict[str, object]) -> None:
    config = run_config(architecture=architecture, dataset="cifar10", method="fbs")
    with pytest.raises(ConfigError, match=r"architecture\.layers=false, architecture\.channels=true, .*channel_order=free") as refused:
        assemble(config, (3, 32, 32), 10)
    assert "\n" not in str(refused.value)


def test_architectures_without_such_gates_are_refused() -> None:
    with pytest.raises(ConfigError, match="fbs"):
        run_config(architecture="cascade", dataset="digits", method="fbs")


@pytest.fixture(scope="module")
def digits() -> Data:
    data = run_config(architecture="plain", dataset="digits", method="static").dataset.read()
    parts = {"train": data.train, "val": data.val, "test": data.test}
    return replace(data, **{name: Split(part.images[:256], part.labels[:256]) for name, part in parts.items()})


@pytest.mark.parametrize("lam", [None, 0.5])
def test_a_short_training_ends_with_an_evaluated_network(digits: Data, lam: float | None, tmp_path: Path) -> None:
    config = run_config(
        architecture=FREE, dataset="digits", method={"name": "fbs", "bn_recalibration_batches": 2}, lam=lam, training={"epochs": 2}
    )
    *_, last = train(config, digits)
    assert last.final is not None
    points = last.final["test"]
    assert len(points) == (1 if lam is not None else len(points)) > 0
    costs = [point["macs_mean"] / point["macs_static"] for point in points]
    assert costs == sorted(costs)
    if lam is None:
        assert costs[-1] > costs[0]
    graph = assemble(config, digits.image, len(digits.classes))
    assert last.state is not None
    unpack(last.state, graph)
    found = evaluate(graph, digits.test, lam=0.5)
    gates = execute(graph, IMAGES, Greedy(), lam=0.5).gates
    assert all(len((one > 0).sum(dim=1).unique()) == 1 for one in gates.values())
    assert 0 <= found.accuracy <= 1
