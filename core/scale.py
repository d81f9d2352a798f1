"""The two scales of every figure: cost as a share of the static network's, and λ in the steps of the slider. Loads without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    from torch import Tensor

SLIDER_STEPS = 101  # positions of the λ slider, from λ = 0 to λ = 1
TENTHS = tuple(step / 10 for step in range(11))  # from 0 to 1: λ at which networks are compared, opening rates of random gates


@overload
def cost_share(macs: float, macs_static: float) -> float: ...
@overload
def cost_share(macs: Tensor, macs_static: float) -> Tensor: ...
def cost_share(macs: float | Tensor, macs_static: float) -> float | Tensor:
    """Return multiply-adds as a share of the static network's. A static network without any counts as one multiply-add."""
    return macs / max(macs_static, 1)


def mean_cost_share(figures: Mapping[str, Any]) -> float:
    """Return the mean cost of an evaluation, stored as plain data, as a share of its static network's."""
    return float(cost_share(figures["macs_mean"], figures["macs_static"]))


def nearest_from(steps: Sequence[int]) -> list[int]:
    """Return for each of these ascending steps of the slider the first one to which it is the nearest."""
    return [0, *((before + after) // 2 + 1 for before, after in pairwise(steps))]


def lam_at(step: int) -> float:
    """Return the λ of a step of the slider, 0 to SLIDER_STEPS − 1."""
    return step / (SLIDER_STEPS - 1)
