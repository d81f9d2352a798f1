"""Charts of accuracy against cost, from figures written by hand."""

from typing import Any

import pytest

from app.charts.modules import routes_chart
from app.charts.tradeoff import Series, along_lam_chart, compared_chart, front_chart, rows_of, series_of
from core.store import Run


def row(lam: float | None, accuracy: float, macs: float, **routes: float) -> dict[str, Any]:
    """Figures at one λ of a chain of two links; each route is named by the modules that it opened, as "ab"."""
    taken = [{"nodes": ["x", "stem", *name.strip("_"), "y"], "share": share} for name, share in routes.items()]
    rates = {node: sum(route["share"] for route in taken if node in route["nodes"]) for node in ("x", "stem", "a", "b", "y")}
    return {"lam": lam, "n": 10, "accuracy": accuracy, "macs_mean": macs, "macs_static": 100, "execution_rates": rates, "routes": taken}


def run(name: str, *rows: dict[str, Any], gated: bool = True, sweep: str | None = None, seed: int = 0, **figures: Any) -> Run:
    lam = rows[0]["lam"] if len(rows) == 1 else None
    made = Run(id=1, name=name, status="finished", gated=gated, sweep=sweep, seed=seed, lam=lam, figures={"test": list(rows)} | figures)
    made.config = {"dataset": "one"}
    return made


EVERY = run(
    "every",
    row(0.0, 0.5, 10, _=1.0),
    row(0.5, 0.8, 40, _=0.5, a=0.3, ab=0.2),
    row(1.0, 0.7, 90, ab=0.9, b=0.1),
    baselines={"test": {"random gates": [{"cost": 0.1, "accuracy": 0.5}, {"cost": 0.9, "accuracy": 0.7}], "fixed routes": []}},
)
FAMILY = [run(f"five/{lam}/{seed}", row(lam, lam, 100 * lam, a=1.0), sweep="five", seed=seed) for seed in (1, 0) for lam in (0.8, 0.2)]
STATIC = run("static", row(None, 0.9, 100, ab=1.0), gated=False)


def test_sweeps_are_one_series_and_other_gated_runs_one_each() -> None:
    waiting = Run(name="new", status="queued", gated=True, figures={})
    found = series_of([*FAMILY, EVERY, STATIC, waiting])
    assert [(series.name, len(series.runs)) for series in found] == [("five", 4), ("every", 1)]
    assert {seed: [run.lam for run in runs] for seed, runs in found[0].seeds.items()} == {0: [0.2, 0.8], 1: [0.2, 0.8]}
    assert [row["lam"] for row in rows_of(found[0].seeds[1])] == [0.2, 0.8]


def test_a_network_for_every_lam_is_not_drawn_with_those_of_its_sweep_for_one_lam_each() -> None:
    both = [
        run("both/every/0", *EVERY.figures["test"], sweep="both"),
        *(run(f"both/{lam}/0", row(lam, lam, 50), sweep="both") for lam in (0.2, 0.8)),
    ]
    found = series_of([*both, STATIC])
    assert [(series.name, [run.name for run in series.runs]) for series in found] == [
        ("both/every", ["both/every/0"]),
        ("both/each", ["both/0.2/0", "both/0.8/0"]),
    ]
    shares = [sum(band.y[0] for band in routes_chart(rows_of(found[0].runs)).data)]
    assert shares == [1.0]


def test_the_front_has_points_to_click_a_line_and_what_is_to_be_beaten() -> None:
    chart = front_chart(series_of([EVERY]), [STATIC], ["random gates", "fixed routes"])
    static, random, line, points = chart.data  # fixed routes have no points, so they are not drawn; what can be clicked is on top
    assert list(line.x) == [10, 40]  # the last point costs more and is worse
    assert list(points.y) == [0.5, 0.8, 0.7]
    assert [list(told) for told in points.customdata] == [["every", 0.0], ["every", 0.5], ["every", 1.0]]
    assert list(random.x) == [pytest.approx(10), pytest.approx(90)]  # shares of the static network's 100
    assert (list(static.x), list(static.customdata[0])) == ([100], ["static", -1])


def test_a_sweep_of_several_seeds_has_a_band_one_front_and_one_entry_in_the_legend() -> None:
    band, front, points = front_chart(series_of(FAMILY), [], []).data
    assert [trace.showlegend for trace in (band, front, points)] == [False, True, False]
    assert list(points.x) == [20, 80]


def test_what_is_to_be_beaten_is_that_of_the_first_seed() -> None:
    """Of the seed that is looked into unless another is chosen, in whatever order the runs come."""
    some = [
        run(f"all/every/{seed}", *EVERY.figures["test"], sweep="all", seed=seed, baselines=EVERY.figures["baselines"]) for seed in (1, 0)
    ]
    chart = front_chart(series_of(some), [], ["random gates"])
    assert [trace.name for trace in chart.data if "random" in (trace.name or "")] == ["all/every/0: random gates"]


def test_a_series_knows_its_seeds() -> None:
    assert list(Series("five", tuple(FAMILY)).seeds) == [0, 1]


def test_a_front_is_a_line_in_the_order_of_cost_and_a_static_network_a_mark() -> None:
    gated, static = compared_chart([run("gated", row(1.0, 0.9, 90), row(0.0, 0.7, 30)), STATIC]).data
    assert (gated.name, list(gated.x), list(gated.y), gated.mode) == ("gated", [30, 90], [0.7, 0.9], "lines+markers")
    assert (static.name, list(static.x), static.mode) == ("static", [100], "markers")
    assert gated.text[0] == "λ = 0: 70.0% at 30 multiply-adds, 30% of the static network"
    assert gated.line.dash != static.line.dash
    assert gated.marker.symbol != static.marker.symbol


def test_cost_along_lam_is_a_share() -> None:
    rows = [{"lam": lam, "accuracy": 0.9, "macs_mean": 500.0 * lam, "macs_static": 1000} for lam in (0.0, 0.5, 1.0)]
    accuracy, cost = along_lam_chart(rows).data
    assert list(cost.y) == [0.0, 0.25, 0.5]
    assert list(accuracy.x) == [0.0, 0.5, 1.0]


def test_a_mark_at_the_edge_of_the_chart_is_drawn_whole() -> None:
    assert all(trace.cliponaxis is False for trace in front_chart(series_of([EVERY]), [STATIC], []).data)
