"""Toys whose best decision is known for every input and every λ; losses and metrics against other ways to the same number."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Literal

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score
from torch import Generator, Tensor, nn
from torch.optim import Adam
from toys import LAMS, Path, agreement, built, marked, shares_of_ways, three_paths, three_stages

from core.config import run_config
from core.graph.builder import Builder
from core.graph.calibration import calibrate, measure_tradeoff
from core.graph.checkpoint import pack, unpack
from core.graph.cost import cost, reward_cost
from core.graph.execution import Execution, execute
from core.graph.graph import Graph
from core.graph.policy import Greedy, Open, Replay
from core.graph.static import initialise_controllers, static_price
from core.graph.timing import seconds_per_node
from core.graph.tradeoff import KAPPAS, ODDS, reward
from core.methods import Batch
from core.methods.d2nn import D2NN
from core.methods.losses import TEMPERATURE, classification, distillation_from_final_exit, distillation_from_teacher
from core.methods.metrics import Metric, bag_metric, marginal_metric
from core.methods.static import Static
from core.modules.controller import Controller
from core.registry import ConfigError

ALL = 0.0  # no holdout: every image teaches modules and controllers
Draw = Callable[[int, Generator], tuple[Tensor, Tensor]]  # so many images and their labels


def batch_of(images: Tensor, labels: Tensor, holdout: int = 0) -> Batch:
    """A batch whose last images are the holdout."""
    return Batch(images, labels, torch.arange(len(labels)) >= len(labels) - holdout)


def trained(graph: Graph, method: D2NN, draw: Draw, lam: float | None, steps: int = 300, batch: int = 128, rate: float = 1e-2) -> Graph:
    """The graph after some steps of Adam."""
    graph = method.prepare(graph, lam).train()
    optimizer = Adam(graph.parameters(), lr=rate)
    generator = Generator().manual_seed(0)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, 2 * (1 - step / steps))
        losses = method.step(graph, batch_of(*draw(batch, generator)), lam, step / steps, generator).losses
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
    return graph.eval()


@pytest.mark.parametrize("lam", LAMS)
def test_a_controller_of_one_lam_learns_the_best_action(lam: float) -> None:
    graph = trained(three_paths(), D2NN(exchange_rate=1.0, controller_holdout=ALL), marked, lam)
    assert float(graph.tradeoff.exchange_rate) == 1.0
    assert agreement(graph, lam, 1.0) >= 0.98


def test_a_controller_of_every_lam_learns_the_best_action_of_each() -> None:
    graph = trained(three_paths(every_lam=True), D2NN(calibrate=False, controller_holdout=ALL), marked, None)
    assert KAPPAS[0] < graph.tradeoff.exchange_rate < KAPPAS[-1]
    graph.tradeoff.exchange_rate.fill_(1.0)  # a trained controller takes any κ
    assert [agreement(graph, lam, 1.0) >= 0.98 for lam in LAMS] == [True] * 3


@pytest.mark.parametrize("lam", LAMS)
def test_two_controllers_of_one_lam_learn_the_best_way(lam: float) -> None:
    graph = trained(three_stages(), D2NN(exchange_rate=1.0, controller_holdout=ALL), marked, lam, steps=400)
    assert agreement(graph, lam, 1.0) >= 0.98


@pytest.fixture(scope="module")
def stages_of_every_lam() -> Graph:
    graph = trained(three_stages(every_lam=True), D2NN(calibrate=False, controller_holdout=ALL), marked, None, steps=400)
    graph.tradeoff.exchange_rate.fill_(1.0)
    return graph


@pytest.mark.parametrize("lam", LAMS)
def test_two_controllers_of_every_lam_learn_the_best_way(stages_of_every_lam: Graph, lam: float) -> None:
    assert agreement(stages_of_every_lam, lam, 1.0) >= 0.98


def test_mini_bags_of_every_lam_weigh_accuracy_as_single_images_do() -> None:
    graph = trained(three_paths(every_lam=True), D2NN(calibrate=False, bag_size=4, controller_holdout=ALL), marked, None, batch=256)
    graph.tradeoff.exchange_rate.fill_(1.0)
    assert [agreement(graph, lam, 1.0) >= 0.98 for lam in LAMS] == [True] * 3


SECONDS = {"x": 0.0, "Q": 0.0, "y0": 9e-3, "y1": 1e-3, "y2": 5e-3}  # the path of the fewest multiply-adds is the slowest


@pytest.mark.parametrize("every_lam", [False, True])
def test_where_seconds_count_the_quickest_path_is_taken(monkeypatch: pytest.MonkeyPatch, every_lam: bool) -> None:
    monkeypatch.setattr("core.methods.d2nn.seconds_per_node", lambda graph, batch: SECONDS)
    method = D2NN(efficiency="seconds", exchange_rate=1.0, calibrate=False, controller_holdout=ALL)
    graph = method.prepare(three_paths(every_lam), None if every_lam else 0.4)
    method.setup(graph, 32, torch.empty(0))
    initialise_controllers(graph)
    again = method.prepare(three_paths(every_lam), None if every_lam else 0.4)
    unpack(pack(graph), again)  # what was measured is kept with the weights
    assert again.prices.tolist() == list(SECONDS.values())
    images, _ = marked(2000, Generator().manual_seed(1))
    execution = execute(graph, images, Replay(execute(graph, images, Open(), lam=0.4)), lam=0.4)
    assert reward_cost(graph, execution).tolist() == pytest.approx([3.0] * 2000)
    monkeypatch.setattr(D2NN, "prepare", lambda self, graph, lam: graph)  # so that the prices stay
    learnt = execute(trained(graph, method, marked, None if every_lam else 0.4), images, Greedy(), lam=0.4)
    right = (images.flatten(1) > 0).float()  # (N, paths)
    best = (0.4 * right - 0.6 * torch.tensor([1.8, 0.2, 1.0])).argmax(dim=1)
    assert best.unique().tolist() == [1]
    assert float((learnt.gates["Q"].argmax(dim=1) == best).float().mean()) >= 0.98


def test_seconds_are_measured_for_every_node_that_computes() -> None:
    taken = seconds_per_node(three_stages(), 4)
    assert taken.pop("x") == 0.0
    assert all(0 < value < 1 for value in taken.values())


def test_some_images_take_the_full_path_whatever_is_learnt() -> None:
    graph = three_stages(every_lam=True)
    method = D2NN(calibrate=False, full_route_fraction=0.3, random_route_fraction=0.0, controller_holdout=ALL)
    method.prepare(graph, None)
    torch.nn.init.constant_(graph.parts["Q1"].head.bias, 0.0)
    graph.tradeoff.exchange_rate.fill_(1e6)  # nothing is worth its cost
    batch = batch_of(*marked(3000, Generator().manual_seed(1)))
    share = method.step(graph, batch, None, 1.0, Generator().manual_seed(0)).figures["cost share"]
    least, most = shares_of_ways(graph, torch.empty(0), 3)[[0, 2]].tolist()
    assert share == pytest.approx(least + 0.335 * (most - least), abs=0.05)  # ε is 0.05 still


DOUBTFUL, POSITIVE = 0.25, 0.45  # the share of doubtful images, and of positive ones among them; all others are negative


def rare(count: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Images of two channels: one never positive, which the cheap path reads; one positive where an image is doubtful."""
    doubtful = torch.rand(count, generator=generator) < DOUBTFUL
    positive = doubtful & (torch.rand(count, generator=generator) < POSITIVE)
    sizes = 0.9 + 0.2 * torch.rand(count, 2, generator=generator)
    signs = torch.stack([-torch.ones(count), doubtful * 2.0 - 1], dim=1)
    return (signs * sizes)[:, :, None, None], positive.long()


