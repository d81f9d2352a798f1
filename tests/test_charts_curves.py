"""Curves of training."""

from app.charts.curves import compared_curves_chart, curve_chart, grouped


def test_a_curve_is_split_by_what_it_measures() -> None:
    curve = {
        "train values loss": [(1, 2.0)],
        "train epsilon": [(1, 0.5)],
        "val accuracy at λ=0.5": [(1, 0.9)],
        "val cost share at λ=0.5": [(1, 0.4)],
    }
    groups = grouped(curve)
    assert [list(lines) for lines in groups.values()] == [["λ = 0.5"], ["λ = 0.5"], ["controllers’ predictions"]]
    assert grouped({}) == {}


def test_the_lines_of_a_chart_hold_the_points() -> None:
    figure = curve_chart("Accuracy", {"a": [(1, 0.5), (2, 0.75)], "b": [(1, 0.25)]}, 5, shares=True)
    assert list(figure.data[0].x) == [1, 2]
    assert list(figure.data[0].y) == [0.5, 0.75]
    assert figure.data[0].line.dash != figure.data[1].line.dash
    assert tuple(figure.layout.xaxis.range) == (0, 5)


def test_many_runs_can_be_told_apart_and_one_epoch_can_be_seen() -> None:
    lines = compared_curves_chart({f"run {number}": {"val accuracy": [(1, 0.5)]} for number in range(12)}).data
    assert len({(line.line.color, line.line.dash) for line in lines}) == 12
    assert all(line.mode == "lines+markers" for line in lines)


def test_the_curve_of_a_run_with_several_lam_is_that_of_the_best() -> None:
    curve = {"val accuracy at λ=0": [(1, 0.5), (2, 0.6)], "val accuracy at λ=1": [(1, 0.4), (2, 0.8)], "train loss": [(1, 9.0)]}
    (line,) = compared_curves_chart({"gated": curve}).data
    assert (list(line.x), list(line.y)) == ([1, 2], [0.5, 0.8])
