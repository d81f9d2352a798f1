"""A search: its space comes from the registry, its memory are the runs, and what is worse is stopped."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from records import measured
from test_cli import call, refused

from core.config import RunConfig, run_config
from core.evaluation.trials import PRUNED, TRIAL, pruned
from core.registry import ConfigError
from core.search.pruning import at_rung, is_worse, ranks, rungs
from core.search.sampler import MissingOptunaError, Tried, check_installed, suggest
from core.search.search import TrialSearch
from core.search.space import applied, space_of, values_in
from core.store import Run, Store
from core.training import sweep as sweeping

LEAST = {"name": "cascade", "trunk": [2, 2], "head": [2, 2]}
VARIED = ["architecture.trunk[0]=1:4", "training.learning_rate=0.001:0.1"]


def tiny(epochs: int = 1, **training: Any) -> RunConfig:
    return run_config(architecture=LEAST, dataset="faces", method="d2nn", training={"epochs": epochs} | training)


class Instant:
    """Stands in for a process of a worker: the run is finished before it is first looked at."""

    def __init__(self, store: Store, run_id: int) -> None:
        self.returncode = 0
        store.lifecycle.claim(run_id)
        store.lifecycle.finish(run_id, measured(accuracy=0.5 + run_id / 1000))

    def poll(self) -> int:
        return self.returncode


@pytest.fixture
def store(scratch_database: str, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store whose runs need no training."""
    store = Store(scratch_database)
    monkeypatch.setattr(sweeping, "start", lambda run_id, url, log=None: Instant(store, run_id))
    monkeypatch.setattr(sweeping, "POLL", 0.0)
    return store


def test_the_space_is_within_the_bounds_of_the_registry() -> None:
    config = run_config(architecture="cascade", dataset="digits", method="d2nn")
    space = {dimension.name: dimension for dimension in space_of(config, [])}
    assert list(space)[:4] == [f"architecture.trunk[{item}]" for item in range(4)]
    assert {"architecture.depth", "training.learning_rate", "training.weight_decay"} <= space.keys()
    trunk, depth, rate = (space[name] for name in ("architecture.trunk[0]", "architecture.depth", "training.learning_rate"))
    assert (trunk.low, trunk.high, trunk.integer, trunk.log) == (4, 16, True, True)
    assert (depth.low, depth.high) == (1, 2)  # at least 1
    assert (rate.low, rate.high, rate.integer, rate.log) == pytest.approx((2e-4, 2e-2, False, True))
    (smoothing,) = space_of(config, ["training.label_smoothing"])
    assert smoothing.low == 0
    assert 0.99 < smoothing.high < 1  # below 1
    seen, optimizer, ema = space_of(config, ["architecture.controller_sees", "training.optimizer=sgd", "training.init_partial"])
    assert (seen.choices, optimizer.choices, ema.choices) == (("features", "answer"), ("sgd",), (False, True))
    named = space_of(config, ["training.init_partial=true", "training.batch_size=32,64", "training.learning_rate=0.1,0.01"])
    assert [one.choices for one in named] == [(True,), (32, 64), (0.1, 0.01)]


@pytest.mark.parametrize(
    ("varied", "told"),
    [
        ("training.nothing", "name an option of architecture, method, training"),
        ("dataset.seed", "name an option of architecture, method, training"),
        ("training.epochs", "epochs and the seed are the same for all"),
        ("architecture.trunk[9]", "only numbers, choices and lists of integers"),
        ("training.init_from", "only numbers, choices and lists of integers"),
        ("training.learning_rate=1:2:3", "write the range as LOW:HIGH"),
        ("training.learning_rate=much", "write the range as LOW:HIGH"),
        ("training.learning_rate=0.1:11", "only numbers from 0 to 10 are possible"),
        ("training.batch_size=1.5,2", "only integers from 2 to 65536 are possible"),
        ("training.learning_rate=0.1:0.01", "LOW must not exceed HIGH"),
        ("training.learning_rate[0]", "only a list of integers has items"),
        ("training.optimizer[0]=sgd", "only a list of integers has items"),
        ("training.init_partial=nonsense", "nonsense is not one of false, true"),
        ("training.optimizer=adam", "adam is not one of adamw, sgd"),
    ],
)
def test_what_cannot_be_varied_is_said(varied: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told.replace("[", r"\[")):
        space_of(tiny(), [varied])


def test_an_option_is_varied_once() -> None:
    with pytest.raises(ConfigError, match="named twice"):
        space_of(tiny(), ["architecture.trunk", "architecture.trunk[1]"])


