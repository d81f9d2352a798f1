"""Points of cost and accuracy, and the front that they span.

A mix of two networks, or of two settings of one, reaches every point of the line between them. So fronts are compared as concave hulls:
plain staircases would gain from mere numbers of points.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ParetoPoint:
    """What something costs, as a share of the reference network, and how accurate it is, in [0, 1]."""

    cost: float
    accuracy: float


def hull(points: Sequence[ParetoPoint]) -> list[ParetoPoint]:
    """The corners of the upper concave hull from the cheapest point to the most accurate one, by cost; costs and accuracies both rise."""
    corners: list[ParetoPoint] = []
    for point in sorted(points, key=lambda point: (point.cost, -point.accuracy)):
        if corners and point.accuracy <= corners[-1].accuracy:
            continue
        while len(corners) > 1 and _slope(corners[-2], corners[-1]) <= _slope(corners[-2], point):
            corners.pop()
        corners.append(point)
    return corners


def accuracy_at(points: Sequence[ParetoPoint], cost: float) -> float:
    """The best accuracy that a mix of the points reaches at a mean cost; not-a-number below the cheapest point."""
    corners = hull(points)
    if not corners or cost < corners[0].cost:
        return float("nan")
    return float(np.interp(cost, [corner.cost for corner in corners], [corner.accuracy for corner in corners]))


def cost_for(points: Sequence[ParetoPoint], accuracy: float) -> float:
    """The least mean cost at which a mix of the points reaches an accuracy; not-a-number if none does."""
    corners = hull(points)
    if not corners or accuracy > corners[-1].accuracy:
        return float("nan")
    return float(np.interp(accuracy, [corner.accuracy for corner in corners], [corner.cost for corner in corners]))


def mean_difference(points: Sequence[ParetoPoint], others: Sequence[ParetoPoint], low: float, high: float) -> float:
    """By how much the hull of `points` lies above that of `others`, on average over costs from `low` to `high` where both have one."""
    costs = np.linspace(low, high, 101)
    differences = [accuracy_at(points, cost) - accuracy_at(others, cost) for cost in costs]
    return float(np.nanmean(differences)) if np.isfinite(differences).any() else float("nan")


def hypervolume(points: Sequence[ParetoPoint], most: float = 1.0, least_accuracy: float = 0.0) -> float:
    """The area under the hull, above an accuracy, up to a cost."""
    corners = hull(points)
    if not corners or corners[0].cost >= most:
        return 0.0
    costs = np.unique([*(corner.cost for corner in corners if corner.cost < most), most])
    heights = np.array([accuracy_at(corners, cost) for cost in costs]) - least_accuracy
    return float(np.trapezoid(heights.clip(min=0), costs))


def _slope(left: ParetoPoint, right: ParetoPoint) -> float:
    rise, run = right.accuracy - left.accuracy, right.cost - left.cost
    return rise / run if run else float("inf")
