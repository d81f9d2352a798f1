"""Policies, which turn scores into gates."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, chisquare
from torch import Generator, Tensor, nn

from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.node import Edge, Gate, Node
from core.graph.policy import EpsilonGreedy, Forced, Greedy, Open, Random, RandomPrefix, Replay, StraightThrough

ONE = Node("Q", "control", (Edge("x"),), (), ("a", "b", "c"))
TWO = Node("Q", "control", (Edge("x"),), (), ("a", "b"))
EACH = Node("Q", "control", (Edge("x"),), (), ("a", "b", "c"), "each")
SIGNIFICANCE = 1e-4  # p-value below which a test fails


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def random_scores(rows: int, columns: int = 3, seed: int = 0) -> Tensor:
    return torch.randn(rows, columns, generator=seeded(seed))


def test_greedy_takes_the_first_of_the_highest_scores() -> None:
    scores = torch.tensor([[0.1, 0.3, 0.2], [0.5, 0.5, 0.5], [-3.0, -2.0, -2.0], [0.0, 0.0, 1e-7]])
    assert Greedy()(ONE, scores).tolist() == [[0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert Greedy()(EACH, scores[2:]).tolist() == [[0, 0, 0], [0, 0, scores[3, 2].item()]]


@given(st.integers(1, 5), st.integers(0, 99))
def test_greedy_opens_one_option_or_scales_independent_gates(columns: int, seed: int) -> None:
    scores = random_scores(50, columns, seed)
    gates = Greedy()(ONE, scores)
    assert (gates.sum(dim=1) == 1).all()
    assert torch.equal((gates * scores).sum(dim=1), scores.max(dim=1).values)
    assert torch.equal(Greedy()(EACH, scores), scores.clamp(min=0))


@pytest.mark.parametrize("control", [ONE, EACH])
def test_epsilon_zero_is_greedy(control: Node) -> None:
    scores = random_scores(2000)
    assert torch.equal(EpsilonGreedy(0.0, seeded())(control, scores), Greedy()(control, scores))


def test_epsilon_one_is_uniform_for_any_scores() -> None:
    scores = torch.tensor([[9.0, 0.0, 0.0]]).expand(3000, 3)
    gates = EpsilonGreedy(1.0, seeded())(ONE, scores)
    assert (gates.sum(dim=1) == 1).all()
    assert chisquare(gates.sum(dim=0)).pvalue > SIGNIFICANCE
    each = EpsilonGreedy(1.0, seeded())(EACH, scores)
    patterns = (each * torch.tensor([1, 2, 4])).sum(dim=1).long().bincount(minlength=8)
    assert set(each.unique().tolist()) == {0.0, 1.0}
    assert chisquare(patterns).pvalue > SIGNIFICANCE


def test_epsilon_is_the_share_of_images_that_explore() -> None:
    scores = torch.tensor([[9.0, 0.0, 0.0]]).expand(20_000, 3)
    counts = EpsilonGreedy(0.3, seeded())(ONE, scores).sum(dim=0)
    expected = torch.tensor([0.7 + 0.1, 0.1, 0.1]) * len(scores)
    assert chisquare(counts, expected).pvalue > SIGNIFICANCE


def test_random_takes_the_second_of_two_options_at_its_rate() -> None:
    for rate in (0.0, 0.25, 1.0, 1):
        taken = Random(rate, seeded())(TWO, random_scores(20_000, 2)).sum(dim=0)
        assert taken.sum() == 20_000
        assert abs(float(taken[1]) - rate * 20_000) < 5 * (20_000 * rate * (1 - rate)) ** 0.5 + 1e-9


def test_random_options_are_binomial_with_a_rate_per_control_node() -> None:
    rates = {"Q": 0.3, "other": 0.9}
    counts = Random(rates, seeded())(ONE, random_scores(20_000)).sum(dim=0)
    assert chisquare(counts, binom.pmf(range(3), 2, 0.3) * 20_000).pvalue > SIGNIFICANCE
    each = Random(rates, seeded())(EACH, random_scores(20_000))
    assert set(each.unique().tolist()) == {0.0, 1.0}
    assert each.mean(dim=0).tolist() == pytest.approx([0.3] * 3, abs=0.02)


def test_random_depends_on_its_seed_and_not_on_the_scores() -> None:
    draws = [
        Random(0.5, seeded(seed))(ONE, scores) for seed, scores in ((1, random_scores(99)), (1, -random_scores(99)), (2, random_scores(99)))
    ]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_episodes_explore_with_a_rate_per_image() -> None:
    explores = torch.tensor([True, False]).repeat(5000)
    rates = torch.tensor([0.0, 0.0, 1.0, 1.0, 0.5, 0.5]).repeat(1667)[:10_000]
    scores = random_scores(10_000)
    gates = RandomPrefix(2 * explores, rates, {ONE.name: 1}, seeded())(ONE, scores)
    assert torch.equal(gates[~explores], Greedy()(ONE, scores)[~explores])
    taken = gates.argmax(dim=1)
    assert (taken[explores & (rates == 0)] == 0).all()
    assert (taken[explores & (rates == 1)] == 2).all()
    half = taken[explores & (rates == 0.5)].bincount(minlength=3)
    assert chisquare(half, binom.pmf(range(3), 2, 0.5) * int(half.sum())).pvalue > SIGNIFICANCE


def test_an_episode_explores_its_first_control_nodes_and_is_then_greedy() -> None:
    until, rates, scores = torch.arange(4).repeat(500), torch.full((2000,), 0.5), random_scores(2000)
    greedy = Greedy()(ONE, scores)
    for number in range(4):
        differs = (RandomPrefix(until, rates, {ONE.name: number}, seeded())(ONE, scores) != greedy).any(dim=1)
        assert not differs[until <= number].any()
        assert bool(differs[until > number].any()) == (number < 3)


def test_open_opens_every_gate_without_scaling() -> None:
    for control in (ONE, EACH):
        assert torch.equal(Open()(control, -random_scores(9)), torch.ones(9, 3))


@settings(max_examples=50)
@given(st.sampled_from([ONE, EACH]), st.integers(1, 4), st.integers(0, 999), st.sampled_from([0.1, 1.0, 30.0]))
def test_the_forward_pass_of_straight_through_is_greedy(control: Node, columns: int, seed: int, size: float) -> None:
    scores = random_scores(200, columns, seed) * size
    assert torch.equal(StraightThrough()(control, scores), Greedy()(control, scores))


@pytest.mark.parametrize(("control", "soft"), [(ONE, lambda scores: scores.softmax(dim=1)), (EACH, torch.sigmoid)])
def test_straight_through_has_the_gradient_of_a_soft_gate(control: Node, soft: object) -> None:
    hard_scores, soft_scores = (random_scores(20).requires_grad_() for _ in range(2))
    weights = random_scores(20, seed=1)
    (StraightThrough()(control, hard_scores) * weights).sum().backward()
    (soft(soft_scores) * weights).sum().backward()
    assert torch.allclose(hard_scores.grad, soft_scores.grad, atol=1e-7)
    assert (hard_scores.grad != 0).all()  # including closed gates


class FirstValues(nn.Module):
    """Control module whose scores are the first two values of the image."""

    def forward(self, x: Tensor, weight: Tensor | None = None) -> Tensor:
        return x[:, :2]


def branches() -> Graph:
    nodes = [
        Node("x", "input"),
        TWO,
        Node("low", "regular", (Edge("x"),), (Gate("Q", 0),)),
        Node("high", "regular", (Edge("x"),), (Gate("Q", 1),)),
        Node("y", "output", (Edge("low", 0.0), Edge("high", 0.0))),
    ]
    return Graph(nodes, {"Q": FirstValues(), "low": nn.Identity(), "high": nn.Identity(), "y": Sum()}, (2,))


class Sum(nn.Module):
    """The sum of two inputs."""

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        return one + other


def test_replay_repeats_an_execution_for_any_scores() -> None:
    graph, x = branches(), random_scores(50, 2)
    drawn = execute(graph, x, EpsilonGreedy(0.5, seeded()))
    again = execute(graph, -x, Replay(drawn))
    assert torch.equal(again.gates["Q"], drawn.gates["Q"])
    assert torch.equal(again.ran["high"], drawn.ran["high"])
    assert not torch.equal(execute(graph, -x, Greedy()).ran["high"], drawn.ran["high"])


def test_forced_options_of_an_exclusive_choice() -> None:
    scores = torch.tensor([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0], [1.0, 3.0, 2.0]])
    taken = {
        (): [0, 2, 1],
        ((1, True),): [1, 1, 1],
        ((0, False),): [1, 2, 1],
        ((0, False), (1, False)): [2, 2, 2],
        ((0, True), (2, True)): [0, 2, 2],
        ((0, True), (1, False)): [0, 0, 0],
    }
    for forced, columns in taken.items():
        gates = Forced({"Q": dict(forced)})(ONE, scores)
        assert gates.argmax(dim=1).tolist() == columns
        assert (gates.sum(dim=1) == 1).all()


def test_forced_does_not_affect_other_control_nodes() -> None:
    scores = random_scores(20)
    assert torch.equal(Forced({"R": {0: True}})(ONE, scores), Greedy()(ONE, scores))


def test_forced_independent_gates() -> None:
    scores = torch.tensor([[0.5, -1.0, 2.0], [-0.5, 1.5, -2.0]])
    assert Forced({"Q": {0: True}})(EACH, scores).tolist() == [[0.5, 0.0, 2.0], [1.0, 1.5, 0.0]]
    assert Forced({"Q": {1: False}})(EACH, scores).tolist() == [[0.5, 0.0, 2.0], [0.0, 0.0, 0.0]]
    assert Forced({"Q": {0: False, 1: False, 2: False}})(EACH, scores).tolist() == [[0.0] * 3] * 2


def test_forcing_every_option_off_is_refused_with_the_name_of_the_node() -> None:
    with pytest.raises(ValueError, match=r"'Q'.*a, b, c") as caught:
        Forced({"Q": {0: False, 1: False, 2: False}})(ONE, random_scores(2))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("otherwise", [Greedy(), Open(), Random(0.5, seeded()), EpsilonGreedy(1.0, seeded()), StraightThrough()])
@pytest.mark.parametrize("control", [ONE, EACH])
def test_options_forced_off_stay_off_under_any_policy(control: Node, otherwise: Greedy) -> None:
    gates = Forced({"Q": {0: False, 1: True}}, otherwise)(control, random_scores(500))
    assert (gates[:, 0] == 0).all()
    assert (gates[:, 1] > 0).all()


@pytest.mark.parametrize("forced", [True, False])
def test_forced_columns_apply_in_an_execution(forced: bool) -> None:
    execution = execute(branches(), random_scores(50, 2), Forced({"Q": {1: forced}}))
    assert (execution.ran["high"] == forced).all()
    assert (execution.ran["low"] != forced).all()


def test_policies_do_not_change_the_scores() -> None:
    for control in (ONE, EACH):
        scores = random_scores(20)
        for policy in (
            Greedy(),
            Open(),
            StraightThrough(),
            Random(0.5, seeded()),
            EpsilonGreedy(0.5, seeded()),
            Forced({"Q": {0: False, 1: True}}),
        ):
            policy(control, scores)
            assert torch.equal(scores, random_scores(20))
