"""Heat maps of how open gates are after each epoch."""

import math

import pytest

from app.charts.openness import OPENNESS_TITLES, histogram_row, histogram_rows, openness_charts

RAN, CHANNELS = OPENNESS_TITLES.values()


@pytest.mark.parametrize(
    ("share", "row"), [(0.0, "none"), (0.004, "0–10%"), (0.1, "10–20%"), (0.999, "90–100%"), (1.0, "all"), (1 - 1e-12, "all")]
)
def test_shares_are_counted_in_tenths_but_none_and_all_by_themselves(share: float, row: str) -> None:
    assert histogram_rows()[histogram_row(share)] == row


def test_every_module_is_counted_once_after_each_epoch() -> None:
    curve = {
        "val rate of a": [(1.0, 1.0), (2.0, 0.55)],
        "val rate of b": [(1.0, 1.0), (2.0, 0.0)],
        "val rate of c": [(1.0, 0.5), (2.0, math.nan)],
        "val accuracy": [(1.0, 0.9), (2.0, 0.9)],
    }
    charts = openness_charts(curve)
    assert list(charts) == [RAN]
    (cells,) = charts[RAN].data
    assert list(cells.x) == [1.0, 2.0]
    counted = {(row, epoch): cells.z[number][column] for number, row in enumerate(cells.y) for column, epoch in enumerate(cells.x)}
    assert {place: count for place, count in counted.items() if count} == {
        ("all", 1.0): 2,
        ("50–60%", 1.0): 1,
        ("50–60%", 2.0): 1,
        ("none", 2.0): 1,
    }


def test_channels_have_a_heat_map_of_their_own_and_static_networks_none() -> None:
    assert list(openness_charts({"val rate of a": [(1.0, 1.0)], "val channels of a": [(1.0, 0.25)]})) == [RAN, CHANNELS]
    assert openness_charts({"val accuracy": [(1.0, 0.5)]}) == {}
