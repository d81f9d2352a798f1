"""λ: rewards, scores, and the λ at which a choice changes."""

import math

import pytest
import torch
from hypothesis import assume, example, given
from hypothesis import strategies as st
from torch import Tensor

from core.graph.tradeoff import (
    CURVE_STEPS,
    LOWEST_RATE,
    BudgetCurve,
    ExchangeRate,
    FixedLam,
    Tradeoff,
    TradeoffMeasurements,
    WeightCurve,
    reward,
)

GRID = torch.arange(1001, dtype=torch.float64) / 1000
shares = st.floats(0, 1, width=32)
rates = st.sampled_from([1e-4, 0.01, 0.1, 1.0, 3.0, 10.0])
dyadic = st.integers(0, 64).map(lambda number: number / 64)  # products of these are exact


def number(value: float) -> Tensor:
    return torch.tensor(value)


def exactly(rate: float) -> ExchangeRate:
    """An exchange rate in double precision."""
    tradeoff = ExchangeRate(rate)
    tradeoff.exchange_rate = torch.tensor(rate, dtype=torch.float64)
    return tradeoff


def crossing_of(values: Tensor, rate: float) -> Tensor:
    """The threshold in λ, which has a closed form for these values."""
    found = ExchangeRate(rate).threshold(values)
    assert found is not None
    return found


@given(shares, shares, shares, rates)
def test_the_reward_is_the_papers_with_a_rate(accuracy: float, share: float, lam: float, rate: float) -> None:
    given_reward = float(reward(number(accuracy), number(share), lam, rate))
    assert given_reward == pytest.approx(lam * accuracy + (1 - lam) * -(rate * share), abs=1e-6 * max(rate, 1))


@given(shares, shares, shares, rates)
def test_the_reward_is_linear_in_lam(accuracy: float, share: float, lam: float, rate: float) -> None:
    at = [float(reward(number(accuracy), number(share), one, rate)) for one in (0.0, lam, 1.0)]
    assert at[0] == pytest.approx(-rate * share, abs=1e-6)
    assert at[2] == accuracy
    assert at[1] == pytest.approx((1 - lam) * at[0] + lam * at[2], abs=1e-5)


def test_scores_of_one_lam_are_the_values() -> None:
    values = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    for tradeoff in (Tradeoff(), FixedLam(0.5, 0.1), BudgetCurve(), ExchangeRate(0.1), WeightCurve()):
        assert tradeoff.score(values, torch.rand(5)) is values
        assert tradeoff.score(values, None) is values


@given(st.lists(st.tuples(dyadic, dyadic), min_size=2, max_size=4), st.integers(0, 64), st.sampled_from([0.125, 1.0, 4.0]))
def test_scores_are_the_rewards_to_expect(options: list[tuple[float, float]], step: int, rate: float) -> None:
    values = torch.tensor([[(accuracy, -cost) for accuracy, cost in options]])  # (1, K, 2)
    lam = step / 64
    expected = [lam * accuracy - (1 - lam) * rate * cost for accuracy, cost in options]
    assert ExchangeRate(rate).score(values, torch.tensor([lam]))[0].tolist() == expected


class SquareRoots(ExchangeRate):
    """A reward of another form: the first units of cost weigh most."""

    def reward(self, accuracy: Tensor, share: Tensor, lam: Tensor | float) -> Tensor:
        return super().reward(accuracy, share.sqrt(), lam)


def test_another_reward_changes_the_choice() -> None:
    values = torch.tensor([[(0.5, -0.25), (0.9, -1.0)]])
    lam = torch.tensor([0.6])
    assert ExchangeRate(1.0).score(values, lam)[0].tolist() == pytest.approx([0.3 - 0.1, 0.54 - 0.4])
    assert SquareRoots(1.0).score(values, lam)[0].tolist() == pytest.approx([0.3 - 0.2, 0.54 - 0.4])


@given(st.lists(st.tuples(dyadic, dyadic), min_size=2, max_size=4), st.sampled_from([0.125, 1.0, 4.0]))
def test_the_chosen_cost_and_accuracy_rise_with_lam(options: list[tuple[float, float]], rate: float) -> None:
    options = sorted(options, key=lambda option: option[1])  # from the cheapest to the dearest
    lams = torch.arange(65) / 64
    values = torch.tensor([[(accuracy, -cost) for accuracy, cost in options]]).expand(65, -1, -1)
    taken = ExchangeRate(rate).score(values, lams).argmax(dim=1)
    accuracies, costs = torch.tensor(options).unbind(-1)
    assert (costs[taken].diff() >= 0).all()
    assert (accuracies[taken[1:]].diff() >= 0).all()  # at λ = 0 accuracy counts for nothing
    assert costs[taken[0]] == costs.min()
    assert accuracies[taken[-1]] == accuracies.max()


