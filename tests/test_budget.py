"""The λ for a cost, against a curve written down by hand."""

import pytest

from core.evaluation.budget import lam_for
from core.registry import ConfigError

ROWS = [{"lam": lam, "macs_mean": macs, "macs_static": 200} for lam, macs in ((0.0, 40), (0.5, 40), (1.0, 160), (0.75, 100))]


@pytest.mark.parametrize(("share", "lam"), [(0.2, 0.0), (0.35, 0.625), (0.5, 0.75), (0.65, 0.875), (0.8, 1.0)])
def test_the_lam_lies_between_those_that_were_measured(share: float, lam: float) -> None:
    assert lam_for(ROWS, share) == pytest.approx(lam)


@pytest.mark.parametrize("share", [0.0, 0.19, 0.81, 2.0])
def test_what_is_out_of_reach_is_refused_and_the_floor_named(share: float) -> None:
    with pytest.raises(ConfigError, match=r"20\.0% to 80\.0%"):
        lam_for(ROWS, share)
