"""Which λ spends what is asked for: from a run's stored figures on validation images."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.registry import ConfigError
from core.scale import mean_cost_share


def lam_for(rows: Sequence[Mapping[str, Any]], share: float) -> float:
    """The λ at which a network's mean cost is expected to be a share of its static network's, from its figures at several λ.

    What is asked for holds for the mean over images, not for each. Raises ConfigError for what is out of reach, and says what is not.
    """
    along = sorted(rows, key=lambda row: row["lam"])
    shares = np.maximum.accumulate([mean_cost_share(row) for row in along])
    least, most = float(shares[0]), float(shares[-1])
    if not least <= share <= most:
        raise ConfigError(f"{share:.1%} of the static network's cost is out of reach: this network spends {least:.1%} to {most:.1%}")
    last = int(np.searchsorted(shares, share, side="left"))
    lams = [float(row["lam"]) for row in along]
    if shares[last] == share:
        return lams[last]
    before = last - 1
    return lams[before] + (share - float(shares[before])) / float(shares[last] - shares[before]) * (lams[last] - lams[before])
