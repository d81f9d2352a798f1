"""The chart of the cheapest right λ, from counts written by hand."""

import pytest

from app.charts.cheapest import NEVER, accuracy_chart, cheapest_right_chart


def test_every_lam_has_a_bar_and_so_have_images_that_are_never_right() -> None:
    (bars,) = cheapest_right_chart((0.0, 0.5, 1.0), [6, 2, 0], 2).data
    assert list(bars.x) == ["0", "0.5", "1", NEVER]
    assert list(bars.y) == pytest.approx([0.6, 0.2, 0, 0.2])
    assert list(bars.text) == ["60%", "20%", "", "20%"]


def test_stored_accuracies_are_drawn_at_their_lam() -> None:
    (bars,) = accuracy_chart([{"lam": 0.0, "accuracy": 0.7}, {"lam": 1.0, "accuracy": 0.9}]).data
    assert (list(bars.x), list(bars.y)) == (["0", "1"], [0.7, 0.9])