def test_values_go_into_a_configuration_and_come_back() -> None:
    space = space_of(tiny(), VARIED)
    config = run_config(**applied(tiny(), {"architecture.trunk[0]": 3, "training.learning_rate": 0.01}))
    assert config.model_dump()["architecture"]["trunk"] == (3, 2)
    assert values_in(config.record().config, space) == {"architecture.trunk[0]": 3, "training.learning_rate": 0.01}
    assert values_in(tiny(learning_rate=0.5).record().config, space) is None
    assert values_in({"architecture": {"trunk": "none"}}, space) is None


def test_suggestions_repeat_themselves_lie_in_the_space_and_follow_what_was_reached() -> None:
    """After many trials of which the narrow ones are as accurate and cheaper, most suggestions are narrow."""
    space = space_of(run_config(architecture="cascade", dataset="digits", method="d2nn"), ["architecture.trunk[3]=8:256"])
    tried: list[Tried] = []
    for number in range(40):
        values = suggest(space, tried, number)
        assert values == suggest(space, tried, number)
        width = values["architecture.trunk[3]"]
        assert isinstance(width, int)
        assert 8 <= width <= 256
        tried.append(Tried(values, (0.9, float(width))))
    widths = [int(one.values["architecture.trunk[3]"]) for one in tried]
    assert sum(widths[20:]) < sum(widths[:20])


def test_a_point_is_in_a_better_front_if_none_beats_it_in_both() -> None:
    points = [(0.9, 100.0), (0.5, 10.0), (0.8, 100.0), (0.4, 20.0), (0.3, 120.0)]
    assert ranks(points) == [0, 0, 1, 1, 2]
    assert is_worse(points[4], points[:4])
    assert not is_worse(points[0], points[1:])
    assert not is_worse(points[4], points[:3])  # too few to compare with


def test_trials_are_compared_before_the_last_epoch() -> None:
    assert rungs(1) == []
    assert rungs(2) == [1]
    assert rungs(8) == [2, 4]


def test_the_point_at_a_rung_is_the_mean_over_lam() -> None:
    history = {
        **{f"val accuracy at λ={lam}": [(1.0, 0.2), (2.0, accuracy)] for lam, accuracy in ((0, 0.5), (1, 0.7))},
        **{f"val cost share at λ={lam}": [(1.0, 0.1), (2.0, share)] for lam, share in ((0, 0.25), (1, 0.75))},
        "train loss": [(2.0, 9.0)],
    }
    assert at_rung(history, 2, 1000) == pytest.approx((0.6, 500))
    assert at_rung(history, 3, 1000) is None


def test_a_search_trains_its_trials_and_the_same_search_goes_on(store: Store) -> None:
    space = space_of(tiny(), VARIED)
    first = TrialSearch(store, tiny(), space, "s", 2)
    *_, runs = first.run(jobs=1)
    assert [(run.name, run.status, run.tags, run.sweep) for run in runs] == [
        (f"s/trial {number}", "finished", [TRIAL], "s") for number in (1, 2)
    ]
    values = [values_in(run.config, space) for run in runs]
    assert values[0] != values[1]
    *_, more = TrialSearch(store, tiny(), space, "s", 3).run(jobs=1)
    assert [run.id for run in more[:2]] == [run.id for run in runs]
    assert len(more) == 3
    *_, again = TrialSearch(store, tiny(), space, "s", 3).run(jobs=1)
    assert [(run.id, run.started) for run in again] == [(run.id, run.started) for run in more]