@given(st.lists(st.tuples(shares, shares), min_size=2, max_size=4), st.floats(0.01, 0.99), rates, rates)
def test_a_choice_depends_on_the_weight_alone(options: list[tuple[float, float]], of_accuracy: float, rate: float, other: float) -> None:
    values = torch.tensor([[(accuracy, -cost) for accuracy, cost in options]], dtype=torch.float64)
    plain = torch.tensor([of_accuracy * accuracy - (1 - of_accuracy) * cost for accuracy, cost in options], dtype=torch.float64)
    best = plain.sort(descending=True).values
    assume(best[0] - best[1] > 1e-9)
    for kappa in (rate, other):
        lam = of_accuracy * kappa / (1 - of_accuracy + of_accuracy * kappa)
        lams, tradeoff = torch.tensor([lam], dtype=torch.float64), exactly(kappa)
        assert float(tradeoff.condition(lams)) == pytest.approx(of_accuracy, abs=1e-9)
        assert int(tradeoff.score(values, lams).argmax()) == int(plain.argmax())


@given(rates)
def test_the_weight_runs_from_zero_to_one(rate: float) -> None:
    weights = ExchangeRate(rate).condition(GRID)
    assert weights[0] == 0
    assert weights[-1] == 1
    assert (weights.diff() > 0).all()
    assert torch.equal(ExchangeRate(1.0).condition(GRID), GRID)


def chosen(values: Tensor, rate: float) -> Tensor:
    """Whether the second of two options is chosen at each λ of GRID, in double precision, (1001,)."""
    at = exactly(rate).score(values.double().expand(len(GRID), -1, -1), GRID)
    return at.argmax(dim=1) == 1


@given(st.tuples(shares, shares), shares, shares, rates)
@example((0.5, 0.5), 0.25, 0.25, 1.0)
@example((0.0, 1.0), 0.0, 0.0, 0.1)
@example((1.0, 0.0), 0.0, 1.0, 0.1)
def test_the_threshold_is_where_brute_force_finds_it(accuracies: tuple[float, float], cheap: float, more: float, rate: float) -> None:
    values = torch.tensor([[(accuracies[0], -cheap), (accuracies[1], -min(cheap + more, 1.0))]])  # (1, 2, 2)
    crossing = float(crossing_of(values, rate))
    assert math.isfinite(crossing)
    far = (GRID - crossing).abs() > 1e-5
    assert torch.equal(chosen(values, rate)[far], (crossing < GRID)[far])


@given(shares, shares, shares, shares, rates)
def test_the_choice_changes_at_the_threshold_and_nowhere_else(a: float, b: float, c: float, d: float, rate: float) -> None:
    values = torch.tensor([[(a, -b), (c, -d)]])  # in any order of cost
    crossing = float(crossing_of(values, rate))
    changes = chosen(values, rate)[1:] != chosen(values, rate)[:-1]
    inside = GRID[1:-1]  # at the ends one of the two weighs nothing: equals are decided by their order
    for step in changes[1:-1].nonzero().squeeze(1).tolist():
        assert float(inside[step]) - 1e-5 <= crossing <= float(inside[step + 1]) + 1e-5
    if 0.0011 < crossing < 0.9989 and (abs(a - c) > 1e-6 or abs(b - d) > 1e-6):
        assert changes[1:-1].sum() == 1


@pytest.mark.parametrize("gain", [1e-3, 1e-6, 1e-9, 1e-12])
@pytest.mark.parametrize("rate", [0.1, 10.0])
def test_any_gain_in_accuracy_has_its_threshold_below_one(gain: float, rate: float) -> None:
    values = torch.tensor([[(0.0, 0.0), (gain, -1.0)]])
    assert ExchangeRate(rate).score(values, torch.ones(1)).argmax() == 1
    assert crossing_of(values, rate) < 1


@given(shares, shares, rates)
def test_no_gain_in_accuracy_is_never_worth_its_cost(accuracy: float, cost: float, rate: float) -> None:
    values = torch.tensor([[(accuracy, 0.0), (accuracy, -cost)], [(accuracy, 0.0), (accuracy / 2, -cost)]])
    assert (crossing_of(values, rate) > 1).all()


