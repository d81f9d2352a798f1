"""The table of runs and the settings in which they differ."""

from typing import Any

import pytest

from app.comparison import differing, figures_at, setting_label
from app.runs.entries import Entry
from app.runs.table import table
from core.config import run_config
from core.store import Run


def test_only_settings_that_differ_are_listed() -> None:
    one = {"lam": None, "method": {"name": "d2nn", "controller_holdout": 0.1}, "training": {"epochs": 3, "seed": 0}}
    other = {"lam": 0.5, "method": {"name": "static"}, "training": {"epochs": 3, "seed": 1}}
    assert differing([one, other]) == {
        "lam": ["–", "0.5"],
        "method.name": ["Q-learning (D2NN)", "Static network"],
        "method.controller_holdout": ["0.1", "–"],
        "training.seed": ["0", "1"],
    }
    assert differing([one, one, one]) == {}


def test_settings_are_written_for_a_person() -> None:
    one, other = (
        run_config(
            architecture={"name": "cascade", "head": head},
            dataset="digits",
            method={"name": "d2nn", "calibrate": calibrate, "efficiency": efficiency},
        ).model_dump(mode="json")
        for head, calibrate, efficiency in (((8, 16, 32, 64), True, "macs"), ((4, 4, 4, 4), False, "seconds"))
    )
    assert differing([one, other]) == {
        "architecture.head": ["8, 16, 32, 64", "4, 4, 4, 4"],
        "method.efficiency": ["Multiply-adds", "Time on this machine"],
        "method.calibrate": ["yes", "no"],
    }


def row(lam: float | None, accuracy: float, macs: float) -> dict[str, Any]:
    return {"lam": lam, "n": 100, "accuracy": accuracy, "f1": accuracy, "macs_mean": macs, "macs_static": 1000}


def test_a_run_for_every_lam_is_listed_with_its_figures_at_the_chosen_one_and_another_with_its_own() -> None:
    config = dict(run_config(architecture="cascade", dataset="digits", method="d2nn").record())
    every = Run(id=1, name="every", status="finished", epoch=3, figures={"test": [row(0.0, 0.7, 300), row(1.0, 0.9, 900)]}, **config)
    single = Run(id=2, name="single", status="finished", epoch=3, figures={"test": [row(0.5, 0.8, 500)]}, **(config | {"lam": 0.5}))
    waiting = Run(id=3, name="waiting", status="queued", epoch=0, figures={}, **config)
    for lam, accuracy, cost in ((0.1, 0.7, 0.3), (0.8, 0.9, 0.9)):
        rows = table([Entry(run) for run in (every, single, waiting)], ("lam", "accuracy", "cost"), lam)
        assert list(rows["accuracy"])[:2] == [accuracy, 0.8]
        assert list(rows["cost"])[:2] == pytest.approx([cost, 0.5])
    assert list(rows["lam"]) == ["every λ", "0.5", "every λ"]
    assert figures_at(waiting, 0.5) is None


def test_settings_have_labels_for_a_person_even_where_an_option_is_unknown() -> None:
    configs = [
        {"lam": None, "method": {"name": "d2nn", "bag_size": 1, "gone": 2}, "training": {"learning_rate": 0.1, "freeze_bn": 0.0}},
        {"lam": 0.5, "method": {"name": "removed_method", "bag_size": 1}, "training": {"learning_rate": 0.2, "freeze_bn": 0.5}},
    ]
    labels = {name: setting_label(name, configs) for name in differing(configs)}
    assert labels["lam"] == "λ"
    assert labels["method.name"] == "Method"
    assert labels["method.gone"] == "Method: gone"
    assert labels["training.learning_rate"] == "Training: learning rate"
    assert labels["training.freeze_bn"].startswith("Training: freeze batch norm")
    assert setting_label("method.bag_size", configs) == "Method: mini-bag size (images)"
