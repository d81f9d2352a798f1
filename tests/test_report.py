"""The figures of a report, against ones worked out by hand."""

from math import isnan
from typing import Any

import pytest

from core.evaluation.report import (
    BEST,
    NO_BETTER_THAN_ROUTES,
    RANDOM,
    SAME_FOR_ALL,
    against,
    alone,
    mean_dependence,
    over_seeds,
    same_images,
    warnings,
)
from core.pareto import ParetoPoint
from core.registry import ConfigError
from core.store import Run


def run(name: str, costs: list[float], accuracies: list[float], *, macs: int = 100, dataset: str = "one", **figures: Any) -> Run:
    lams = [None] if len(costs) == 1 else [index / (len(costs) - 1) for index in range(len(costs))]
    rows = [
        {"lam": lam, "n": 10, "accuracy": accuracy, "macs_mean": cost * 100, "macs_static": macs}
        for lam, cost, accuracy in zip(lams, costs, accuracies, strict=True)
    ]
    return Run(name=name, seed=0, status="finished", config={"dataset": dataset}, figures={"test": rows} | figures)


def gated(random: float = 0.6) -> Run:
    points = {
        "full path": [{"cost": 1.0, "accuracy": 0.9}],
        "random gates": [{"cost": 0.1, "accuracy": random}, {"cost": 1.0, "accuracy": random}],
    }
    return run("gated", [0.1, 0.2, 0.5], [0.6, 0.8, 0.9], baselines={"test": points})


def test_a_run_alone() -> None:
    told = alone([gated()], "test")
    assert told["largest step of cost between neighbouring λ"] == pytest.approx(0.3)
    assert told["cost within 0.5 points of its full path"] == pytest.approx(0.2 + 0.3 * 0.95)
    assert told["cost within 1 points of its full path"] == pytest.approx(0.2 + 0.3 * 0.9)
    # from 0.3 to 0.5 it rises from 0.8333 to 0.9 and stays there to 0.7, against 0.6
    assert told[RANDOM] == pytest.approx((0.5 * (0.8333 + 0.9) + 0.9) / 2 - 0.6, abs=1e-3)
    assert warnings(gated()) == []
    assert "has not learned when to skip" in warnings(gated(random=0.95))[0]


def test_a_baseline_without_points_is_left_out() -> None:
    bare = run("one", [0.31], [0.85], baselines={"test": {"full path": [], "fixed routes": [], "random gates": []}})
    assert set(alone([bare], "test")) == {"lowest cost", "highest accuracy"}
    assert warnings(bare) == []


def test_a_network_is_held_against_random_gates_where_it_is() -> None:
    """Its one point costs more than the span over which gains are averaged."""
    random = {"random gates": [{"cost": 0.1, "accuracy": 0.5}, {"cost": 1.0, "accuracy": 0.9}]}
    below, above = (run("one", [0.9], [accuracy], baselines={"test": random}) for accuracy in (0.7, 0.9))
    assert "has not learned when to skip" in warnings(below)[0]
    assert warnings(above) == []


def test_a_network_of_one_lam_is_compared_at_its_cost_alone() -> None:
    """That a rival reaches more at a cost which it does not have says nothing of its gates."""
    rivals = {name: [{"cost": 0.3, "accuracy": 0.84}, {"cost": 0.7, "accuracy": 0.93}] for name in ("random gates", "fixed routes")}
    better = run("one", [0.31], [0.85], baselines={"test": rivals})
    assert warnings(better) == []
    told = alone([better], "test")
    assert told["gain over fixed routes, at its cost"] == pytest.approx(0.01 - 0.09 / 40)
    assert RANDOM not in told
    others = [run("a", [0.3], [0.84]), run("b", [0.7], [0.93])]
    assert against([better], others, "test")["gain over the compared runs, at its cost"] == pytest.approx(0.01 - 0.09 / 40)
    dearer = run("one", [0.31], [0.85], baselines={"test": {"random gates": [{"cost": 0.32, "accuracy": 0.9}]}})
    assert alone([dearer], "test")["gain over random gates, at its cost"] == pytest.approx(-0.05)
    assert "has not learned when to skip" in warnings(dearer)[0]


def test_a_network_is_held_against_its_fixed_routes_too() -> None:
    """A cascade easily beats random gates, which use all its exits alike; the mix of its best routes is the harder rival."""
    rivals = {
        "random gates": [{"cost": 0.1, "accuracy": 0.5}, {"cost": 1.0, "accuracy": 0.6}],
        "fixed routes": [{"cost": 0.1, "accuracy": 0.6}, {"cost": 0.3, "accuracy": 0.9}, {"cost": 1.0, "accuracy": 0.9}],
    }
    below, above = (run("one", [0.1, 0.5, 0.7], [0.6, accuracy, accuracy], baselines={"test": rivals}) for accuracy in (0.85, 0.95))
    assert warnings(below) == [NO_BETTER_THAN_ROUTES]
    assert warnings(above) == []


