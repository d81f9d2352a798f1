"""Trackers get what a training yields, resume a run by its identity, are optional, and never end a training."""

import importlib
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from test_cli import refused

from core.config import RunConfig, run_config
from core.store import Run, Store
from core.trackers import TrackerError, check_tracker, identity, settings_of, trackers
from core.trackers.mlflow import NOT_IN_NAMES
from core.training.train import GRID
from core.training.worker import work

LAMS = [f"{lam:g}" for lam in GRID]


def small(epochs: int = 2) -> RunConfig:
    """A training of a second."""
    return run_config(
        architecture={"name": "cascade", "trunk": [2, 2], "head": [2, 2]}, dataset="faces", method="d2nn", training={"epochs": epochs}
    )


class Service:
    """Stands in for the packages of all trackers, and keeps what it gets."""

    def __init__(self) -> None:
        self.opened: list[dict[str, Any]] = []
        self.logged: list[tuple[int, dict[str, float]]] = []
        self.endings: list[object] = []
        self.fails_at: int | None = None

    def log(self, figures: Mapping[str, float], step: int | None = None) -> None:
        epoch = int(figures["epoch"]) if step is None else step
        if epoch == self.fails_at:
            raise ConnectionError("the network is gone")
        self.logged.append((epoch, dict(figures)))

    def wandb(self) -> types.ModuleType:
        """A module with what is used of wandb."""
        summary = types.SimpleNamespace(update=lambda figures: self.endings.append(figures["ending"]))
        run = types.SimpleNamespace(define_metric=lambda *_, **__: None, log=self.log, summary=summary, finish=lambda exit_code: None)
        return self._module("wandb", init=lambda **given: self._open(given, run))

    def trackio(self) -> types.ModuleType:
        """A module with what is used of trackio."""
        return self._module(
            "trackio", init=lambda **given: self._open(given, None), log=self.log, finish=lambda: self.endings.append("closed")
        )

    def mlflow(self) -> types.ModuleType:
        """A module with what is used of mlflow: a client that keeps runs by number."""
        service = self

        class Client:
            def search_runs(self, experiments: list[str], query: str, max_results: int) -> list[Any]:
                found = [str(number) for number, run in enumerate(service.opened) if f"'{run['tags']['gatescope']}'" in query]
                return [types.SimpleNamespace(info=types.SimpleNamespace(run_id=number)) for number in found[:max_results]]

            def create_run(self, experiment: str, run_name: str, tags: dict[str, str]) -> Any:
                service.opened.append({"name": run_name, "tags": tags, "config": {}})
                return types.SimpleNamespace(info=types.SimpleNamespace(run_id=str(len(service.opened) - 1)))

            def update_run(self, run_id: str, status: str) -> None:
                service.endings.append(f"resumed {run_id}")

            def log_param(self, run_id: str, name: str, value: str) -> None:
                service.opened[int(run_id)]["config"][name] = value

            def log_metric(self, run_id: str, name: str, value: float, step: int) -> None:
                assert not NOT_IN_NAMES.search(name)
                service.log({name: value}, step)

            def set_terminated(self, run_id: str, status: str) -> None:
                service.endings.append(status)

        return self._module("mlflow", MlflowClient=Client, set_experiment=lambda name: types.SimpleNamespace(experiment_id=name))

    def _open(self, given: dict[str, Any], run: object) -> object:
        self.opened.append(given)
        return run

    @staticmethod
    def _module(name: str, **members: object) -> types.ModuleType:
        module = types.ModuleType(name)
        vars(module).update(members)
        return module


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    """Stand-ins for all packages."""
    service = Service()
    for name in trackers():
        monkeypatch.setitem(sys.modules, name, getattr(service, name)())
    return service


def queued(url: str, epochs: int = 2) -> tuple[Store, Run]:
    """A store with a run to train."""
    store = Store(url)
    return store, store.runs.create(small(epochs).record(), name="tracked", sweep="several")


def test_there_is_a_tracker_for_each_file() -> None:
    assert trackers() == ["mlflow", "trackio", "wandb"]


@pytest.mark.parametrize("name", ["mlflow", "trackio", "wandb"])
def test_a_tracker_gets_the_settings_each_epoch_and_the_figures(name: str, service: Service, scratch_database: str) -> None:
    store, run = queued(scratch_database)
    done = work(store, run.id, log=name)
    assert done.status == "finished"
    (opened,) = service.opened
    assert run.name in opened["name"]
    assert opened["config"]["architecture"] == "cascade"
    assert str(opened["config"]["architecture.trunk"]) == "[2, 2]"
    history = store.metrics.history(run.id)
    for epoch in (1, 2):
        figures = {metric: value for at, given in service.logged if at == epoch for metric, value in given.items()}
        for metric, points in history.items():
            spelt = NOT_IN_NAMES.sub(" ", metric) if name == "mlflow" else metric
            assert figures[spelt] == dict(points)[epoch]
    assert service.endings[-1] in ("closed", "finished", "FINISHED")


