"""Charts of what the modules of a network do, from figures written by hand."""

import pytest
from test_charts_tradeoff import EVERY, STATIC, row

from app.charts.modules import distinguishing_nodes, execution_rates_chart, routes_chart
from app.charts.tradeoff import rows_of


def test_distinguishing_nodes_are_those_that_some_images_skip() -> None:
    assert distinguishing_nodes(rows_of([EVERY])) == ["a", "b"]
    assert distinguishing_nodes(rows_of([STATIC])) == []


def test_the_shares_of_routes_add_up_at_every_lam() -> None:
    bands = {band.name: list(band.y) for band in routes_chart(rows_of([EVERY])).data}
    assert bands == {"no optional module": [1.0, 0.5, 0.0], "a + b": [0.0, 0.2, 0.9], "a": [0.0, 0.3, 0.0], "b": [0.0, 0.0, 0.1]}


def test_rare_routes_share_a_band() -> None:
    letters = "cdefghijk"
    many = row(0.5, 0.5, 50, **dict.fromkeys(letters, 1 / 9))
    many["execution_rates"] = dict.fromkeys(["x", "stem", *letters, "y"], 1 / 9)
    bands = routes_chart([many]).data
    assert bands[-1].name == "3 other routes"
    assert sum(band.y[0] for band in bands) == pytest.approx(1)


def test_modules_have_a_row_each() -> None:
    (heatmap,) = execution_rates_chart(rows_of([EVERY])).data
    assert list(heatmap.y) == ["a", "b"]
    assert [list(along) for along in heatmap.z] == [[0, 0.5, pytest.approx(0.9)], [0, 0.2, 1.0]]
