"""The queue of trainings: as many at once as there are places, the others in order, whoever looks at it."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from records import record

from app import progress
from core.store import Run, Store, StoreError
from core.store.models import now
from core.store.queue import STARTING, places
from core.training.worker import advance, enqueue

ROOT = Path(__file__).parents[1]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The runs whose processes were started, none of which begins to train."""
    known: list[int] = []
    monkeypatch.setattr("core.training.worker.start", lambda run_id, url: known.append(run_id))
    monkeypatch.setenv("GATESCOPE_TRAININGS", "2")
    return known


def added(store: Store, count: int) -> list[int]:
    return [store.runs.create(record()).id for _ in range(count)]


def test_what_trains_on_another_machine_takes_no_place(scratch_database: str, started: list[int]) -> None:
    store = Store(scratch_database)
    away, *ids = added(store, 4)
    store.lifecycle.claim(away)
    with store.database.write() as session:
        session.get_one(Run, away).host = "another-machine"
    for run_id in ids:
        enqueue(store, [run_id])
    assert started == ids[:2]


def test_as_many_trainings_start_as_there_are_places(scratch_database: str, started: list[int]) -> None:
    """Each visitor's page has a store of its own, and so has a server that was started again."""
    ids = added(Store(scratch_database), 6)
    for run_id in ids:
        enqueue(Store(scratch_database), [run_id])
    assert started == ids[:2]
    store = Store(scratch_database)
    assert [run.id for run in store.queue.waiting()] == ids[2:]
    for run_id in ids[:2]:
        store.lifecycle.claim(run_id)
    advance(store)
    assert started == ids[:2], "runs that train take the places"
    store.lifecycle.finish(ids[0], {})
    advance(Store(scratch_database))
    advance(Store(scratch_database))
    assert started == ids[:3]


def test_a_run_is_put_before_those_that_wait(scratch_database: str, started: list[int]) -> None:
    store = Store(scratch_database)
    ids = added(store, 6)
    enqueue(store, ids)
    for run_id in (ids[4], ids[5], ids[5]):
        Store(scratch_database).queue.put_first(run_id)
    assert [run.id for run in store.queue.waiting()] == [ids[5], ids[4], ids[2], ids[3]]
    store.lifecycle.request_stop(ids[2])
    store.queue.put_first(ids[2])
    store.queue.put_first(ids[0])
    assert [run.id for run in store.queue.waiting()] == [ids[5], ids[4], ids[3]], "only runs that wait are put first"
    with pytest.raises(StoreError):
        store.queue.put_first(999)


def test_a_run_that_waits_can_be_cancelled_and_queued_again_behind_the_others(scratch_database: str, started: list[int]) -> None:
    store = Store(scratch_database)
    ids = added(store, 5)
    enqueue(store, ids)
    store.lifecycle.request_stop(ids[2])
    assert store.runs.get(ids[2]).state == "stopped"
    store.runs.delete(ids[3])
    enqueue(store, [ids[2]])
    assert [run.id for run in store.queue.waiting()] == [ids[4], ids[2]]
    enqueue(store, [ids[4]])
    assert [run.id for run in store.queue.waiting()] == [ids[4], ids[2]], "a run that waits keeps its place"


def test_a_process_that_never_claims_its_run_gives_its_place_back(scratch_database: str, started: list[int]) -> None:
    store = Store(scratch_database)
    ids = added(store, 3)
    enqueue(store, ids)
    with store.database.write() as session:
        session.get(Run, ids[0]).heartbeat = now() - STARTING - timedelta(seconds=1)
    advance(store)
    assert started == ids


def test_a_run_whose_process_cannot_be_started_has_failed_and_the_next_one_starts(
    scratch_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(run_id: int, url: str) -> None:
        raise OSError("no space left on device")

    monkeypatch.setenv("GATESCOPE_TRAININGS", "1")
    monkeypatch.setattr("core.training.worker.start", refused)
    store = Store(scratch_database)
    ids = added(store, 2)
    enqueue(store, ids)
    advance(store)
    assert [(store.runs.get(run_id).state, store.runs.get(run_id).error) for run_id in ids] == [("failed", "no space left on device")] * 2


def test_what_cannot_be_trained_does_not_wait(scratch_database: str, started: list[int]) -> None:
    store = Store(scratch_database)
    first, second = added(store, 2)
    store.lifecycle.claim(first)
    store.runs.delete(second)
    for run_id in (first, second):
        with pytest.raises(StoreError, match="cannot wait"):
            store.queue.add(run_id)


@pytest.mark.parametrize(("text", "found"), [("1", 1), ("12", 12), ("", None)])
def test_the_places_are_a_setting(monkeypatch: pytest.MonkeyPatch, text: str, found: int | None) -> None:
    monkeypatch.setenv("GATESCOPE_TRAININGS", text)
    monkeypatch.setattr("os.cpu_count", lambda: 5)
    assert places() == (found or 2)


@pytest.mark.parametrize("text", ["0", "-1", "two", "1e3", "９", "99999"])
def test_a_setting_that_is_no_number_of_places_is_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("GATESCOPE_TRAININGS", text)
    with pytest.raises(StoreError, match="GATESCOPE_TRAININGS must be a whole number"):
        places()


@pytest.mark.long
def test_a_worker_starts_the_next_training_when_it_ends(scratch_database: str) -> None:
    """Without a server: its process is the first worker alone."""
    store = Store(scratch_database)
    ids = added(store, 2)  # they fail, since no configuration stands behind them
    for run_id in ids:
        store.queue.add(run_id)
    (first,) = store.queue.take(1)
    subprocess.run([sys.executable, "-m", "core.training.worker", str(first), "--db", scratch_database], cwd=ROOT, capture_output=True)
    assert store.runs.get(ids[1]).heartbeat is not None
    assert not store.queue.waiting()


def test_a_waiting_run_without_its_time_has_a_turn(scratch_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(scratch_database)
    ids = added(store, 3)
    for run_id in ids:
        store.queue.add(run_id)
    with store.database.write() as session:
        session.get(Run, ids[0]).heartbeat = None
    monkeypatch.setattr("app.state.store", lambda: store)
    assert [run.id for run in store.queue.waiting()] == ids
    assert [progress.turn(store.runs.get(run_id)).split()[5] for run_id in ids] == ["no", "1", "2"]


def test_a_damaged_run_has_ended() -> None:
    assert "damaged" in progress.DONE
