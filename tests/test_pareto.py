"""Fronts against brute force."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.pareto import ParetoPoint, accuracy_at, cost_for, hull, hypervolume, mean_difference

shares = st.integers(0, 100).map(lambda number: number / 100)
fronts = st.lists(st.builds(ParetoPoint, shares, shares), min_size=1, max_size=12)


def best_mix(points: list[ParetoPoint], cost: float) -> float:
    """The best accuracy of any mix of at most two points that costs no more, by trying all of them."""
    found = [point.accuracy for point in points if point.cost <= cost]
    for one in points:
        for other in points:
            if one.cost <= cost < other.cost:
                share = (cost - one.cost) / (other.cost - one.cost)
                found.append(one.accuracy + share * (other.accuracy - one.accuracy))
    return max(found, default=math.nan)


@given(fronts, shares)
def test_accuracy_is_that_of_the_best_mix(points: list[ParetoPoint], cost: float) -> None:
    assert accuracy_at(points, cost) == pytest.approx(best_mix(points, cost), nan_ok=True)


@given(fronts)
def test_hulls_rise_ever_more_slowly_and_lie_above_all_points(points: list[ParetoPoint]) -> None:
    corners = hull(points)
    slopes = [(b.accuracy - a.accuracy) / (b.cost - a.cost) for a, b in pairwise(corners)]
    assert all(slope > 0 for slope in slopes)
    assert all(after < before + 1e-12 for before, after in pairwise(slopes))
    assert set(corners) <= set(points)
    for point in points:
        assert accuracy_at(points, point.cost) >= point.accuracy - 1e-9


@given(fronts, shares)
def test_cost_for_is_the_inverse_of_accuracy_at(points: list[ParetoPoint], accuracy: float) -> None:
    cost = cost_for(points, accuracy)
    if math.isnan(cost):
        assert accuracy > max(point.accuracy for point in points)
    else:
        assert accuracy_at(points, cost) >= accuracy - 1e-9


@given(fronts, st.builds(ParetoPoint, shares, shares))
def test_more_points_never_lower_the_hypervolume(points: list[ParetoPoint], more: ParetoPoint) -> None:
    assert hypervolume([*points, more]) >= hypervolume(points) - 1e-12


def test_figures_by_hand() -> None:
    points = [ParetoPoint(0.2, 0.5), ParetoPoint(0.6, 0.9), ParetoPoint(0.4, 0.6), ParetoPoint(1.0, 0.8)]
    assert hull(points) == [ParetoPoint(0.2, 0.5), ParetoPoint(0.6, 0.9)]
    assert accuracy_at(points, 0.4) == pytest.approx(0.7)
    assert accuracy_at(points, 2.0) == pytest.approx(0.9)
    assert cost_for(points, 0.7) == pytest.approx(0.4)
    assert hypervolume(points) == pytest.approx(0.4 * 0.7 + 0.4 * 0.9)
    assert hypervolume(points, min_accuracy=0.5) == pytest.approx(0.4 * 0.2 + 0.4 * 0.4)
    assert mean_difference(points, [ParetoPoint(0.2, 0.4), ParetoPoint(0.6, 0.8)], 0.3, 0.7) == pytest.approx(0.1)
    assert math.isnan(mean_difference(points, [ParetoPoint(0.9, 0.4)], 0.3, 0.7))
