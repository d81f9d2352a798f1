"""Runs beside each other."""

from typing import Any

from app.charts.comparison import courses_chart, differing, fronts_chart
from core.config import run_config
from core.store import Store


def row(lam: float | None, accuracy: float, macs: float) -> dict[str, Any]:
    return {"lam": lam, "n": 100, "accuracy": accuracy, "f1": accuracy, "macs_mean": macs, "macs_static": 1000}


def test_only_options_that_differ_are_told() -> None:
    one = {"lam": None, "method": {"name": "d2nn", "controller_holdout": 0.1}, "training": {"epochs": 3, "seed": 0}}
    other = {"lam": 0.5, "method": {"name": "static"}, "training": {"epochs": 3, "seed": 1}}
    assert differing([one, other]) == {
        "lam": ["–", "0.5"],
        "method.name": ["d2nn", "static"],
        "method.controller_holdout": ["0.1", "–"],
        "training.seed": ["0", "1"],
    }
    assert differing([one, one, one]) == {}


def test_a_front_is_a_line_in_the_order_of_cost_and_a_static_network_a_mark(scratch_database: str) -> None:
    store = Store(scratch_database)
    runs = []
    for name, rows in {"gated": [row(1.0, 0.9, 900), row(0.0, 0.7, 300)], "static": [row(None, 0.92, 1000)]}.items():
        config = run_config(architecture="cascade", dataset="digits", method="static" if name == "static" else "d2nn")
        run = store.lifecycle.claim(store.runs.create(config.record(), name=name).id)
        store.lifecycle.finish(run.id, {"val": rows, "test": rows}, weights=b"", epoch=1)
        runs.append(store.runs.get(run.id))
    gated, static = fronts_chart(runs).data
    assert (gated.name, list(gated.x), list(gated.y), gated.mode) == ("gated", [300, 900], [0.7, 0.9], "lines+markers")
    assert (static.name, list(static.x), static.mode) == ("static", [1000], "markers")
    assert gated.text[0] == "λ = 0: 70.0% at 300, 30% of its static network"
    assert gated.line.dash != static.line.dash
    assert gated.marker.symbol != static.marker.symbol


def test_many_runs_can_be_told_apart_and_one_epoch_can_be_seen() -> None:
    lines = courses_chart({f"run {number}": {"val accuracy": [(1, 0.5)]} for number in range(12)}).data
    assert len({(line.line.color, line.line.dash) for line in lines}) == 12
    assert all(line.mode == "lines+markers" for line in lines)


def test_the_course_of_a_run_for_several_lam_is_that_of_the_best() -> None:
    curve = {"val accuracy at λ=0": [(1, 0.5), (2, 0.6)], "val accuracy at λ=1": [(1, 0.4), (2, 0.8)], "train loss": [(1, 9.0)]}
    (line,) = courses_chart({"gated": curve}).data
    assert (list(line.x), list(line.y)) == ([1, 2], [0.5, 0.8])
