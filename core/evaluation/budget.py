"""The λ for a budget: a mean cost per image, as a share of the static network's."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.registry import ConfigError
from core.scale import mean_cost_share
from core.store import Run


def lam_of_run(run: Run, budget: float) -> float:
    """Return the λ at which a run is expected to spend a budget, from images that the modules have not seen. Raises ConfigError."""
    if not run.figures.get("val"):
        raise ConfigError(f"run {run.name} has no validation figures yet, from which λ is chosen: it is {run.state}")
    return lam_for(run.figures.get("budget") or run.figures["val"], budget)


def lam_for(rows: Sequence[Mapping[str, Any]], budget: float) -> float:
    """Return the λ at which a network is expected to spend a budget, interpolated between its figures at several λ.

    The budget holds for the mean over images, not for each image. Raises ConfigError where the network spends more or less at every λ.
    """
    along = sorted(rows, key=lambda row: row["lam"])
    shares = np.maximum.accumulate([mean_cost_share(row) for row in along])
    lowest, highest = float(shares[0]), float(shares[-1])
    if not lowest <= budget <= highest:
        raise ConfigError(f"a budget of {budget:.1%} is out of reach: this network spends {lowest:.1%} to {highest:.1%} of the static cost")
    last = int(np.searchsorted(shares, budget, side="left"))
    lams = [float(row["lam"]) for row in along]
    if shares[last] == budget:
        return lams[last]
    before = last - 1
    return lams[before] + (budget - float(shares[before])) / float(shares[last] - shares[before]) * (lams[last] - lams[before])
