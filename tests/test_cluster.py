"""Sweeps on a cluster, with a stand-in for Ray. `make test-cluster` has the real one."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from test_cli import refused

from core.config import run_config
from core.datasets import Data
from core.datasets.digits import Digits
from core.store import Run, Store, StoreError
from core.store.models import now
from core.training import cluster as clusters
from core.training import cluster_task
from core.training.cluster import Cluster, ClusterError, check_cluster, standing, start_on_cluster, sweep_on_cluster
from core.training.cluster_task import packed_data, train_run, unpacked_data
from core.training.sweep import enlist, planned
from tests.records import record

CONFIG = run_config(architecture={"name": "cascade", "trunk": [2, 2], "head": [2, 2]}, dataset="digits", method="d2nn")


class StandIn:
    """As much of Ray as a sweep uses. Each task runs as the sweep looks for its end, one at each look, if it is not refused."""

    def __init__(self, room: dict[str, float] | None = None, task: Callable[..., None] | None = None) -> None:
        self.room, self.put_count, self.options_of_tasks, self.most = room or {"CPU": 2.0}, 0, {}, 0
        self.waiting: dict[int, Any] = {}
        self.results: dict[int, Exception | None] = {}
        self.cancelled: list[int] = []
        self._task = task
        self._count = 0

    def init(self, address: str, **options: Any) -> None:
        self.address, self.package = address, options["runtime_env"]

    def shutdown(self) -> None:
        self.address = ""

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": self.room}, {"Alive": False, "Resources": {"CPU": 99.0, "GPU": 99.0}}]

    def put(self, value: Any) -> Any:
        self.put_count += 1
        return value

    def remote(self, function: Callable[..., None]) -> Any:
        def options(**given: Any) -> Any:
            self.options_of_tasks = given
            return SimpleNamespace(remote=lambda *words: self._submit(self._task or function, words))

        return SimpleNamespace(options=options)

    def _submit(self, function: Callable[..., None], words: tuple[Any, ...]) -> int:
        self._count += 1
        self.waiting[self._count] = (function, words)
        self.most = max(self.most, len(self.waiting))
        return self._count

    def wait(self, tasks: list[int], **_: Any) -> tuple[list[int], list[int]]:
        function, words = self.waiting.pop(tasks[0])
        try:
            function(*words)
        except Exception as error:
            self.results[tasks[0]] = error
        return tasks[:1], tasks[1:]

    def get(self, task: int) -> None:
        if error := self.results.get(task):
            raise error

    def cancel(self, task: int) -> None:
        self.cancelled.append(task)
        self.waiting[task] = (lambda: None, ())


@pytest.fixture
def store(scratch_database: str) -> Store:
    return Store(scratch_database)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "POLL", 0.01)
    monkeypatch.setattr(cluster_task, "POLL", 0.01)


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., StandIn]]:
    """Put a stand-in in Ray's place and return it."""

    def put(**words: Any) -> StandIn:
        stand_in = StandIn(**words)
        monkeypatch.setattr(clusters, "import_module", lambda name: stand_in)
        monkeypatch.setattr(clusters, "has_ray", lambda: True)
        return stand_in

    return put


def finishing(url: str, run_id: int, packed: Any, log: str | None, queued: bool = False) -> None:
    """Train nothing, and finish the run."""
    store = Store(url)
    store.lifecycle.claim(run_id)
    store.lifecycle.finish(run_id, {}, weights=b"weights")


def raising(error: Exception) -> Callable[..., None]:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    return fail


def states(store: Store, runs: list[Run], cluster: Cluster) -> list[str]:
    *_, last = sweep_on_cluster(store, runs, cluster)
    return [run.state for run in last]