def test_thresholds_come_per_image() -> None:
    values = torch.tensor([[(0.5, 0.0), (0.6, -0.1)], [(0.5, 0.0), (0.8, -0.1)], [(0.5, 0.0), (0.4, -0.1)], [(0.5, -0.1), (0.6, -0.1)]])
    assert crossing_of(values, 1.0).tolist() == pytest.approx([0.5, 0.25, 2.0, 0.0])


def test_only_two_options_with_two_values_each_have_a_threshold_in_closed_form() -> None:
    assert ExchangeRate().threshold(torch.zeros(1, 2)) is None
    assert ExchangeRate().threshold(torch.zeros(1, 3, 2)) is None
    assert BudgetCurve().threshold(torch.zeros(1, 2, 2)) is None


def test_a_graph_of_one_lam_gives_its_control_nodes_none() -> None:
    assert Tradeoff().condition(torch.rand(3)) is None
    assert FixedLam(0.5).condition(torch.rand(3)) is None
    assert [kind.every_lam for kind in (Tradeoff, FixedLam, ExchangeRate, BudgetCurve, WeightCurve)] == [False, False, True, True, True]


def test_only_what_is_exchanged_has_a_rate_to_tell_of() -> None:
    assert Tradeoff().description == ""
    assert FixedLam(0.6).description == ""
    assert "κ: 0.25," in FixedLam(0.6, 0.25).description
    assert "κ: 0.0341," in ExchangeRate(0.0341).description
    assert "κ" not in BudgetCurve().description
    assert "κ" not in WeightCurve().description
    assert "budget" in BudgetCurve().description
    assert "budget" in WeightCurve().description


def gains(weights: Tensor) -> TradeoffMeasurements:
    """Images whose second option costs 0.8 more; the gains in accuracy that it brings them are uniform on [0, 0.4]."""
    rate = (1 - weights) / weights  # the second option is chosen where its gain is worth more than 0.8 of the static cost
    chosen = (1 - rate * 0.8 / 0.4).clamp(0, 1)
    return TradeoffMeasurements(0.2 + 0.8 * chosen.double(), 0.5 + 0.2 * chosen, 1000)


def test_a_weight_curve_makes_the_cost_rise_evenly() -> None:
    tradeoff = WeightCurve()
    tradeoff.calibrate(lambda lams: gains(tradeoff.condition(lams)))
    costs = gains(tradeoff.condition(torch.linspace(0, 1, 21))).costs
    assert costs[0] == pytest.approx(0.2)
    assert costs[-1] == pytest.approx(0.2 + 0.8 * (1 - LOWEST_RATE * 2), abs=1e-3)
    steps = costs.diff()
    assert float(steps.max()) < 1.1 * float(steps.min())
    assert bool((tradeoff.curve.diff() >= 0).all())


def test_a_weight_curve_of_a_network_whose_cost_never_changes_is_calibrated_too() -> None:
    tradeoff = WeightCurve()
    tradeoff.calibrate(lambda lams: TradeoffMeasurements(torch.full((len(lams),), 0.3), torch.zeros(len(lams)), 10))
    assert bool(tradeoff.curve.isfinite().all())


@given(shares, shares, shares)
def test_a_straight_weight_curve_is_an_exchange_rate_of_one(accuracy: float, cost: float, lam: float) -> None:
    values = torch.tensor([[(accuracy, -cost), (0.5, -0.5)]])
    at = torch.tensor([lam])
    assert torch.allclose(WeightCurve().score(values, at), ExchangeRate(1.0).score(values, at), atol=1e-5)


def test_the_threshold_along_a_weight_curve_is_where_the_choice_changes() -> None:
    tradeoff = WeightCurve()
    tradeoff.curve.copy_(torch.linspace(0, 1, CURVE_STEPS) ** 3)
    values = torch.tensor([[(0.5, 0.0), (0.6, -0.1)], [(0.5, 0.0), (0.51, -0.5)], [(0.5, 0.0), (0.4, -0.1)], [(0.5, -0.1), (0.6, -0.1)]])
    found = tradeoff.threshold(values)
    assert found is not None
    assert found[2:].tolist() == [2.0, 0.0]
    for row, threshold in zip(values[:2], found[:2].tolist(), strict=True):
        scores = tradeoff.score(row.expand(2, -1, -1), torch.tensor([threshold - 1e-3, threshold + 1e-3]))
        assert scores.argmax(dim=1).tolist() == [0, 1]
    tradeoff.curve.mul_(0.9)  # the curve ends below the weight at which the second row changes
    ended = tradeoff.threshold(values)
    assert ended is not None
    assert float(ended[1]) == 2.0
