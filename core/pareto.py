"""Pareto fronts of accuracy against cost, compared as concave hulls.

Mixing two networks, or two settings of one network, reaches every point on the line between them. Staircase fronts would also favour
whichever side has more points.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ParetoPoint:
    """A cost, as a share of the static network's, and an accuracy in [0, 1]."""

    cost: float
    accuracy: float


def hull(points: Sequence[ParetoPoint]) -> list[ParetoPoint]:
    """Return the corners of the upper concave hull, from the cheapest point to the most accurate one."""
    corners: list[ParetoPoint] = []
    for point in sorted(points, key=lambda point: (point.cost, -point.accuracy)):
        if corners and point.accuracy <= corners[-1].accuracy:
            continue
        while len(corners) > 1 and _slope(corners[-2], corners[-1]) <= _slope(corners[-2], point):
            corners.pop()
        corners.append(point)
    return corners


def accuracy_at(points: Sequence[ParetoPoint], cost: float) -> float:
    """Return the best accuracy of a mix of the points with this mean cost, or NaN below the cheapest point."""
    return float(accuracies_at(points, np.array([cost]))[0])


def accuracies_at(points: Sequence[ParetoPoint], costs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the best accuracies of a mix of the points with each of these mean costs, (N,); NaN below the cheapest point."""
    corners = hull(points)
    if not corners:
        return np.full(len(costs), np.nan)
    found = np.interp(costs, [corner.cost for corner in corners], [corner.accuracy for corner in corners])
    return np.where(costs < corners[0].cost, np.nan, found)


def cost_for(points: Sequence[ParetoPoint], accuracy: float) -> float:
    """Return the lowest mean cost at which a mix of the points reaches this accuracy, or NaN if none does."""
    corners = hull(points)
    if not corners or accuracy > corners[-1].accuracy:
        return float("nan")
    return float(np.interp(accuracy, [corner.accuracy for corner in corners], [corner.cost for corner in corners]))


def mean_difference(points: Sequence[ParetoPoint], others: Sequence[ParetoPoint], low: float, high: float) -> float:
    """Return by how much the hull of `points` lies above that of `others`, as a mean over the costs from `low` to `high` that both reach.

    The result is NaN if they share no such cost.
    """
    costs = np.linspace(low, high, 101)
    differences = accuracies_at(points, costs) - accuracies_at(others, costs)
    return float(np.nanmean(differences)) if np.isfinite(differences).any() else float("nan")


def hypervolume(points: Sequence[ParetoPoint], max_cost: float = 1.0, min_accuracy: float = 0.0) -> float:
    """Return the area under the hull, above `min_accuracy` and up to `max_cost`."""
    corners = hull(points)
    if not corners or corners[0].cost >= max_cost:
        return 0.0
    costs = np.unique([*(corner.cost for corner in corners if corner.cost < max_cost), max_cost])
    heights = accuracies_at(corners, costs) - min_accuracy
    return float(np.trapezoid(heights.clip(min=0), costs))


def _slope(left: ParetoPoint, right: ParetoPoint) -> float:
    rise, run = right.accuracy - left.accuracy, right.cost - left.cost
    return rise / run if run else float("inf")
