"""L2W-DEN: weights whose gradient goes through a step of gradient descent, and images that one exit each answers for."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor, nn

from core.config import run_config
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.policy import Open
from core.methods import Batch
from core.methods.l2w import L2W, WEIGHTING, answering_exit, exit_losses, meta_loss
from core.modules.sample_weights import WeightNetwork
from core.training.assembly import assemble
from tests.trainings import trained

SMALL = {"name": "resnet_cascade", "n": 1, "width": 4, "exits": [1, 2]}


def network(**options: object) -> tuple[L2W, Graph]:
    """The method, and a small network with random weights, in training mode."""
    config = run_config(architecture=SMALL, dataset="digits", method={"name": "l2w", "hidden": 6, **options}, lam=0.7)
    assert isinstance(config.method, L2W)
    return config.method, assemble(config, (1, 8, 8), 10).train()


def batch(count: int) -> Batch:
    generator = Generator().manual_seed(0)
    images = torch.randn(count, 1, 8, 8, generator=generator)
    return Batch(images, torch.randint(10, (count,), generator=generator), torch.zeros(count, dtype=torch.bool))


def worth(method: L2W, graph: Graph, images: Batch) -> Tensor:
    """What the weights of both halves are worth at λ = 0.7."""
    return method.step(graph, images, 0.7, 0.0, Generator()).losses["weights"]


def test_the_gradient_of_the_weight_network_goes_through_the_step() -> None:
    method, graph = network()
    graph.double()
    weighting, images = graph.get_submodule(WEIGHTING), batch(12)
    images = Batch(images.images.double(), images.labels, images.holdout)
    worth(method, graph, images).backward()
    generator = Generator().manual_seed(1)
    directions = {name: torch.randn(one.shape, generator=generator) for name, one in weighting.named_parameters()}
    slope = sum(float((one.grad * directions[name]).sum()) for name, one in weighting.named_parameters() if one.grad is not None)
    found, step = [], 1e-5
    for sign in (1, -1):
        moved = copy.deepcopy(graph)
        with torch.no_grad():
            for name, one in moved.get_submodule(WEIGHTING).named_parameters():
                one.add_(sign * step * directions[name])
        found.append(float(worth(method, moved, images).detach()))
    assert slope == pytest.approx((found[0] - found[1]) / (2 * step), rel=1e-5)
    assert abs(slope) > 1e-4


def test_only_the_weight_network_learns_from_what_weights_are_worth() -> None:
    method, graph = network()
    worth(method, graph, batch(8)).backward()
    assert {name.split(".")[0] for name, one in graph.named_parameters() if one.grad is not None} == {WEIGHTING}
    counters = [int(one) for name, one in graph.named_buffers() if name.endswith("num_batches_tracked")]
    assert set(counters) == {1}  # the steps that are only tried leave batch norm alone


def test_one_image_alone_judges_no_weights() -> None:
    method, graph = network()
    for part in graph.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eval()  # one value per channel has no variance
    assert float(worth(method, graph, batch(1)).detach()) == 0


def test_the_network_learns_from_weighted_losses() -> None:
    method, graph = network(early_exit_weight=0.5)
    images = batch(16)
    found = method.step(copy.deepcopy(graph), images, 0.7, 0.0, Generator()).losses["classification"]
    answers = torch.stack(list(execute(graph, images.images, Open(), lam=1.0).outputs.values()), dim=1)
    losses = exit_losses(answers, images.labels).detach()
    weights = graph.get_submodule(WEIGHTING)(losses).detach()
    each = [float((weights[:, number] * losses[:, number]).mean()) for number in range(3)]
    assert float(found.detach()) == pytest.approx(0.5 * each[0] + 0.5 * each[1] + each[2], rel=1e-5)


@given(st.integers(2, 40), st.integers(2, 6), st.integers(0, 100))
def test_weights_have_the_mean_1_over_a_batch(images: int, exits: int, seed: int) -> None:
    torch.manual_seed(seed)
    weights = WeightNetwork(exits, 7, 0.8)(5 * torch.rand(images, exits)).detach()
    assert weights.shape == (images, exits)
    assert torch.allclose(weights.mean(dim=0), torch.ones(exits), atol=1e-5)
    assert float((weights - 1).abs().max()) < 2 * 0.8


@given(st.integers(1, 30), st.integers(1, 5), st.integers(0, 100))
def test_each_exit_takes_the_images_that_it_is_surest_of(images: int, exits: int, seed: int) -> None:
    generator = Generator().manual_seed(seed)
    answers = torch.randn(images, exits, 4, generator=generator)
    shares = torch.rand(exits, generator=generator).softmax(dim=0)
    by = answering_exit(answers, shares)
    sure = answers.softmax(dim=2).amax(dim=2)
    left = set(range(images))
    for number, share in enumerate(shares.tolist()):
        taken = {row for row in range(images) if by[row] == number}
        assert taken <= left
        left -= taken
        if number < exits - 1:
            assert len(taken) == min(math.floor(share * images), len(left) + len(taken))
            assert not taken or not left or min(sure[row, number] for row in taken) >= max(sure[row, number] for row in left)
    assert not left


def test_the_loss_that_judges_is_the_sum_of_the_exits_means() -> None:
    answers = torch.tensor([[[9.0, 0.0], [0.0, 1.0]], [[0.0, 0.0], [2.0, 0.0]], [[1.0, 0.0], [0.0, 3.0]], [[0.0, 5.0], [1.0, 1.0]]])
    labels = torch.tensor([0, 0, 1, 1])
    by = answering_exit(answers, torch.tensor([0.5, 0.5]))
    assert by.tolist() == [0, 1, 1, 0]
    cross = [[float(F.cross_entropy(answers[row, exit], labels[row])) for exit in range(2)] for row in range(4)]
    expected = (cross[0][0] + cross[3][0]) / 2 + (cross[1][1] + cross[2][1]) / 2
    assert float(meta_loss(answers, labels, torch.tensor([0.5, 0.5]))) == pytest.approx(expected, rel=1e-6)
    mixed = F.one_hot(labels, 2).float()
    assert float(meta_loss(answers, mixed, torch.tensor([0.5, 0.5]))) == pytest.approx(expected, rel=1e-6)


def test_more_lam_gives_later_exits_more_images() -> None:
    method = L2W()
    assert method.shares(4, 0.5).tolist() == pytest.approx([0.25] * 4)
    means = [float((method.shares(4, lam) * torch.arange(4)).sum()) for lam in (0, 0.3, 0.5, 0.8, 1)]
    assert means == sorted(means)
    ratio = method.shares(4, 1.0)[1:] / method.shares(4, 1.0)[:-1]
    assert ratio.tolist() == pytest.approx([math.e**1.5] * 3, rel=1e-4)


def test_weights_learn_to_favour_what_lowers_the_loss_that_judges() -> None:
    method, graph = network(hidden=32, trial_rate=0.5)
    weighting = graph.get_submodule(WEIGHTING)
    optimizer = torch.optim.Adam(weighting.parameters(), lr=0.02)
    images = batch(32)
    first = float(worth(method, graph, images).detach())
    for _ in range(30):
        optimizer.zero_grad()
        worth(method, graph, images).backward()
        optimizer.step()
    assert float(worth(method, graph, images).detach()) < first - 0.01


@pytest.mark.parametrize("shape", [SMALL, {"name": "msdnet", "layers": [1, 1], "scales": 2, "growth": 2, "stem": 2, "exit": 4}], ids=str)
def test_it_trains(shape: dict[str, object]) -> None:
    config = run_config(architecture=shape, dataset="digits", method="l2w", training={"epochs": 2, "batch_size": 64})
    graph, _ = trained(config, ["answer 1"])
    fresh = assemble(config, (1, 8, 8), 10).get_submodule(WEIGHTING).state_dict()
    assert all(not torch.equal(one, fresh[name]) for name, one in graph.get_submodule(WEIGHTING).state_dict().items())