def test_every_run_becomes_a_task_and_the_images_are_read_once(
    store: Store, use: Callable[..., StandIn], monkeypatch: pytest.MonkeyPatch
) -> None:
    ray, reads = use(task=finishing, room={"CPU": 4.0, "GPU": 1.0}), []
    read = Digits.read
    monkeypatch.setattr(Digits, "read", lambda self, *more: reads.append(self) or read(self, *more))
    runs = enlist(store, planned(CONFIG, [0.2, 0.5, 0.8], [0, 1]), "six")
    store.lifecycle.claim(runs[0].id)
    store.lifecycle.finish(runs[0].id, {})
    runs = enlist(store, planned(CONFIG, [0.2, 0.5, 0.8], [0, 1]), "six")
    assert states(store, runs, Cluster("local", 2.0, 0.5)) == ["finished"] * 6
    assert (len(reads), ray.put_count, ray.most) == (1, 1, 5)
    assert ray.options_of_tasks == {"num_cpus": 2.0, "num_gpus": 0.5, "max_retries": clusters.RETRIES}
    assert ray.package["env_vars"]["GATESCOPE_WEIGHTS"] == str(store.weights.folder)
    assert ray.address == ""  # it was left


def test_jobs_bound_how_many_tasks_there_are(store: Store, use: Callable[..., StandIn]) -> None:
    ray = use(task=finishing)
    assert states(store, enlist(store, planned(CONFIG, [0.2, 0.5, 0.8], [0]), "three"), Cluster("local", jobs=2)) == ["finished"] * 3
    assert ray.most == 2


def test_the_tracker_of_a_sweep_is_that_of_its_tasks(store: Store, use: Callable[..., StandIn]) -> None:
    logs = []

    def logging(url: str, run_id: int, packed: Any, log: str | None, queued: bool) -> None:
        logs.append(log)
        finishing(url, run_id, packed, log)

    use(task=logging)
    states(store, enlist(store, planned(CONFIG, [0.2, 0.5], [0]), "two"), Cluster("local", log="mlflow"))
    assert logs == ["mlflow", "mlflow"]


def test_a_run_whose_task_is_lost_has_failed_and_one_that_trains_on_has_not(store: Store, use: Callable[..., StandIn]) -> None:
    runs = enlist(store, planned(CONFIG, [0.2, 0.5, 0.8], [0]), "three")

    def lost(url: str, run_id: int, packed: Any, log: str | None, queued: bool) -> None:
        if run_id == runs[1].id:
            return  # before it could claim the run
        Store(url).lifecycle.claim(run_id)
        if run_id == runs[2].id:
            finishing(url, run_id, packed, log)
        with Store(url).database.write() as session:
            session.get_one(Run, run_id).host = "another-machine"
        raise ConnectionError("the worker\ndied")

    use(task=lost)
    standing_now = sweep_on_cluster(store, runs, Cluster("local"))
    for _ in range(8):
        last = next(standing_now)
    assert [run.state for run in last] == ["running", "failed", "finished"]  # that of the first may still send heartbeats
    with store.database.write() as session:
        session.get_one(Run, runs[0].id).heartbeat = now() - timedelta(minutes=1)
    *_, last = standing_now
    assert [run.state for run in last] == ["failed", "failed", "finished"]
    assert last[0].error == "the worker died"
    assert "before the training began" in (last[1].error or "")


def test_a_dataset_that_cannot_be_read_fails_its_runs_alone(store: Store, use: Callable[..., StandIn]) -> None:
    use(task=finishing)
    missing = CONFIG.model_copy(update={"dataset": run_config(architecture="cascade", dataset="folder", method="d2nn").dataset})
    runs = [*enlist(store, planned(CONFIG, [0.5], [0]), "good"), *enlist(store, planned(missing, [0.5], [0]), "bad")]
    assert states(store, runs, Cluster("local")) == ["finished", "failed"]


def test_a_sweep_that_is_ended_cancels_its_tasks(store: Store, use: Callable[..., StandIn]) -> None:
    ray = use(task=finishing)
    runs = enlist(store, planned(CONFIG, [0.2, 0.5, 0.8], [0]), "three")
    standing_now = sweep_on_cluster(store, runs, Cluster("local"))
    next(standing_now)
    standing_now.close()
    assert len(ray.cancelled) == 3
    assert [run.state for run in standing(store, runs)] == ["queued"] * 3  # none was begun: the next sweep begins them