def two_paths(every_lam: bool = False) -> Graph:
    """A cheap path that always says no, and a dear one that says yes to doubtful images."""

    def add(g: Builder) -> None:
        no, yes = g.control("Q", g.input, options=("no", "look"))
        g.output("no", Path(2, 0, 4), g.input, when=no)
        g.output("look", Path(2, 1, 400), g.input, when=yes)

    return built(every_lam, add, 2)


def test_mini_bags_learn_for_f1_what_single_images_cannot() -> None:
    lam, rate = 0.8, 1.5
    explored: dict[str, float] = {
        "exploration_fraction": 0.5,
        "epsilon_decay_end": 0.9,
        "final_epsilon": 0.2,
        "controller_holdout": ALL,
        "exchange_rate": rate,
    }
    methods = {"bag": D2NN(metric="f1", bag_size=16, **explored), "image": D2NN(**explored)}
    images, labels = rare(16 * 400, Generator().manual_seed(1))
    doubtful = images[:, 1, 0, 0] > 0
    looks, rewards = {}, {}
    for name, method in methods.items():
        graph = trained(two_paths(), method, rare, lam, steps=600, batch=1024)
        with torch.no_grad():
            execution = execute(graph, images, Greedy(), lam=lam)
        looked = execution.ran["look"]
        looks[name] = [float(looked[some].float().mean()) for some in (doubtful, ~doubtful)]
        f1 = bag_metric("f1", execution.output.argmax(dim=1).view(-1, 16), labels.view(-1, 16), 2)
        share = cost(graph, execution).share.float().view(-1, 16).mean(dim=1)
        rewards[name] = float(reward(f1, share, lam, rate).mean())
    assert looks["bag"][0] > 0.95
    assert looks["bag"][1] < 0.1
    assert max(looks["image"]) < 0.05  # a doubtful image is more often negative than not: for accuracy, looking gains nothing
    assert rewards["bag"] > rewards["image"] + 0.1


