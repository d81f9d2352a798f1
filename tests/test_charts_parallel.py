"""Parallel coordinates and smoothed curves."""

import math

import pytest

from app.charts.curves import CurveView, compared_curves_chart, curve_chart, smoothed
from app.charts.parallel import parallel_chart, telling_axes


def test_numbers_stand_on_a_scale_and_words_below_each_other() -> None:
    axes = {
        "Method": ["static", "d2nn", "static"],
        "Training: learning rate": [1e-4, 0.1, 0.01],
        "Head": [4, None, 8],
        "Test accuracy": [0.8, 0.9, None],
    }
    method, rate, head, accuracy = parallel_chart(axes, "Test accuracy").data[0].dimensions
    assert (list(method["values"]), list(method.ticktext)) == ([0, 1, 0], ["static", "d2nn"])
    assert list(rate["values"]) == pytest.approx([-4, -1, -2])
    assert rate.label == "Learning rate"
    assert list(head.ticktext) == ["–", "4", "8"]
    assert list(head["values"]) == [1, 0, 2]
    assert list(accuracy.ticktext) == ["–", "80.0%", "90.0%"]


def test_runs_without_figures_can_be_drawn() -> None:
    chart = parallel_chart({"Seed": [1, 1], "Test accuracy": [None, None]}, "Test accuracy")
    assert chart.data[0].line.cmax > chart.data[0].line.cmin


def test_axes_on_which_runs_do_not_differ_are_left_out_and_numbers_are_readable() -> None:
    axes = {
        "Seed": [0, 1, 12],
        "Method": ["static", "static", "static"],
        "Test accuracy": [0.9512, 0.9508, 0.9],
        "Cost": [1.0, 1.0, 1.0],
        "Multiply-adds": [23_710_000.0, 1_000_000.0, 9_480_000.0],
    }
    assert telling_axes(axes) == ["Seed", "Test accuracy", "Multiply-adds"]
    seed, accuracy, macs = parallel_chart(axes, "Test accuracy").data[0].dimensions
    assert list(seed.ticktext) == ["0", "1", "12"]
    assert list(accuracy.ticktext) == ["90.00%", "95.12%"], "95.08% would be covered"
    assert list(macs.ticktext) == ["1.00 M", "9.48 M", "23.7 M"]
    assert list(macs["values"]) == axes["Multiply-adds"]


def test_names_from_outside_are_no_markup() -> None:
    chart = parallel_chart({"<b>a</b>": ["<i>x</i>", "y"], "Test accuracy": [0.1, 0.2]}, "Test accuracy")
    assert chart.data[0].dimensions[0].label == "&lt;b&gt;a&lt;/b&gt;"
    assert chart.data[0].dimensions[0].ticktext[0].startswith("&lt;i&gt;")


def test_a_smoothed_line_begins_at_its_first_value_and_keeps_gaps() -> None:
    values = smoothed([1.0, 1.0, math.nan, 0.0], 0.5)
    assert values[:2] == [1.0, 1.0]
    assert math.isnan(values[2])
    assert 0 < values[3] < 1
    assert smoothed([3.0, 5.0], 0.0) == [3.0, 5.0]


def test_curves_are_drawn_smoothed_along_time_and_on_logarithmic_axes() -> None:
    lines = {"loss": [(1.0, 4.0), (2.0, 2.0), (3.0, 1.0)]}
    chart = curve_chart("Loss", lines, 3, shares=False, view=CurveView(smoothing=0.5, log_x=True, log_y=True, minutes=2.0))
    assert len(chart.data) == 2, "the values themselves stand behind"
    assert list(chart.data[1].x) == [2.0, 4.0, 6.0]
    assert (chart.layout.xaxis.type, chart.layout.yaxis.type) == ("log", "log")
    assert not chart.layout.showlegend
    compared = compared_curves_chart({"a": lines, "b": {}}, "loss", [CurveView(), CurveView()])
    assert [list(trace.y) for trace in compared.data] == [[4.0, 2.0, 1.0], []]