def test_a_cluster_that_cannot_train_the_runs_is_a_clear_error(
    store: Store, use: Callable[..., StandIn], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = enlist(store, planned(CONFIG, [0.5], [0]), "one")
    with pytest.raises(ClusterError, match="copy-store"):
        next(sweep_on_cluster(store, runs, Cluster("head:6379")))
    store.database.file = None
    with pytest.raises(ClusterError, match="needs GATESCOPE_WEIGHTS"):
        next(sweep_on_cluster(store, runs, Cluster("head:6379")))
    ray = use()
    with pytest.raises(ClusterError, match=r"no machine of the cluster has 1 processors and 0\.5 GPUs"):
        next(sweep_on_cluster(store, runs, Cluster("local", gpus=0.5)))
    monkeypatch.setattr(ray, "init", raising(ConnectionError("nobody\nthere")))
    with pytest.raises(ClusterError, match="no Ray cluster answers at local: nobody there"):
        next(sweep_on_cluster(store, runs, Cluster("local")))
    monkeypatch.setenv("GATESCOPE_WEIGHTS", "weights")
    for address in ("127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:99999"):
        with pytest.raises(ClusterError, match=f"no Ray cluster answers at {address}: "):
            next(sweep_on_cluster(store, runs, Cluster(address)))
    monkeypatch.setattr(clusters, "has_ray", lambda: False)
    with pytest.raises(ClusterError, match=r"pip install -r core/training/ray\.txt"):
        next(sweep_on_cluster(store, runs, Cluster("local")))
    assert "name it with --ray" in refused("sweep", "cascade", "--name", "x", "--gpus", "1")


def test_a_run_that_is_cancelled_while_the_cluster_has_no_room_is_not_trained(store: Store, use: Callable[..., StandIn]) -> None:
    def cancelled(url: str, run_id: int, packed: Any, log: str | None, queued: bool) -> None:
        Store(url).lifecycle.request_stop(run_id)
        train_run(url, run_id, packed, log, queued)

    use(task=cancelled)
    runs = enlist(store, planned(CONFIG, [0.2, 0.5], [0]), "two")
    store.lifecycle.hand_over([run.id for run in runs], "waiting for room on the cluster")
    assert all(run.pending and not run.waiting for run in standing(store, runs))
    assert store.queue.take(9) == []
    *_, last = sweep_on_cluster(store, runs, Cluster("local"))
    assert [(run.state, run.epoch) for run in last] == [("stopped", 0.0)] * 2


@pytest.mark.parametrize(("given", "says"), [({"cpus": 0.0}, "some of either"), ({"gpus": 1.5}, "a fraction of one, or whole ones")])
def test_what_ray_cannot_reserve_is_refused(given: dict[str, float], says: str, store: Store, use: Callable[..., StandIn]) -> None:
    use(room={"CPU": 4.0, "GPU": 4.0})
    with pytest.raises(ClusterError, match=says):
        check_cluster(store, Cluster("local", **given))


def test_an_error_of_rays_own_fails_the_run_that_met_it(store: Store, use: Callable[..., StandIn], monkeypatch: pytest.MonkeyPatch) -> None:
    ray = use()
    monkeypatch.setattr(ray, "put", raising(MemoryError("the object store is full")))
    *_, last = sweep_on_cluster(store, enlist(store, planned(CONFIG, [0.5], [0]), "one"), Cluster("local"))
    assert [(run.state, run.error) for run in last] == [("failed", "the object store is full")]
    monkeypatch.setattr(ray, "init", raising(Exception("the node timed out")))
    with pytest.raises(ClusterError, match="the node timed out"):
        next(sweep_on_cluster(store, last, Cluster("local")))


def test_a_process_that_finds_no_cluster_says_so_in_its_runs(store: Store) -> None:
    runs = enlist(store, planned(CONFIG, [0.2, 0.5], [0]), "two")
    process = start_on_cluster(store, runs, Cluster("head:6379", cpus=0.5, gpus=0.25))
    assert process.wait(timeout=120) == 1
    assert [run.state for run in standing(store, runs)] == ["failed"] * 2
    assert all("copy-store" in str(run.error) for run in standing(store, runs))
    assert "copy-store" in (store.weights.folder / f"{runs[0].id}.log").read_text(encoding="utf-8")


def test_a_process_that_cannot_be_started_fails_its_runs(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = enlist(store, planned(CONFIG, [0.2, 0.5], [0]), "two")
    monkeypatch.setattr(clusters, "spawn", raising(StoreError("the disk is full")))
    with pytest.raises(StoreError, match="the disk is full"):
        start_on_cluster(store, runs, Cluster("local"))
    assert [(run.state, run.error) for run in standing(store, runs)] == [("failed", "the disk is full")] * 2


def test_images_are_the_same_after_their_way() -> None:
    data = CONFIG.dataset.read()
    packed = packed_data(data)
    for name in ("train_images", "test_labels"):
        packed[name].flags.writeable = False  # as in Ray's shared memory
    back = unpacked_data(packed)
    assert isinstance(back, Data)
    for split in ("train", "val", "test"):
        assert torch.equal(getattr(back, split).images, getattr(data, split).images)
        assert torch.equal(getattr(back, split).labels, getattr(data, split).labels)
    assert (back.classes, back.fingerprint, back.notes, back.image) == (data.classes, data.fingerprint, data.notes, data.image)


def test_a_task_trains_with_the_images_that_it_is_given(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    (run,) = enlist(
        store, planned(CONFIG.model_copy(update={"training": CONFIG.training.model_copy(update={"epochs": 1})}), [0.5], [0]), "one"
    )
    packed = {name: values[:200] for name, values in packed_data(CONFIG.dataset.read()).items()} | {"classes": tuple("abcdefghij")}
    monkeypatch.setattr(Digits, "read", lambda *_: pytest.fail("read again"))
    train_run(store.url, run.id, packed)
    trained = store.runs.get(run.id)
    assert (trained.state, trained.classes) == ("finished", list("abcdefghij"))
    monkeypatch.setattr(cluster_task, "work", lambda *_, **__: pytest.fail("trained again"))
    train_run(store.url, run.id, packed)


@pytest.mark.parametrize(("beats", "free"), [(False, True), (True, False)])
def test_a_run_of_a_silent_process_is_taken_over_and_one_of_a_live_process_is_not(
    store: Store, monkeypatch: pytest.MonkeyPatch, beats: bool, free: bool
) -> None:
    run = store.runs.create(record())
    store.lifecycle.claim(run.id)
    seconds = iter([29.99, 31.0])

    def elsewhere() -> None:
        with store.database.write() as session:
            row = session.get_one(Run, run.id)
            row.host, row.heartbeat = "another-machine", now() - timedelta(seconds=0 if beats else next(seconds))

    elsewhere()
    monkeypatch.setattr(cluster_task.time, "sleep", lambda _: elsewhere())
    assert cluster_task._is_free(store, run.id) is free


def test_a_process_waits_while_the_server_has_no_connection_left(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = [StoreError("too many clients")] * 2

    def opened(url: str) -> Store:
        if refusals:
            raise refusals.pop()
        return store

    monkeypatch.setattr(cluster_task, "Store", opened)
    monkeypatch.setattr(cluster_task, "POLL", 0.0)
    assert cluster_task._opened(store.url) is store
    assert not refusals
    refusals.append(StoreError("too many clients"))
    monkeypatch.setattr(cluster_task, "LOCK_SECONDS", -1.0)
    with pytest.raises(StoreError, match="too many clients"):
        cluster_task._opened(store.url)


def test_a_sweep_that_no_cluster_can_train_adds_no_runs(scratch_database: str) -> None:
    error = refused("sweep", "high_low", "--dataset", "digits", "--name", "bad", "--lams", "0.2,0.5", "--ray", "127.0.0.1:1")
    assert "needs a database that all machines reach" in error
    assert not [run for run in Store(scratch_database).runs.all() if not run.reference]
