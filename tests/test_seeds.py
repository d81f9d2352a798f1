"""Figures over seeds, budgets, and the report of a sweep, from figures written by hand."""

import math
from typing import Any

import pytest

from app.budget import BestWithin, best_of_each, best_sentence, budget_steps, step_at
from app.charts.averages import ImageSets
from app.charts.tradeoff import front_chart, series_of
from app.sweep_report import ReportedSeries, sweep_report
from app.tested_images import image_sets, static_networks
from core.evaluation.seeds import best_within, by_all_but_seed, mean_rows
from core.store import Run


def figures(lam: float | None, accuracy: float, macs: float) -> dict[str, Any]:
    nodes: dict[str, Any] = {"execution_rates": {"x": 1.0}, "routes": [{"nodes": ["x"], "share": 1.0}]}
    return {"lam": lam, "n": 10, "accuracy": accuracy, "macs_mean": macs, "macs_static": 100.0, **nodes}


def run(
    name: str, *rows: dict[str, Any], seed: int = 0, width: int = 1, gated: bool = True, val: float | None = None, number: int = 1
) -> Run:
    config = {"dataset": {"name": "digits"}, "architecture": {"name": "cascade", "width": width}, "training": {"seed": seed, "epochs": 2}}
    validated = [row | {"accuracy": val} for row in rows] if val is not None else []
    made = Run(id=number, name=name, status="finished", gated=gated, seed=seed, figures={"test": list(rows), "val": validated})
    made.config, made.dataset, made.architecture, made.seconds = config, "digits", "cascade", 0.0
    return made


THREE = [run(f"three-{seed}", figures(0.5, 0.7 + 0.1 * seed, 40 + 10 * seed), seed=seed, number=seed + 1) for seed in (2, 0, 1)]


def test_seeds_of_the_same_settings_are_averaged() -> None:
    (row,) = mean_rows(THREE)
    assert [one.seed for one in row.runs] == [0, 1, 2]
    assert (row.accuracy, row.accuracy_spread, row.macs, row.macs_spread) == (pytest.approx(0.8), pytest.approx(0.1), 50, 10)
    (alone,) = mean_rows(THREE[:1])
    assert (alone.accuracy_spread, alone.macs_spread) == (None, None)
    assert math.isnan(alone.validation)


def test_other_settings_and_repeated_seeds_are_not_averaged() -> None:
    again, wider = run("again", figures(0.5, 0.1, 40), seed=1), run("wider", figures(0.5, 0.1, 40), width=2)
    groups = by_all_but_seed([*THREE, again, wider])
    assert sorted(sorted(one.name for one in group) for group in groups) == [["again"], ["three-0", "three-1", "three-2"], ["wider"]]


def test_runs_of_no_sweep_that_differ_in_the_seed_are_one_series() -> None:
    assert [(series.name, len(series.runs)) for series in series_of(THREE)] == [("three-0", 3)]
    band, line, points = front_chart(series_of(THREE), [], []).data
    assert band.fill == "toself"
    assert list(points.error_x.array) == [10]
    assert [list(told) for told in points.customdata] == [["three-0", 0.5]]
    assert "80.0% ± 10.0 at 50 ± 10 multiply-adds" in points.text[0]
    assert line.showlegend
    assert not points.showlegend


def test_the_best_network_under_a_budget_is_chosen_by_validation_accuracy() -> None:
    rows = mean_rows(
        [
            run("lucky", figures(0.2, 0.9, 30), val=0.6, width=1),
            run("better", figures(0.4, 0.8, 30), val=0.7, width=2),
            run("dear", figures(0.9, 0.99, 80), val=0.99, width=3),
        ]
    )
    chosen = best_within(rows, 50)
    assert chosen is not None
    assert chosen.runs[0].name == "better"
    assert best_within(rows, 20) is None


def test_a_budget_says_what_it_buys_on_each_set_of_images() -> None:
    one, other = run("one_*", figures(0.4, 0.8, 30), val=0.7), run("other", figures(0.4, 0.8, 60), val=0.7, width=2)
    tested = ImageSets(("A", "B"), {"one_*": 0, "other": 1})
    first, second = best_of_each(mean_rows([one, other]), [], 50, tested)
    assert best_sentence(first, 50, lambda text: text.replace("*", "\\*")).startswith(
        "Under 50 multiply-adds per image, the best network with gates on A is"
    )
    assert "one_\\*" in best_sentence(first, 50, lambda text: text.replace("*", "\\*"))
    assert best_sentence(second, 50, str) == "No gated network on B costs at most 50 multiply-adds per image on average: raise the budget."
    assert "static" not in best_sentence(BestWithin("", first.gated, None), 50, str).split("%")[0]


@pytest.mark.parametrize("highest", [1.0, 940.0, 1.3e6, 2.5e9])
def test_the_slider_of_budgets_reaches_the_highest_cost(highest: float) -> None:
    steps = budget_steps(highest)
    assert steps == sorted(set(steps))
    assert steps[0] > 0
    assert highest <= steps[-1] < 1.02 * highest
    for budget in (0.0, 0.3 * highest, highest):
        assert step_at(steps, budget) >= budget, "a network at this cost is within the budget"
    assert step_at(steps, 3 * highest) == steps[-1]
    assert all(step_at(steps, step) == step for step in steps)


def test_networks_are_grouped_by_the_images_that_they_were_tested_on() -> None:
    here, there = (run(name, figures(0.5, 0.9, 50), width=width) for name, width in (("here", 1), ("there", 2)))
    there.config = there.config | {"dataset": {"name": "digits", "seed": 1}}
    firsts, tested = image_sets(series_of([here, there]))
    assert {one.name for one in firsts} == {"here", "there"}
    assert len(set(tested.titles)) == 2, "a title is repeated with a number"
    still = run("still", figures(None, 0.8, 90), gated=False)
    found, with_statics = static_networks([here, still], firsts, tested)
    assert found == [still]
    assert with_statics.of is not None
    assert with_statics.of["still"] == with_statics.of["here"] != with_statics.of["there"]


def test_static_networks_of_two_sets_of_images_differ_in_shape_and_colour() -> None:
    statics = [run("a", figures(None, 0.9, 100), gated=False), run("b", figures(None, 0.8, 90), gated=False, width=2)]
    one, other = front_chart([], statics, [], tested=ImageSets(("A", "B"), {"a": 0, "b": 1})).data
    assert (one.name, other.name) == ("static networks · A", "static networks · B")
    assert one.marker.symbol != other.marker.symbol
    assert one.marker.color != other.marker.color


def test_a_report_is_one_page_that_needs_nothing_else() -> None:
    named = run("</script><b>bold", figures(0.5, 0.7, 40))
    chart = front_chart(series_of([named]), [], [])
    page = sweep_report("a & b", ["Best: <i>"], {"First": chart, "Second": chart}, [ReportedSeries("</td>", mean_rows([named]))])
    assert page.count("<table>") == 1
    assert len(page) < 1.5 * len(chart.to_html(include_plotlyjs=True)), "the library is written once"
    assert "<b>bold" not in page
    assert "<p>Best: &lt;i&gt;</p>" in page
    assert "&lt;/td&gt;" in page
    assert "a &amp; b" in page
    assert 'src="http' not in page
    assert "70.00%" in page