def test_a_trial_is_marked_as_it_is_added_and_names_are_not_given_twice(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    space = space_of(tiny(), VARIED)
    *_, runs = TrialSearch(store, tiny(), space, "s", 2).run(jobs=1)
    store.runs.annotate(runs[1].id, tags=[])  # it is no trial any more, but keeps its name
    monkeypatch.setattr(store.runs, "annotate", lambda *_, **__: pytest.fail("a trial is marked in a second step"))
    *_, more = TrialSearch(store, tiny(), space, "s", 2).run(jobs=1)
    assert [run.name for run in more] == ["s/trial 1", "s/trial 3"]


@pytest.mark.parametrize(
    ("config", "varied", "says"),
    [
        (tiny(), ["architecture.trunk[0]=1:4"], "training.learning_rate"),
        (tiny(2), VARIED, "training.epochs"),
        (tiny(weight_decay=0.5), VARIED, "training.weight_decay"),
        (run_config(architecture=LEAST, dataset="faces", method="d2nn", lam=0.5, training={"epochs": 1}), VARIED, "λ"),
        (run_config(architecture=LEAST, dataset="digits", method="d2nn", training={"epochs": 1}), VARIED, "dataset"),
    ],
)
def test_a_search_with_other_settings_needs_another_name(store: Store, config: RunConfig, varied: list[str], says: str) -> None:
    *_, runs = TrialSearch(store, tiny(), space_of(tiny(), VARIED), "s", 1).run(jobs=1)
    assert len(runs) == 1
    with pytest.raises(ConfigError, match=f"s is a search with another {says}: choose another name with --name"):
        TrialSearch(store, config, space_of(config, varied), "s", 2)


def test_a_search_ends_where_all_values_have_been_tried(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.search.search.ATTEMPTS", 20)
    found = TrialSearch(store, tiny(), space_of(tiny(), ["architecture.trunk[0]=1:2"]), "s", 5)
    *_, runs = found.run(jobs=1)
    assert len(runs) == 2
    assert found.refusal == "all values of these options have been tried"


def test_values_that_are_refused_make_no_run(store: Store) -> None:
    config = run_config(architecture=LEAST, dataset="faces", method={"name": "d2nn", "controller_holdout": 0}, training={"epochs": 1})
    found = TrialSearch(store, config, space_of(config, ["training.mixup=0.5:1"]), "s", 2)
    assert list(found.run(jobs=1)) == [[]]
    assert "method.controller_holdout" in found.refusal


def test_the_name_of_a_sweep_is_refused(store: Store) -> None:
    store.runs.create(tiny().record(), name="mine", sweep="s")
    with pytest.raises(ConfigError, match="s is a sweep and not a search"):
        TrialSearch(store, tiny(), space_of(tiny(), VARIED), "s", 2)


@pytest.fixture
def judged(store: Store) -> Callable[[float], Run]:
    """Four trials that have come far, and a fifth in training that reaches an accuracy; returns the fifth as it is then."""
    found = TrialSearch(store, tiny(epochs=4), space_of(tiny(epochs=4), VARIED), "s", 9)

    def point(number: int, accuracy: float) -> Run:
        config = tiny(epochs=4, learning_rate=0.001 * number)
        run = store.runs.create(config.record(), name=f"s/trial {number}", sweep="s")
        store.runs.annotate(run.id, tags=[TRIAL])
        store.lifecycle.claim(run.id)
        store.metrics.log(run.id, 1.0, {"val accuracy": accuracy, "val cost share": 0.5})
        return run

    def judge(accuracy: float) -> Run:
        for number in range(1, 5):
            store.lifecycle.stop(point(number, 0.5).id)
        last = point(5, accuracy)
        found._stop_worse(found.runs())
        return store.runs.get(last.id)

    return judge


def test_a_trial_that_is_worse_than_half_of_the_others_is_asked_to_stop(judged: Callable[[float], Run], store: Store) -> None:
    run = judged(0.4)
    assert run.stop_requested
    assert run.tags == [TRIAL, PRUNED]
    store.lifecycle.stop(run.id)
    found = TrialSearch(store, tiny(epochs=4), space_of(tiny(epochs=4), VARIED), "s", 5)
    stopped = found.runs()[-1]
    assert pruned(stopped)
    accuracy, macs = found._reached(stopped) or (0.0, 0.0)
    assert accuracy == 0.4
    assert macs > 0
    *_, runs = found.run(jobs=1)
    assert [run.status for run in runs] == ["finished"] * 4 + ["stopped"]  # the others had been interrupted, so they go on


def test_a_trial_as_good_as_the_others_goes_on(judged: Callable[[float], Run]) -> None:
    run = judged(0.5)
    assert not run.stop_requested
    assert run.tags == [TRIAL]


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.search.sampler.find_spec", lambda package: None)
    with pytest.raises(MissingOptunaError, match=r"python -m pip install -r core/search/requirements\.txt"):
        check_installed()


def test_a_mistake_in_a_command_is_one_line_and_adds_nothing(scratch_database: str) -> None:
    words = ["search", "cascade", "--dataset", "faces", "--trials", "1", "--db", scratch_database]
    assert "--vary training.nothing" in refused(*words, "--vary", "training.nothing")
    assert not Path(scratch_database.removeprefix("sqlite:///")).exists()


@pytest.mark.long
def test_a_search_by_command_prints_the_front_and_continues(scratch_database: str) -> None:
    sizes = ["--set", "architecture.trunk=[2,2]", "--set", "architecture.head=[2,2]"]
    words = ["search", "cascade", "--dataset", "digits", "--epochs", "2", *sizes, "--db", scratch_database, "--jobs", "2"]
    called = call(*words, "--trials", "2")
    assert called.returncode == 0, called.stderr
    assert "cascade-digits-search: front of 2 finished trials" in " ".join(called.stdout.split())
    called = call(*words, "--trials", "3", "--json")
    assert called.returncode == 0, called.stderr
    assert len([run for run in Store(scratch_database).runs.all() if run.sweep == "cascade-digits-search"]) == 3
