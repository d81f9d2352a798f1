"""The chart of a search, and what it is drawn from: figures written by hand."""

from test_charts_tradeoff import row

from app.charts.trials import trials_chart
from core.evaluation.trials import PRUNED, TRIAL, front, points, pruned, reached, searches
from core.store import Run


def trial(number: int, *rows: dict[str, object], status: str = "finished", tags: tuple[str, ...] = (TRIAL,), width: int = 8) -> Run:
    figures = {"val": list(rows), "test": [one | {"accuracy": 0.1} for one in rows]} if rows else {}
    run = Run(id=number, name=f"s/trial {number}", sweep="s", status=status, tags=list(tags), figures=figures, gated=True)
    run.config = {"architecture": {"name": "cascade", "trunk": [width, 8]}, "training": {"epochs": 2}}
    return run


CHEAP = trial(1, row(0.0, 0.5, 10), row(1.0, 0.7, 60))
DEAR = trial(2, row(0.0, 0.6, 40), row(1.0, 0.9, 90), width=16)
STOPPED = trial(3, status="stopped", tags=(TRIAL, PRUNED))
WAITING = trial(4, status="queued")


def test_a_search_is_the_sweep_of_its_trials() -> None:
    other = Run(id=9, name="other", sweep="other", status="finished", tags=[], figures={}, gated=True)
    assert searches([WAITING, STOPPED, DEAR, CHEAP, other]) == {"s": [CHEAP, DEAR, STOPPED, WAITING]}
    assert [pruned(run) for run in (CHEAP, STOPPED, WAITING)] == [False, True, False]
    assert not pruned(trial(5, row(0.0, 0.5, 1), tags=(TRIAL, PRUNED)))  # it finished before it was stopped


def test_what_a_trial_reached_is_the_mean_over_lam() -> None:
    assert reached(CHEAP) == (0.6, 35)
    assert reached(STOPPED) is None


def test_the_front_has_no_point_that_another_beats() -> None:
    best = front(points([DEAR, STOPPED, CHEAP]))
    assert [(point.run.id, point.lam, point.accuracy) for point in best] == [(1, 0.0, 0.5), (2, 0.0, 0.6), (1, 1.0, 0.7), (2, 1.0, 0.9)]
    beaten = trial(6, row(0.5, 0.4, 50))
    assert front(points([DEAR, CHEAP, beaten])) == best


def test_the_chart_draws_each_trial_and_the_front_with_what_differs() -> None:
    chart = trials_chart([CHEAP, DEAR, STOPPED, WAITING])
    first, second, best = chart.data
    assert [trace.showlegend for trace in (first, second)] == [True, False]
    assert list(best.x) == [10, 40, 60, 90]
    assert list(best.customdata[-1]) == ["s/trial 2", 1.0]
    assert "16, 8" in best.text[-1]
    assert "epochs" not in best.text[-1].lower()  # the same in all
    assert "10.0% of the test images" in first.text[0]


def test_a_trial_without_gates_is_a_point() -> None:
    (point, best) = trials_chart([trial(1, row(None, 0.8, 100))]).data
    assert point.mode == "markers"
    assert list(best.customdata[0]) == ["s/trial 1", -1.0]
