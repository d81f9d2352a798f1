"""Figures in words."""

from dataclasses import dataclass

import pytest

from app.wording import clock, counted, percent, scaled, time_comparison, time_range, timing_note


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
    assert time_comparison(Spread(0.6, 0.5, 0.7), 1.0) == "40% less time than the static network"
    assert time_comparison(Spread(1.3, 1.2, 1.9), 1.0) == "30% more time than the static network: the gates cost more than they save"


@pytest.mark.parametrize("taken", [Spread(0.6, 0.5, 1.1), Spread(1.3, 0.9, 3.0), Spread(1.02, 1.01, 1.03), Spread(1.0, 1.0, 1.0)])
def test_within_the_spread_of_times_there_is_no_verdict(taken: Spread) -> None:
    assert time_comparison(taken, 1.0) == (
        "No clear difference from the static network: its time lies within the spread of the measurements"
    )


def test_a_time_has_its_spread() -> None:
    assert time_range(Spread(0.0005, 0.00045, 0.00061)) == "0.45 to 0.61 ms"
    assert time_range(Spread(0.9, 0.9, 1.2)) == "900 ms to 1.2 s"
    assert time_range(Spread(0.001, 0.001, 0.001)) == "1.0 ms"


def test_a_note_says_at_how_many_lam_an_image_was_timed() -> None:
    one, other = Spread(0.1, 0.1, 0.1), Spread(0.2, 0.1, 0.3)
    assert timing_note([one]) == timing_note([one, other]) == ""
    assert timing_note([one, one, other, other]) == "Measured at 2 values of λ; in between, the time at the nearest of them is shown."


@pytest.mark.parametrize(("scale", "text"), [(0.829, "×0.83"), (1, "×1.00"), (12.3, "×12.30"), (0.005, "×0.01"), (0.004, "under ×0.01")])
def test_scales(scale: float, text: str) -> None:
    assert scaled(scale) == text