SCARCE, APART, BAG = 0.02, 2.4, 50  # the share of positive images, by how much their context is higher, and the size of the bags
HIT, SPARED = 0.95, 0.98  # the shares of positive and of negative images on which the dear path is right


def scarce(count: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Images of three channels: a context, which is higher for positive images, never, and what the dear path says."""
    positive = torch.rand(count, generator=generator) < SCARCE
    context = torch.randn(count, generator=generator) + APART * positive
    right = torch.rand(count, generator=generator) < torch.where(positive, HIT, SPARED)
    said = (right == positive) * 2.0 - 1
    return torch.stack([context, -torch.ones(count), said], dim=1)[:, :, None, None], positive.long()


class FirstChannel(nn.Module):
    """Returns the context of an image."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :1]


def two_paths_by_context(every_lam: bool = False) -> Graph:
    """A cheap path that always says no, and a dear one; the controller sees the context alone."""

    def add(g: Builder) -> None:
        no, yes = g.control("Q", g.add("context", FirstChannel(), g.input), options=("no", "look"))
        g.output("no", Path(3, 1, 4), g.input, when=no)
        g.output("look", Path(3, 2, 4000), g.input, when=yes)

    return built(every_lam, add, 3)


def attained(images: Tensor, labels: Tensor, looked: Tensor, lam: float, rate: float) -> float:
    """The mean reward of bags if these images take the dear path."""
    predicted = looked & (images[:, 2, 0, 0] > 0)
    f1 = bag_metric("f1", predicted.long().view(-1, BAG), labels.view(-1, BAG), 2)
    return float(reward(f1, looked.float().view(-1, BAG).mean(dim=1), lam, rate).mean())


ATTAINABLE = {0.3: 0.225, 0.5: 0.399, 0.7: 0.578, 0.9: 0.762}  # the mean reward of the best threshold on the context, at κ = 0.5


@pytest.mark.parametrize("lams", [*([lam] for lam in ATTAINABLE), [*ATTAINABLE]], ids=str)
def test_mini_bags_of_few_positives_learn_the_best_threshold(lams: list[float]) -> None:
    """Networks for one λ each, and one for every λ."""
    rate, every = 0.5, len(lams) > 1
    images, labels = scarce(BAG * 4000, Generator().manual_seed(1))
    method = D2NN(metric="f1", bag_size=BAG, controller_holdout=ALL, exchange_rate=rate, calibrate=False)
    graph = trained(two_paths_by_context(every), method, scarce, None if every else lams[0], steps=500, batch=20 * BAG)
    assert graph.tradeoff.kappa == pytest.approx(rate)
    for lam in lams:
        best = max(attained(images, labels, images[:, 0, 0, 0] > threshold, lam, rate) for threshold in np.linspace(0, 4, 41))
        assert best == pytest.approx(ATTAINABLE[lam], abs=0.01)
        with torch.no_grad():
            looked = execute(graph, images, Greedy(), lam=lam).ran["look"]
        assert attained(images, labels, looked, lam, rate) >= best - 0.01


bags = st.tuples(st.integers(1, 5), st.integers(1, 20), st.integers(2, 5), st.integers(0, 9999))


@settings(max_examples=150)
@given(bags)
def test_bag_metrics_are_those_of_scikit_learn(drawn: tuple[int, int, int, int]) -> None:
    count, size, classes, seed = drawn
    generator = Generator().manual_seed(seed)
    predicted, labels = (torch.randint(classes, (count, size), generator=generator) for _ in range(2))
    average = "binary" if classes == 2 else "macro"
    pairs = list(zip(labels.numpy(), predicted.numpy(), strict=True))
    for metric, score in (("f1", f1_score), ("precision", precision_score), ("recall", recall_score)):
        empty = [float(classes == 2 and not (true == 1).any() and not (said == 1).any()) for true, said in pairs]
        expected = [score(true, said, average=average, zero_division=none) for (true, said), none in zip(pairs, empty, strict=True)]
        assert bag_metric(metric, predicted, labels, classes).tolist() == pytest.approx(expected, abs=1e-6), metric
    accuracies = [accuracy_score(true, said) for true, said in pairs]
    assert bag_metric("accuracy", predicted, labels, classes).tolist() == pytest.approx(accuracies, abs=1e-6)


@settings(max_examples=60)
@given(bags, st.sampled_from(["f1", "precision", "recall"]))
def test_an_image_adds_what_its_bag_would_lack_without_it(drawn: tuple[int, int, int, int], metric: Metric) -> None:
    count, size, classes, seed = drawn
    generator = Generator().manual_seed(seed)
    predicted, labels = (
        torch.randint(-1, classes, (count, size + 1), generator=generator),
        torch.randint(classes, (count, size + 1), generator=generator),
    )
    added = marginal_metric(metric, predicted, labels, classes)
    whole = bag_metric(metric, predicted, labels, classes)
    for image in range(size + 1):
        others = [other for other in range(size + 1) if other != image]
        lacks = bag_metric(metric, predicted[:, others], labels[:, others], classes)
        torch.testing.assert_close(added[:, image], (size + 1) * (whole - lacks))
    assert torch.equal(marginal_metric("accuracy", predicted, labels, classes), (predicted == labels).float())


def test_classification_is_the_mean_of_each_output_that_was_produced() -> None:
    logits = {"a": torch.tensor([[1.0, 0.0], [0.0, 2.0], [9.0, 9.0]]), "b": torch.tensor([[0.0, 0.0], [3.0, 1.0], [0.0, 0.0]])}
    ran = {"a": torch.tensor([True, True, False]), "b": torch.tensor([False, True, False]), "c": torch.tensor([False] * 3)}
    execution = Execution(logits | {"c": torch.zeros(3, 2)}, ran, {}, {}, {})
    of_a = (math.log(1 + math.exp(-1.0)) + math.log(1 + math.exp(-2.0))) / 2
    of_b = math.log(1 + math.exp(2.0))
    labels = torch.tensor([0, 1, 0])
    assert float(classification(execution, labels)) == pytest.approx(of_a + of_b, rel=1e-6)
    holdout = torch.tensor([False, True, False])
    assert float(classification(execution, labels, holdout)) == pytest.approx(math.log(1 + math.exp(-1.0)), rel=1e-6)
    overruled = (math.log(1 + math.exp(-1.0)) + 0.3 * math.log(1 + math.exp(-2.0))) / 2  # b answers for the second image
    assert float(classification(execution, labels, early=0.3)) == pytest.approx(overruled + of_b, rel=1e-6)


def test_what_the_last_answer_teaches_is_its_divergence_from_the_earlier_ones() -> None:
    early = torch.tensor([[1.0, 0.0], [0.0, 2.0], [9.0, 9.0]], requires_grad=True)
    late = torch.tensor([[0.0, 0.0], [3.0, 1.0], [0.0, 5.0]], requires_grad=True)
    ran = {"a": torch.tensor([True] * 3), "b": torch.tensor([False, True, True])}
    execution = Execution({"a": early, "b": late}, ran, {}, {}, {})
    truth = torch.distributions.Categorical(logits=late.detach() / TEMPERATURE)
    apart = torch.distributions.kl_divergence(truth, torch.distributions.Categorical(logits=early.detach() / TEMPERATURE))  # (B,)
    loss = distillation_from_final_exit(execution, torch.tensor([False] * 3))
    assert float(loss.detach()) == pytest.approx(
        TEMPERATURE**2 * float(apart[1:].mean().detach()), rel=1e-5
    )  # no later output answered the first image
    one = distillation_from_final_exit(execution, torch.tensor([False, False, True]))
    assert float(one.detach()) == pytest.approx(TEMPERATURE**2 * float(apart[1].detach()), rel=1e-5)
    loss.backward()
    assert late.grad is None  # the teacher learns nothing from it
    assert early.grad is not None
    assert early.grad[1:].abs().amax() > 0
    assert not early.grad[0].any()
    assert float(distillation_from_final_exit(execution, torch.tensor([False, True, True]))) == 0


def test_what_is_taught_is_weighed_and_only_by_images_that_modules_learn_from() -> None:
    torch.manual_seed(0)
    graph = run_config(architecture="cascade", dataset="cifar10", method="d2nn").architecture.build((3, 16, 16), 10, every_lam=True)
    images, labels = torch.randn(12, 3, 16, 16), torch.arange(12) % 10

    def losses(weight: float, holdout: int) -> dict[str, Tensor]:
        method = D2NN(self_distillation=weight)
        return method.step(method.prepare(graph, None), batch_of(images, labels, holdout), None, 0.0, Generator().manual_seed(1)).losses

    assert "self-distillation" not in losses(0.0, 2)
    once, thrice = losses(1.0, 2)["self-distillation"], losses(3.0, 2)["self-distillation"]
    assert float(once.detach()) > 0
    assert float(thrice.detach()) == pytest.approx(3 * float(once.detach()), rel=1e-5)
    assert float(losses(1.0, 12)["self-distillation"].detach()) == 0


def test_every_output_learns_from_a_teacher() -> None:
    torch.manual_seed(0)
    early, late, teacher = torch.randn(3, 4, requires_grad=True), torch.randn(3, 4, requires_grad=True), torch.randn(3, 4)
    ran = {"a": torch.tensor([True, True, True]), "b": torch.tensor([False, True, False])}
    execution = Execution({"a": early, "b": late}, ran, {}, {}, {})
    truth = torch.distributions.Categorical(logits=teacher / TEMPERATURE)
    apart = [torch.distributions.kl_divergence(truth, torch.distributions.Categorical(logits=one / TEMPERATURE)) for one in (early, late)]
    loss = distillation_from_teacher(execution, teacher, torch.tensor([False, False, True]))
    assert float(loss.detach()) == pytest.approx(TEMPERATURE**2 * float((apart[0][:2].mean() + apart[1][1]).detach()), rel=1e-5)
    loss.backward()
    assert early.grad is not None
    assert late.grad is not None
    assert early.grad[:2].abs().amin(dim=0).sum() > 0
    assert not early.grad[2].any()
    assert not late.grad[[0, 2]].any()
    assert float(distillation_from_teacher(execution, teacher, torch.tensor([True] * 3))) == 0


def test_what_a_teacher_says_is_weighed_and_only_by_images_that_modules_learn_from() -> None:
    torch.manual_seed(0)
    graph = run_config(architecture="cascade", dataset="cifar10", method="d2nn").architecture.build((3, 16, 16), 10, every_lam=True)
    batch = batch_of(torch.randn(12, 3, 16, 16), torch.arange(12) % 10, 2)
    told = Batch(batch.images, batch.labels, batch.holdout, torch.randn(12, 10))

    def loss(weight: float, batch: Batch) -> float:
        method = D2NN(distillation_weight=weight)
        losses = method.step(method.prepare(graph, None), batch, None, 0.0, Generator().manual_seed(1)).losses
        return float(losses["distillation"].detach()) if "distillation" in losses else 0.0

    assert loss(0.0, batch) == 0
    assert loss(1.0, told) > 0
    assert loss(3.0, told) == pytest.approx(3 * loss(1.0, told), rel=1e-5)
    assert loss(1.0, Batch(told.images, told.labels, torch.ones(12, dtype=torch.bool), told.teacher)) == 0


def test_epsilon_starts_at_one_falls_and_ends() -> None:
    method = D2NN(exploration_fraction=0.2, epsilon_decay_end=0.6, final_epsilon=0.05).exploration
    at = [method.epsilon(progress / 100) for progress in range(101)]
    assert at[:20] == [1.0] * 20
    assert at[40] == pytest.approx(1 - 0.5 * 0.95)
    assert at[60:] == pytest.approx([0.05] * 41)
    assert all(later <= earlier for earlier, later in pairwise(at))
    for explore, settle in ((0.0, 0.0), (1.0, 0.5), (0.5, 0.5), (0.0, 1.0)):
        ends = D2NN(exploration_fraction=explore, epsilon_decay_end=settle, final_epsilon=0.3).exploration
        assert all(0.3 <= ends.epsilon(progress / 10) <= 1 for progress in range(11))
        assert explore == 1 or ends.epsilon(1.0) == pytest.approx(0.3)


class Front(nn.Module):
    """Two options of equal cost difference: the second gains what the image says."""

    def forward(self, seen: Tensor, weight: Tensor | None = None) -> Tensor:
        gain = seen[:, 0, 0, 0]
        return torch.stack([gain.new_zeros(len(gain), 2), torch.stack([gain, -torch.ones_like(gain)], dim=1)], dim=1)


def front(rate: float) -> tuple[Graph, Tensor]:
    """Two hundred images that change over evenly in λ if the exchange rate is `rate`."""
    lams = (torch.arange(200) + 0.5) / 200
    gains = rate * (1 - lams) / lams
    g = Builder((1, 1, 1))
    _, more = g.control("Q", g.input, options=("cheap", "dear"), part=Front())
    g.output("y cheap", nn.Flatten(), g.input)
    g.output("y dear", nn.Sequential(nn.Flatten(), nn.Linear(1, 1)), g.input, when=more)
    return g.build().eval(), gains[:, None, None, None]


@pytest.mark.parametrize("rate", [0.01, 0.1, 1.0])
def test_the_even_exchange_rate_spreads_a_known_front(rate: float) -> None:
    graph, images = front(rate)
    graph.tradeoff.exchange_rate.fill_(0.777)
    calibrate(graph, images, torch.zeros(len(images), dtype=torch.long))
    assert rate / 1.6 < float(graph.tradeoff.exchange_rate) < rate * 1.6
    lams = torch.arange(11) / 10
    shares = [float(cost(graph, execute(graph, images, Greedy(), lam=float(lam))).share.mean()) for lam in lams]
    steps = np.diff(shares)
    assert (steps >= 0).all()
    assert steps.max() < 0.2
    assert (shares[0], shares[-1]) == (0.0, 1.0)


def test_the_cost_curve_is_what_is_executed() -> None:
    graph, images = front(0.3)
    graph.tradeoff.exchange_rate.fill_(1.0)
    curve = measure_tradeoff(graph, images, torch.zeros(len(images), dtype=torch.long), ODDS / (1 + ODDS)).costs
    for index in range(0, len(ODDS), 12):
        taken = images.flatten() * float(ODDS[index]) > 1
        assert float(curve[index]) == pytest.approx(float(taken.float().mean()), abs=0.01)


def test_the_rate_is_calibrated_after_an_epoch_only_where_that_is_wanted() -> None:
    graph, images = front(0.1)
    labels = torch.zeros(len(images), dtype=torch.long)
    method = D2NN(calibrate=False, exchange_rate=1.0)
    method.after_epoch(method.prepare(graph, None), images, labels)
    assert float(graph.tradeoff.exchange_rate) == 1.0
    D2NN().after_epoch(D2NN().prepare(graph, None), images, labels)
    assert 0.05 < float(graph.tradeoff.exchange_rate) < 0.2
    plain = D2NN(exchange_rate=1.0).prepare(three_paths(), 0.5)
    D2NN().after_epoch(plain, *marked(8, Generator().manual_seed(0)))
    assert float(plain.tradeoff.exchange_rate) == 1.0


@pytest.mark.parametrize(("bag", "holdout"), [(1, 0), (3, 0), (1, 2), (3, 3)])
@pytest.mark.parametrize("credit", ["bag", "image"])
def test_a_step_by_hand(bag: int, holdout: int, credit: Literal["bag", "image"]) -> None:
    """All explored at random: the value of the option taken against the reward of its bag, of the holdout alone where there is one."""
    graph = D2NN(exchange_rate=0.5).prepare(three_paths(), 0.4)
    images, labels = marked(6, Generator().manual_seed(4))
    method = D2NN(exchange_rate=0.5, bag_size=bag, controller_holdout=holdout / 6, credit=credit)
    step = method.step(graph, batch_of(images, labels, holdout), 0.4, 0.0, Generator().manual_seed(7))
    generator = Generator().manual_seed(7)
    torch.rand(6, 1, generator=generator)
    taken = torch.randint(3, (6,), generator=generator).tolist()
    shares = shares_of_ways(graph, images, 3)
    right = [float(images[row, way, 0, 0] > 0) for row, way in enumerate(taken)]
    values = graph.parts["Q"](images, weight=None)
    bag = bag if credit == "bag" else 1  # for accuracy, what an image adds is whether its own answer is right
    bags = [range(first, first + bag) for first in range(0, 6, bag)]
    learnt = bags[-holdout // bag :] if holdout else bags
    loss = 0.0
    for rows in learnt:
        accuracy = sum(right[row] for row in rows) / bag
        share = sum(float(shares[taken[row]]) for row in rows) / bag
        expected = sum(float(values[row, taken[row]].detach()) for row in rows)
        loss += (expected - (0.4 * accuracy - 0.6 * 0.5 * share)) ** 2 / len(learnt)
    assert float(step.losses["values"].detach()) == pytest.approx(loss, rel=1e-5)
    crossed = 0.0
    for way in range(3):
        rows_ = [row for row in range(6 - holdout) if taken[row] == way]
        if rows_:
            crossed += float(F.cross_entropy(graph.parts[f"y{way}"](images[rows_]), labels[rows_]))
    assert float(step.losses["classification"]) == pytest.approx(crossed, rel=1e-5)
    assert step.figures["accuracy"] == pytest.approx(sum(right) / 6)
    assert step.figures["cost share"] == pytest.approx(sum(float(shares[way]) for way in taken) / 6)


def test_images_beyond_the_last_whole_bag_are_left_out() -> None:
    graph = D2NN().prepare(three_paths(), 0.5)
    images, labels = marked(10, Generator().manual_seed(4))
    method = D2NN(bag_size=4, controller_holdout=ALL)
    steps = [method.step(graph, batch_of(images[-count:], labels[-count:]), 0.5, 0.5, Generator().manual_seed(0)) for count in (10, 8)]
    assert steps[0].losses["values"].item() == pytest.approx(steps[1].losses["values"].item(), rel=1e-6)
    with pytest.raises(ConfigError, match=r"mini-bag of 16.*batch_size"):
        D2NN(bag_size=16).step(graph, batch_of(images, labels), 0.5, 0.5, Generator())


def test_set_based_metrics_want_several_images() -> None:
    """Said as a training begins: networks that were trained so can still be opened."""
    method = D2NN(metric="f1")
    graph = method.prepare(two_paths(), 0.5)
    with pytest.raises(ConfigError, match=r"f1 of a single image.*method\.bag"):
        method.setup(graph, 4, marked(4, Generator().manual_seed(0))[0])


@pytest.mark.parametrize("batch_size", [16, 32, 64, 128])
def test_controllers_learn_from_bags_whatever_the_share_of_the_holdout(batch_size: int) -> None:
    method = D2NN(metric="f1", bag_size=16)
    graph = method.prepare(two_paths(), 0.5)
    images, labels = rare(batch_size, Generator().manual_seed(0))
    step = method.step(graph, batch_of(images, labels, round(method.controller_holdout * batch_size)), 0.5, 0.0, Generator().manual_seed(0))
    step.losses["values"].backward()
    assert any(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in graph.parts["Q"].parameters())


@pytest.mark.parametrize("bag", [1, 16, 256])
def test_early_controllers_of_every_lam_learn_from_bags_of_any_size(bag: int) -> None:
    method = D2NN(bag_size=bag, controller_holdout=ALL, calibrate=False)
    graph = method.prepare(three_stages(every_lam=True), None).train()
    generator = Generator().manual_seed(0)
    for _ in range(4):
        step = method.step(graph, batch_of(*marked(1024, generator)), None, 1.0, generator)
        step.losses["values"].backward()
    for control in ("Q1", "Q2"):
        assert graph.parts[control].head.weight.grad.abs().sum() > 0, control


def test_a_batch_that_is_all_holdout_teaches_no_module() -> None:
    graph = D2NN().prepare(three_paths(), 0.5)
    images, labels = marked(2, Generator().manual_seed(0))
    step = D2NN().step(graph, batch_of(images, labels, 2), 0.5, 0.0, Generator().manual_seed(0))
    assert float(step.losses["classification"]) == 0
    assert float(step.losses["values"].detach()) > 0


def test_seeing_does_not_teach_what_is_seen_unless_it_is_mixed_in() -> None:
    for share in (0.0, 0.5, 1.0):
        part = Controller([(3, 2, 2)], 2, controller_gradient=share)
        seen = torch.randn(4, 3, 2, 2, generator=Generator().manual_seed(0), requires_grad=True)
        whole = seen.detach().clone().requires_grad_()
        part(seen, weight=None).sum().backward()
        part.controller_gradient = 1.0
        part(whole, weight=None).sum().backward()
        reached = torch.zeros_like(seen) if seen.grad is None else seen.grad  # without a share nothing is carried back at all
        assert torch.allclose(reached, share * whole.grad)
        assert whole.grad.abs().sum() > 0


def test_a_controller_of_every_lam_knows_the_cost_and_bounds_the_accuracy() -> None:
    graph = D2NN().prepare(three_stages(every_lam=True), None)
    first, second = (graph.parts[name] for name in ("Q1", "Q2"))
    assert (first.has_successors, second.has_successors) == (True, False)
    static = max(graph.macs[node.name] for node in graph.outputs)
    assert second.min_remaining_cost.tolist() == pytest.approx([0.0, graph.macs["y2"] / static])
    assert first.min_remaining_cost.tolist() == pytest.approx([0.0, (graph.macs["y1"] + graph.macs["Q2"]) / static])
    images, _ = marked(50, Generator().manual_seed(0))
    for part, has_successors in ((first, True), (second, False)):
        low, high = (part(images, weight=torch.full((50,), one)) for one in (0.1, 0.9))
        assert torch.equal(low, high) != has_successors
        accuracy, efficiency = low.unbind(-1)
        assert ((accuracy >= 0) & (accuracy <= 1)).all()
        assert (-efficiency >= part.min_remaining_cost - 1e-6).all()
        assert has_successors or torch.equal(-efficiency, part.min_remaining_cost.expand(50, 2))


def test_controllers_know_the_costs_to_come_under_any_method() -> None:
    """A graph tells its controllers as it is built; other prices, or weights of another network, are made up for by telling them again."""
    graph = three_stages(every_lam=True)
    first, second = (graph.parts[name] for name in ("Q1", "Q2"))
    known = (first.min_remaining_cost.tolist(), second.min_remaining_cost.tolist())
    assert (first.has_successors, second.has_successors) == (True, False)
    assert known[1] == pytest.approx([0.0, graph.macs["y2"] / static_price(graph)])
    first.min_remaining_cost.zero_()
    first.has_successors = False
    initialise_controllers(graph)
    assert first.has_successors
    assert first.min_remaining_cost.tolist() == known[0]
    graph.prices.fill_(1.0)  # the static network: x, N1, N2 and y2. Going on after Q1 costs N1, y1 and Q2 at least
    initialise_controllers(graph)
    costs = [part.min_remaining_cost.tolist() for part in (first, second)]
    assert costs == [pytest.approx([share / static_price(graph) for share in counts]) for counts in ((0, 3), (0, 2))]


def test_methods_refuse_what_they_cannot_train() -> None:
    with pytest.raises(ConfigError, match="control nodes"):
        run_config(architecture="plain", dataset="digits", method="d2nn")
    with pytest.raises(ConfigError, match="no λ"):
        run_config(architecture="cascade", dataset="digits", method="static", lam=0.5)


def test_static_trains_the_route_that_is_named() -> None:
    for route, channel in (((), 2), (("Q=cheap",), 0), (("Q=middle",), 1)):
        graph = Static(route=route).prepare(three_paths(), None)
        assert [node.name for node in graph.nodes] == ["x", f"y{channel}"]
        images, labels = marked(20, Generator().manual_seed(0))
        step = Static().step(graph, batch_of(images, labels), None, 0.0, Generator())
        expected = F.cross_entropy(graph.parts[f"y{channel}"](images), labels)
        assert float(step.losses["classification"]) == pytest.approx(float(expected))
