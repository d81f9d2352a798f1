"""The list of runs and their lifecycle: what goes in comes out, names stay unique, and one process at a time trains a run."""

import math
import os
import socket
import subprocess
import sys
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import UserError
from core.store import Run, Store, StoreError, database
from core.store.models import SILENCE, now, plain
from tests.records import measured, record

ROOT = Path(__file__).resolve().parents[1]
quick = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PARTS = ("architecture", "dataset", "method", "training")  # of a configuration, which must have their options by name
numbers = st.floats(allow_nan=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(f"sqlite:///{tmp_path / 'runs.db'}")


def add(store: Store, name: str | None = None, **choices: Any) -> Run:
    described = {"architecture": "cascade", "dataset": "faces", "method": "d2nn", "lam": 0.6, "seed": 1, "epochs": 3}
    return store.runs.create(record(config={"training": {"epochs": 3}}, **described | choices), name=name)


def put(store: Store, run: Run, **columns: Any) -> None:
    """Write columns that no method of the store lets a caller choose."""
    with store.database.write() as session:
        row = session.get_one(Run, run.id)
        for column, value in columns.items():
            setattr(row, column, value)


def test_a_run_comes_back_as_it_was_added(store: Store) -> None:
    before = now()
    config = {"architecture": {"name": "cascade", "widths": (8, 16)}}
    given = {"architecture": "cascade", "dataset": "faces", "method": "lcnet", "gated": True, "lam": None, "seed": 7, "epochs": 4}
    added = store.runs.create(record(config=config, **given), name="  first ", sweep="friday", variant="wide")
    again = Store(store.url).runs.get(added.id)
    for run in (added, again):
        assert {key: getattr(run, key) for key in given} == given
        assert run.config == {"architecture": {"name": "cascade", "widths": [8, 16]}}
        assert (run.name, run.sweep, run.variant) == ("first", "friday", "wide")
        assert (run.status, run.state, run.reference, run.stop_requested) == ("queued", "queued", False, False)
        assert (run.epoch, run.figures, run.tags, run.notes) == (0, {}, [], "")
        assert before <= run.created <= now()
        assert run.image is run.classes is run.started is run.finished is run.heartbeat is run.pid is run.error is run.deleted is None


@quick
@given(config=st.dictionaries(st.text().filter(lambda name: name not in PARTS), json_values, max_size=4))
def test_any_configuration_survives(store: Store, config: dict[str, Any]) -> None:
    run = store.runs.create(record(config=config))
    assert store.runs.get(run.id).config == plain(config)


def test_numbers_that_json_cannot_hold_become_null(store: Store) -> None:
    run = add(store)
    figures = measured()
    figures["test"][0] |= {"loss": math.nan, "grid": [(0.5, math.inf)]}
    store.lifecycle.finish(run.id, figures)
    kept = store.runs.get(run.id).figures["test"][0]
    assert (kept["loss"], kept["grid"]) == (None, [[0.5, None]])


@quick
@given(instant=st.datetimes(min_value=datetime(1970, 1, 2), timezones=st.integers(-23, 23).map(lambda h: timezone(timedelta(hours=h)))))
def test_instants_come_back_as_utc(store: Store, instant: datetime) -> None:
    run = add(store)
    put(store, run, finished=instant)
    back = store.runs.get(run.id).finished
    assert back == instant
    assert back.tzinfo is UTC


def test_an_instant_without_a_zone_is_refused(store: Store) -> None:
    run = add(store)
    with pytest.raises(StoreError, match="no time zone"):
        put(store, run, finished=datetime(2026, 1, 1))


points = st.tuples(st.sampled_from([0.0, 0.1, 0.5, 1.0, 2.5]), st.dictionaries(st.sampled_from(["loss", "accuracy", "λ"]), st.floats()))


@quick
@given(points=st.lists(points, max_size=12))
def test_a_curve_is_its_last_recorded_points(store: Store, points: list[tuple[float, dict[str, float]]]) -> None:
    run, other = add(store), add(store)
    store.metrics.log(other.id, 0.1, {"loss": 5.0})
    expected: dict[str, dict[float, float]] = {}
    for epoch, figures in points:
        store.metrics.log(run.id, epoch, figures)
        for name, value in figures.items():
            expected.setdefault(name, {})[epoch] = value + 0.0  # SQLite has no negative zero
    # repr: NaN equals nothing, not even itself
    assert repr(store.metrics.history(run.id)) == repr({name: sorted(line.items()) for name, line in sorted(expected.items())})
    assert store.runs.get(run.id).epoch == (points[-1][0] if points else 0)
    assert store.metrics.history(other.id) == {"loss": [(0.1, 5.0)]}


def test_names_are_numbered_and_unique(store: Store) -> None:
    assert [add(store).name for _ in range(2)] == ["cascade-faces-1", "cascade-faces-2"]
    add(store, "cascade-faces-9")
    add(store, "cascade-faces-wide-40")
    assert add(store).name == "cascade-faces-10"
    assert add(store, architecture="c%", dataset="_").name == "c%-_-1"
    with pytest.raises(StoreError, match="'cascade-faces-9' is taken"):
        add(store, " cascade-faces-9")


@pytest.mark.parametrize(
    "name", ["", "  ", "12", "a\nb", "x" * 201, "reference/mine", "-h", "--db", "~", "..", "../../x", "/a", "a//b", "a/ ./b"]
)
def test_invalid_names_are_refused(store: Store, name: str) -> None:
    run = add(store)
    with pytest.raises(StoreError, match="name"):
        add(store, name)
    with pytest.raises(StoreError, match="name"):
        store.runs.rename(run.id, name)
    assert [run.name for run in store.runs.all()] == ["cascade-faces-1"]


def test_finding_a_run(store: Store) -> None:
    first, second = add(store, "first"), add(store, "second")
    assert [run.id for run in store.runs.all()] == [second.id, first.id]
    assert store.runs.get(first.id).name == store.runs.get(str(first.id)).name == store.runs.get("first").name == "first"
    with pytest.raises(StoreError, match=r"^no run 'frist': `python -m core runs` lists them \(did you mean 'first'\?\)$"):
        store.runs.get("frist")
    for nothing in (99, "99", -1, 10**30, "zzz"):
        with pytest.raises(StoreError, match=r"lists them$"):
            store.runs.get(nothing)


def test_delete_restore_and_rename(store: Store) -> None:
    old = add(store, "name")
    store.runs.delete(old.id)
    assert store.runs.all() == []
    assert [run.id for run in store.runs.all(deleted=True)] == [old.id]
    assert store.runs.get(old.id).deleted is not None
    with pytest.raises(StoreError, match="no run"):
        store.runs.get("name")
    new = add(store, "name")
    with pytest.raises(StoreError, match="given to another run"):
        store.runs.restore(old.id)
    store.runs.rename(new.id, "other")
    store.runs.rename(new.id, " other ")
    assert store.runs.restore(old.id).deleted is None
    assert {run.name for run in store.runs.all()} == {"name", "other"}
    with pytest.raises(StoreError, match="taken"):
        store.runs.rename(new.id, "name")


actions = st.tuples(st.sampled_from(["add", "delete", "restore", "rename"]), st.integers(0, 4), st.sampled_from(["a", "b", "c"]))


@quick
@given(steps=st.lists(actions, max_size=12))
def test_names_are_refused_exactly_when_another_run_has_them(store: Store, steps: list[tuple[str, int, str]]) -> None:
    with store.database.write() as session:
        session.execute(sqlalchemy.delete(Run))
    names: dict[int, str] = {}
    gone: set[int] = set()
    for action, which, name in [("add", 0, "a"), *steps]:
        run = 0 if action == "add" else list(names)[which % len(names)]
        wanted = names[run] if action == "restore" and run in gone else name if action in ("add", "rename") else None
        taken = any(names[other] == wanted for other in names.keys() - gone - {run}) and wanted != names.get(
            run if action == "rename" else 0
        )
        with pytest.raises(StoreError) if taken else nullcontext():
            more = {"rename": (name,)}.get(action, ())
            done = add(store, name) if action == "add" else getattr(store.runs, action)(run, *more)
            names[done.id] = done.name
        if action in ("delete", "restore") and not taken:
            (gone.add if action == "delete" else gone.discard)(run)
    assert {run.id: run.name for run in store.runs.all()} == {run: name for run, name in names.items() if run not in gone}


def test_the_database_itself_refuses_a_second_name(store: Store) -> None:
    add(store, "a")
    other = add(store, "b")
    with pytest.raises(StoreError, match="contradicts another"):
        put(store, other, name="a")


def test_notes_and_tags(store: Store) -> None:
    run = add(store)
    store.runs.annotate(run.id, notes="good", tags=[" x ", "y", "x", ""])
    assert store.runs.annotate(run.id).tags == ["x", "y"]
    store.runs.annotate(run.id, tags=[])
    assert (store.runs.get(run.id).notes, store.runs.get(run.id).tags) == ("good", [])


def test_the_lifecycle_of_a_run(store: Store) -> None:
    run = store.lifecycle.claim(add(store).id)
    assert (run.state, run.pid, run.host, run.finished) == ("running", os.getpid(), socket.gethostname(), None)
    assert run.heartbeat is not None
    assert run.started is not None
    assert store.lifecycle.heartbeat(run.id) is False
    assert store.runs.get(run.id).heartbeat > run.heartbeat
    assert store.lifecycle.heartbeat(run.id, "reading images, 40%") is False
    assert store.runs.get(run.id).activity == "reading images, 40%"
    assert store.lifecycle.heartbeat(run.id) is False
    assert store.runs.get(run.id).activity is None
    store.lifecycle.describe_data(run.id, (3, 48, 48), ["cat", "dog"])
    assert (store.runs.get(run.id).image, store.runs.get(run.id).classes) == ([3, 48, 48], ["cat", "dog"])
    store.lifecycle.request_stop(run.id)
    assert store.lifecycle.heartbeat(run.id) is True
    store.lifecycle.stop(run.id)
    assert store.runs.get(run.id).state == "stopped"
    assert store.lifecycle.claim(run.id).stop_requested is False
    store.lifecycle.fail(run.id, ValueError("no\n  memory "))
    assert (store.runs.get(run.id).state, store.runs.get(run.id).error) == ("failed", "no memory")
    assert store.lifecycle.claim(run.id).error is None
    store.lifecycle.finish(run.id, measured())
    done = store.runs.get(run.id)
    assert (done.state, done.figures) == ("finished", measured())
    assert done.finished >= done.started
    with pytest.raises(StoreError, match="is finished"):
        store.lifecycle.claim(run.id)
    assert store.lifecycle.heartbeat(run.id) is True


def test_a_run_that_has_ended_cannot_be_stopped(store: Store) -> None:
    run = add(store)
    for end, said in (
        (lambda: store.lifecycle.stop(run.id), "is stopped"),
        (lambda: store.lifecycle.fail(run.id, "no"), "is failed"),
        (lambda: store.lifecycle.finish(run.id, {}), "is finished"),
    ):
        end()
        with pytest.raises(StoreError, match=f"{said}: there is nothing to stop"):
            store.lifecycle.request_stop(run.id)
        assert not store.runs.get(run.id).stop_requested


def test_a_finished_run_stays_finished(store: Store) -> None:
    run = store.lifecycle.claim(add(store).id)
    store.lifecycle.finish(run.id, measured(), weights=b"", epoch=1)
    store.lifecycle.stop(run.id)
    store.lifecycle.fail(run.id, KeyboardInterrupt())
    assert store.runs.get(run.id).state == "finished"


def test_a_request_to_stop_reaches_a_process_that_is_still_starting(store: Store) -> None:
    run = add(store)
    store.lifecycle.request_stop(run.id)
    store.lifecycle.claim(run.id)
    assert store.lifecycle.heartbeat(run.id) is True


def test_deleting_stops_a_run_and_keeps_it_from_being_claimed(store: Store) -> None:
    run = store.lifecycle.claim(add(store).id)
    store.runs.delete(run.id)
    assert store.lifecycle.heartbeat(run.id) is True
    with pytest.raises(StoreError, match="was deleted"):
        store.lifecycle.claim(run.id)
    store.runs.restore(run.id)
    assert store.lifecycle.claim(run.id).stop_requested is False


METHODS = {
    "runs": ["get", "annotate", "delete", "restore", "purge"],
    "lifecycle": ["claim", "request_stop", "stop"],
    "metrics": ["history"],
    "checkpoints": ["latest", "read"],
}


@pytest.mark.parametrize(("part", "method"), [(part, method) for part, methods in METHODS.items() for method in methods])
def test_methods_name_the_run_they_miss(store: Store, part: str, method: str) -> None:
    with pytest.raises(StoreError, match="no run 7"):
        getattr(getattr(store, part), method)(7)


def test_a_silent_or_dead_process_is_an_interruption(store: Store) -> None:
    run = store.lifecycle.claim(add(store).id)
    elsewhere = {"host": "another-computer", "pid": 1, "heartbeat": now() - SILENCE + timedelta(seconds=5)}
    put(store, run, **elsewhere)
    assert store.runs.get(run.id).state == "running"
    with pytest.raises(StoreError, match="process 1 on another-computer"):
        store.lifecycle.claim(run.id)
    with pytest.raises(StoreError, match="stop it first"):
        store.runs.purge(run.id)
    put(store, run, heartbeat=now() - SILENCE - timedelta(seconds=1))
    assert store.runs.get(run.id).state == "interrupted"
    store.lifecycle.claim(run.id)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    put(store, run, pid=gone.pid)
    assert store.runs.get(run.id).interrupted
    assert store.lifecycle.claim(run.id).state == "running"


def test_a_process_that_was_given_up_does_not_end_its_successor(store: Store) -> None:
    run = store.lifecycle.claim(add(store).id)
    put(store, run, host="another-computer", heartbeat=now())
    assert store.lifecycle.heartbeat(run.id) is True
    for status in ("running", "finished"):
        put(store, run, status=status)
        store.lifecycle.stop(run.id)
        store.lifecycle.fail(run.id, "late")
        store.lifecycle.finish(run.id, {"late": 1})
        assert (store.runs.get(run.id).state, store.runs.get(run.id).figures) == (status, {})


def test_the_address_comes_from_the_environment_else_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATESCOPE_DB", f"sqlite:///{tmp_path / 'default.db'}")
    add(Store())
    assert (tmp_path / "default.db").exists()
    assert database.PROJECT_ROOT == ROOT
    monkeypatch.setattr(database, "PROJECT_ROOT", tmp_path / "project")
    (tmp_path / "project").mkdir()
    monkeypatch.setenv("GATESCOPE_DB", "")
    assert Store().weights.folder == tmp_path / "project" / "runs.weights"
    assert (tmp_path / "project" / "runs.db").exists()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("runs.db", "not a database address"),
        ("postgresql+psycopg://me:secret@server:port/db", r"//\*\*\*@server:port/db' is not a database address"),
        ("postgresql+psycopg://me:s3/secret@server:x1/db", r"//\*\*\*@server:x1/db' is not a database address"),
        ("postgresql+psycopg://me:s3@secret@server/db", "write each @ of the password as %40"),
        ("postgresql+nodriver://host/db?user=me&password=secret", "nodriver"),
        ("postgresql+psycopg://server:x1/db?password=secret&user=me", "is not a database address"),
        ("sqlite:////nowhere/at/all/runs.db", "unable to open"),
        ("sqlite:///{}/text.db", "not a database"),
        ("nosuch://host/db", "nosuch"),
        ("postgresql+nodriver://me:secret@host/db", "nodriver"),
    ],
)
def test_a_database_that_cannot_be_opened_is_one_clear_line(tmp_path: Path, url: str, said: str) -> None:
    (tmp_path / "text.db").write_text("no database " * 100)
    with pytest.raises(StoreError, match=said) as caught:
        Store(url.format(tmp_path))
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
    assert isinstance(caught.value, UserError)


def test_loads_without_slow_packages() -> None:
    code = "import sys, core.store; print([m for m in ('torch', 'streamlit', 'alembic', 'core.config') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip() == "[]"