def test_options_that_have_come_since_do_not_part_datasets() -> None:
    old, now = {"name": "cluttered_digits", "test": 300}, {"name": "cluttered_digits", "test": 300, "shift": 0}
    choices = (old, now, now | {"train": 200, "shift": 4}, now | {"test": 200})
    runs = [Run(name=str(number), config={"dataset": dataset}) for number, dataset in enumerate(choices)]
    assert same_images(runs[0], runs[1])
    assert same_images(runs[0], runs[2])  # what is learned from is no part of what is measured
    assert not same_images(runs[0], runs[3])


def test_there_is_no_hypervolume_over_one_point_of_the_largest_cost() -> None:
    told = against([gated()], [run("a", [1.0], [0.5]), run("b", [1.0], [0.4])], "test")
    assert isnan(told["hypervolume relative to the compared runs"])


@pytest.mark.parametrize(("between", "told"), [(0.2, []), (0.002, [SAME_FOR_ALL])])
def test_gates_that_do_not_depend_on_the_image_are_named(between: float, told: list[str]) -> None:
    """Those between the ends of λ count; at the ends all images may well be treated alike, or not."""
    one = run("one", [0.1, 0.2, 0.5], [0.6, 0.8, 0.9])
    for row, share in zip(one.figures["test"], (0.4, between, 0.4), strict=True):
        row["dependence"] = share
    assert warnings(one) == told


def test_how_much_depends_on_the_image_is_given_between_costs_or_of_the_one_that_there_is() -> None:
    own = [ParetoPoint(0.2, 0.7), ParetoPoint(0.4, 0.8), ParetoPoint(0.6, 0.9)]
    assert mean_dependence(own, [0.9, 0.1, 0.3]) == pytest.approx(0.2)
    assert mean_dependence(own[:1], [0.9]) == 0.9
    assert mean_dependence(own, [0.9, None, None]) is None
    one = run("one", [0.2], [0.7])
    one.figures["test"][0]["dependence"] = 0.25
    assert alone([one], "test")["share of the gates' variance that depends on the image, at its cost"] == 0.25


def test_a_run_against_others() -> None:
    small, large = run("small", [0.2], [0.7], macs=20), run("large", [1.0], [1.0])
    told = against([gated()], [small, large], "test")  # the small one's own reference network does not matter
    assert told[f"accuracy of {BEST}"] == 1.0
    assert told[f"cost of {BEST}"] == 1.0
    assert told[f"relative loss of accuracy at 70% of the cost of {BEST}"] == pytest.approx(0.1)
    assert told[f"relative loss of accuracy at 38% of the cost of {BEST}"] == pytest.approx(1 - (0.8 + 0.6 * 0.1))
    assert told["gain at the cost of each compared run, mean"] == pytest.approx((0.1 - 0.1) / 2)
    assert told["gain at the cost of each compared run, lowest"] == pytest.approx(-0.1)
    own = 0.1 * 0.1 + 0.3 * 0.25 + 0.5 * 0.3  # above the corner of cost 1 and accuracy 0.6
    assert told["hypervolume relative to the compared runs"] == pytest.approx(own / (0.8 * 0.25))


def test_an_equal_run_has_ratio_one_and_no_difference() -> None:
    told = against([gated()], [gated()], "test")
    assert told["hypervolume relative to the compared runs"] == pytest.approx(1)
    assert told["gain at the cost of each compared run, mean"] == pytest.approx(0)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ConfigError, match="not measured on the same images"):
        against([gated()], [run("other", [1.0], [1.0], dataset="two")], "test")
    with pytest.raises(ConfigError, match="no figures yet"):
        alone([Run(name="new", status="queued", figures={})], "test")


def test_means_and_deviations_over_seeds() -> None:
    assert over_seeds([{"a": 1.0, "b": 2.0}, {"a": 3.0}]) == {"a": (2.0, pytest.approx(2**0.5))}
    assert over_seeds([{"a": 1.0}]) == {"a": (1.0, None)}
    mean, deviation = over_seeds([{"a": 1.0}, {"a": float("nan")}, {"a": 2.0}])["a"]
    assert isnan(mean)
    assert deviation is not None
    assert isnan(deviation)