@pytest.mark.parametrize(("name", "place"), [("wandb", "id"), ("trackio", "name")])
def test_a_stopped_run_is_resumed_under_its_identity(
    name: str, place: str, service: Service, scratch_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, run = queued(scratch_database)
    monkeypatch.setattr(service, "log", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    for module in (service.wandb(), service.trackio()):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    with pytest.raises(KeyboardInterrupt):
        work(store, run.id, log=name)
    monkeypatch.undo()
    for module in (service.wandb(), service.trackio()):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    assert work(store, run.id, log=name).status == "finished"
    first, second = service.opened
    assert identity(run) in first[place]
    assert first[place] == second[place]
    assert second["resume"] == "allow"
    assert {epoch for epoch, _ in service.logged} == {2}  # the first epoch's checkpoint was saved


def test_mlflow_finds_the_run_of_an_earlier_process(service: Service, scratch_database: str) -> None:
    from core.trackers import open_run

    _, run = queued(scratch_database)
    open_run("mlflow", run)
    open_run("mlflow", run)
    assert len(service.opened) == 1
    assert service.endings == ["resumed 0"]


def test_a_service_that_fails_does_not_end_the_training(service: Service, scratch_database: str) -> None:
    store, run = queued(scratch_database, epochs=3)
    service.fails_at = 2
    told: list[str] = []
    assert work(store, run.id, tell=told.append, log="wandb").status == "finished"
    assert told == ["wandb failed after epoch 2: the network is gone. The training goes on without it."]
    assert {epoch for epoch, _ in service.logged} == {1}


def test_a_service_that_opens_no_run_is_named_before_the_training(
    service: Service, scratch_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, run = queued(scratch_database)

    def refuse(**given: object) -> None:
        raise PermissionError("no API key")

    monkeypatch.setattr(sys.modules["wandb"], "init", refuse)
    with pytest.raises(TrackerError, match=r"wandb does not open the run: no API key\. Correct this, or train without it"):
        work(store, run.id, log="wandb")
    assert store.checkpoints.latest(run.id) is None


def test_an_unknown_tracker_and_a_missing_package_are_refused(scratch_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TrackerError, match="'abc' is not a tracker: choose one of mlflow, trackio, wandb"):
        check_tracker("abc")
    monkeypatch.setattr("core.trackers.find_spec", lambda package: None)
    with pytest.raises(TrackerError, match="needs a package that is not installed: python -m pip install mlflow"):
        check_tracker("mlflow")
    assert "'abc' is not a tracker" in refused("train", "cascade", "--log", "abc", "--db", scratch_database)
    assert not Path(scratch_database.removeprefix("sqlite:///")).exists()


def test_a_configuration_is_flat_in_a_tracker(scratch_database: str) -> None:
    _, run = queued(scratch_database)
    flat = settings_of(run)
    assert flat["method"] == "d2nn"
    assert flat["training.epochs"] == 2
    assert flat["lam"] is None
    assert not any(isinstance(value, dict) for value in flat.values())


@pytest.mark.long
def test_the_real_mlflow_keeps_a_run(tmp_path: Path, scratch_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    mlflow = pytest.importorskip("mlflow")
    store, run = queued(scratch_database)
    work(store, run.id, log="mlflow")
    (found,) = mlflow.MlflowClient().search_runs([mlflow.set_experiment("gatescope").experiment_id])
    assert found.info.status == "FINISHED"
    assert found.data.tags["gatescope"] == identity(run)
    rows = store.runs.get(run.id).figures["test"]
    assert found.data.metrics[f"test accuracy at λ {rows[0]['lam']:g}"] == rows[0]["accuracy"]


@pytest.mark.long
def test_the_real_wandb_keeps_a_run(tmp_path: Path, scratch_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    store, run = queued(scratch_database)
    told: list[str] = []
    assert work(store, run.id, tell=told.append, log="wandb").status == "finished"
    assert told == []
    assert list(tmp_path.glob("wandb/offline-run-*/*.wandb"))


@pytest.mark.long
def test_the_real_trackio_keeps_a_run(tmp_path: Path, scratch_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path))
    pytest.importorskip("trackio")
    store, run = queued(scratch_database)
    told: list[str] = []
    assert work(store, run.id, tell=told.append, log="trackio").status == "finished"
    assert told == []
    assert importlib.import_module("trackio").Api().runs("gatescope")
