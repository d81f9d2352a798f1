"""Figures in words."""

from dataclasses import dataclass

import pytest

from app.wording import clock, counted, percent, scaled, time_comparison, time_range, time_with_range, timing_note


@dataclass(frozen=True)
class Spread:
    median: float
    low: float
    high: float


@pytest.mark.parametrize(
    ("macs", "text"),
    [
        (0, "0"),
        (940, "940"),
        (999.6, "1.00 k"),
        (12_168, "12.2 k"),
        (99_960, "100 k"),
        (999_600, "1.00 M"),
        (21_500_000, "21.5 M"),
        (1.24e9, "1.24 G"),
    ],
)
def test_multiply_adds_have_three_figures(macs: float, text: str) -> None:
    assert counted(macs) == text


@pytest.mark.parametrize(("share", "text"), [(0, "0%"), (0.0001, "under 0.1%"), (0.07, "7.0%"), (0.0997, "10%"), (1.017, "102%")])
def test_percentages(share: float, text: str) -> None:
    assert percent(share) == text


def test_times_are_compared_with_the_static_network() -> None:
    assert [clock(seconds) for seconds in (0.00048, 0.00101, 0.0123, 1.24)] == ["0.48 ms", "1.0 ms", "12 ms", "1.2 s"]
    static = Spread(1.0, 0.8, 1.2)
    assert time_comparison(Spread(0.6, 0.5, 0.7), static) == "40% less time than the static network"
    assert time_comparison(Spread(1.3, 1.25, 1.9), static) == "30% more time than the static network: the gates cost more than they save"


@pytest.mark.parametrize(
    ("taken", "static"),
    [
        pytest.param(Spread(0.6, 0.5, 0.9), Spread(1.0, 0.85, 1.2), id="the middle halves overlap below"),
        pytest.param(Spread(1.5, 1.1, 3.0), Spread(1.0, 0.85, 1.2), id="the middle halves overlap above"),
        pytest.param(Spread(0.6, 0.5, 0.7), Spread(1.0, 0.6, 1.9), id="a busy machine while the static network ran"),
        pytest.param(Spread(0.92, 0.91, 0.93), Spread(1.0, 0.99, 1.01), id="apart, but by less than 10%"),
        pytest.param(Spread(1.08, 1.07, 1.09), Spread(1.0, 0.99, 1.01), id="apart above, but by less than 10%"),
        pytest.param(Spread(1.0, 1.0, 1.0), Spread(1.0, 1.0, 1.0), id="alike"),
    ],
)
def test_without_a_clear_difference_of_times_there_is_no_verdict(taken: Spread, static: Spread) -> None:
    assert time_comparison(taken, static) == ("No clear difference from the static network: the measurements overlap or lie close together")


def test_a_time_has_its_spread() -> None:
    assert time_range(Spread(0.0005, 0.00045, 0.00061)) == "0.45 to 0.61 ms"
    assert time_with_range(Spread(0.0005, 0.00045, 0.00061)) == "0.50 ms (0.45 to 0.61 ms)"
    assert time_range(Spread(0.9, 0.9, 1.2)) == "900 ms to 1.2 s"
    assert time_range(Spread(0.001, 0.001, 0.001)) == "1.0 ms"


def test_a_note_says_at_how_many_lam_an_image_was_timed() -> None:
    one, other = Spread(0.1, 0.1, 0.1), Spread(0.2, 0.1, 0.3)
    assert timing_note([one]) == timing_note([one, other]) == ""
    assert timing_note([one, one, other, other]) == "Measured at 2 values of λ; in between, the time at the nearest of them is shown."


@pytest.mark.parametrize(("scale", "text"), [(0.829, "×0.83"), (1, "×1.00"), (12.3, "×12.30"), (0.005, "×0.01"), (0.004, "under ×0.01")])
def test_scales(scale: float, text: str) -> None:
    assert scaled(scale) == text
