"""Charts of what the modules of a network do, from figures written by hand."""

import pytest
from test_charts_tradeoff import EVERY, STATIC, row

from app.charts.modules import cell_colour, distinguishing_nodes, execution_rates_chart, ink_on, routes_chart
from app.charts.tradeoff import rows_of
from app.colours import contrast, rgb


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
    heatmap, *_ = execution_rates_chart(rows_of([EVERY])).data
    assert list(heatmap.y) == ["a", "b"]
    assert [list(along) for along in heatmap.z] == [[0, 0.5, pytest.approx(0.9)], [0, 0.2, 1.0]]


def test_the_numbers_of_the_heat_map_are_readable_on_their_cells() -> None:
    rates = [step / 100 for step in range(101)]
    assert min(contrast(rgb(ink_on(cell_colour(rate))), cell_colour(rate)) for rate in rates) >= 4.5
    heatmap, *texts = execution_rates_chart(rows_of([EVERY])).data
    assert all(colour.startswith("#") for _, colour in heatmap.colorscale), "a cell that paper shines through differs on dark paper"
    shown = {(x, y): (text, layer.textfont.color) for layer in texts for x, y, text in zip(layer.x, layer.y, layer.text, strict=True)}
    rate_at = {(x, y): heatmap.z[row][column] for row, y in enumerate(heatmap.y) for column, x in enumerate(heatmap.x)}
    assert shown == {place: (f"{rate:.0%}", ink_on(cell_colour(rate))) for place, rate in rate_at.items()}
