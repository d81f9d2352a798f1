"""Damaged rows and impossible figures: a file with them is refused, and a row with them is shown as damaged and stops nothing."""

import math
import shutil
import socket
import sqlite3
from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.charts.tradeoff import front_chart, series_of
from app.comparison import differing
from app.runs.entries import Entry
from app.runs.table import DEFAULT_COLUMNS, table
from core.cli.export import export
from core.cli.report import report
from core.cli.runs import runs
from core.config import run_config
from core.store import Run, Store, StoreError
from core.store.models import alive, now
from core.store.record import Figures
from core.training.sweep import enlist, planned
from tests.records import measured, record

CONFIG = run_config(architecture="high_low", dataset="digits", method="d2nn")
DAMAGE = {
    "config": ["{not json", "[]", "5", "null", '{"dataset": []}', '{"training": 1}', '{"method": {"name": 5}}', "[" * 3000, b"\xff"],
    "figures": ["{not json", "[]", '{"test": []}', '{"test": [{"lam": 0.5}]}', '{"val": 1}', b"\xff\x00"],
    "created": ["yesterday", 5, b"\xff"],
    "epoch": ["many", -1.0, 1e400],
    "classes": ['"ab"', "[1]"],
    "image": ["[3]", '["a", "b", "c"]', "[3, 40000, 40000]", "[2, 8, 8]", "[1, 8.5, 8]", "[1, true, 8]"],
    "status": ["done", b"\xff"],
    "name": [b"\xff", ""],
    "tags": ["{}"],
    "lam": ["half", 7.0],
    "pid": [2**40, 0, -1, 1.5],
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database of two finished runs of one sweep: "good", of id 1, and "bad", of id 2."""
    folder = tmp_path_factory.mktemp("sound")
    opened = Store(f"sqlite:///{folder / 'runs.db'}")
    for name in ("good", "bad"):
        run = opened.runs.create(CONFIG.record(), name=name, sweep="all")
        opened.lifecycle.claim(run.id)
        opened.lifecycle.finish(run.id, measured(), weights=b"weights")
    opened.close()
    return folder


@pytest.fixture
def store(sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A copy of the sound database, into which no run that ships with the project comes."""
    monkeypatch.setattr("core.store.references.load_references", lambda store: [])
    shutil.copytree(sound, tmp_path / "copy")
    return Store(f"sqlite:///{tmp_path / 'copy' / 'runs.db'}")


def change(store: Store, column: str, value: object) -> None:
    """Write a value into a column of the second run, past everything that checks it."""
    with sqlite3.connect(store.database.location.database) as connection:
        connection.execute(f"UPDATE runs SET {column} = ? WHERE id = 2", (value,))
    connection.close()


@pytest.mark.parametrize(("column", "value"), [(column, value) for column, values in DAMAGE.items() for value in values])
def test_a_damaged_row_is_shown_as_damaged_and_stops_nothing(
    store: Store, column: str, value: object, capsys: pytest.CaptureFixture[str]
) -> None:
    change(store, column, value)
    listed = store.runs.all()
    bad, good = listed
    assert (good.state, good.damage) == ("finished", None)
    assert (bad.state, bad.figures) == ("damaged", {})
    assert bad.error is not None
    assert column in bad.error
    runs(store.url)
    output = capsys.readouterr().out
    assert "good" in output
    assert f"Run 2 is {bad.error}" in " ".join(output.split())
    assert [run.name for series in series_of(listed) for run in series.runs] == ["good"]
    front_chart(series_of(listed), [], [])
    assert list(table([Entry(run) for run in listed], DEFAULT_COLUMNS, 0.5)["state"]) == ["Damaged", "Finished"]
    differing([run.config for run in listed])
    report("all", None, "test", store.url)
    assert [run.name for run in store.runs.siblings(good)] == ["good"]
    assert enlist(store, planned(CONFIG, [None], [0]), "all")[0].name == "good"
    with pytest.raises(StoreError, match="damaged"):
        store.lifecycle.claim(2)
    with pytest.raises(StoreError, match="damaged"):
        export("2", Path(store.url).with_name("any.safetensors"), db=store.url)
    store.runs.purge(2)


def test_showing_damage_changes_nothing_in_the_database(store: Store) -> None:
    change(store, "figures", "[]")
    store.runs.annotate(2, notes="look at this")
    change(store, "figures", "{}")
    assert (store.runs.get(2).state, store.runs.get(2).notes) == ("finished", "look at this")


def test_no_process_has_a_number_beyond_the_systems() -> None:
    assert not alive(2**40)
    future = now() + timedelta(hours=5)
    assert Run(status="running", pid=2**40, host=socket.gethostname(), heartbeat=future).state == "interrupted"


def test_a_text_that_is_not_utf8_is_shown_with_marks(store: Store) -> None:
    with sqlite3.connect(store.database.location.database) as connection:
        connection.execute("UPDATE runs SET notes = CAST(x'61ff62' AS TEXT) WHERE id = 2")
    connection.close()
    assert store.runs.get(2).notes == "a\ufffdb"


def test_points_that_are_no_numbers_are_left_out_of_the_curves(store: Store) -> None:
    store.metrics.log(1, 1.0, {"loss": 0.5})
    with sqlite3.connect(store.database.location.database) as connection:
        connection.executemany("INSERT INTO points VALUES (1, 'loss', ?, ?)", [(2.0, "low"), ("late", 0.5), (3.0, None)])
    connection.close()
    (first, last) = store.metrics.history(1)["loss"]
    assert (first, last[0]) == ((1.0, 0.5), 3.0)
    assert math.isnan(last[1])


def put(*path: Any, value: object) -> Callable[[dict[str, Any]], None]:
    """Return what puts a value into figures, at a path."""

    def apply(figures: dict[str, Any]) -> None:
        place: Any = figures
        for step in path[:-1]:
            place = place.setdefault(step, {}) if isinstance(place, dict) else place[step]
        place[path[-1]] = value

    return apply


IMPOSSIBLE = {
    "no execution rates": lambda figures: figures["test"][0].pop("execution_rates"),
    "no routes": lambda figures: figures["val"][0].pop("routes"),
    "no test": lambda figures: figures.pop("test"),
    "accuracy above 1": put("test", 0, "accuracy", value=1.5),
    "accuracy below 0": put("test", 0, "accuracy", value=-0.5),
    "accuracy NaN": put("test", 0, "accuracy", value=math.nan),
    "F1 as text": put("test", 0, "f1", value="good"),
    "a negative cost": put("test", 0, "macs_mean", value=-1.0),
    "an infinite cost": put("val", 0, "macs_mean", value=math.inf),
    "λ above 1": put("test", 0, "lam", value=1.5),
    "other λ": put("test", 0, "lam", value=0.25),
    "rates above 1": put("test", 0, "execution_rates", "input", value=2.0),
    "other nodes": put("test", 0, "execution_rates", value={"stem": 1.0}),
    "an unknown field of a route": put("test", 0, "routes", 0, "colour", value="red"),
    "an unknown field of a baseline": put("baselines", value={"test": {"x": [{"cost": 0.5, "accuracy": 0.5, "x": 1}]}}),
    "a baseline without accuracy": put("baselines", value={"test": {"random gates": [{"cost": 0.5}]}}),
    "a baseline with NaN": put("baselines", value={"test": {"random gates": [{"cost": math.nan, "accuracy": 0.5}]}}),
    "an unknown field of a collapsed controller": put("collapsed", value=[{"control": "Q", "rates": {}, "routes": [], "x": 1}]),
    "a collapsed controller without routes": put("collapsed", value=[{"control": "Q", "rates": {}}]),
    "a budget's row without λ": put("budget", value=[{"lam": None, "n": 1, "macs_mean": 1.0, "macs_static": 2}]),
    "a budget's row with a negative cost": put("budget", value=[{"lam": 0.0, "n": 1, "macs_mean": -1.0, "macs_static": 2}]),
    "dependence NaN": put("test", 0, "dependence", value=math.nan),
}


@pytest.mark.parametrize("fault", IMPOSSIBLE)
def test_impossible_figures_are_refused(fault: str) -> None:
    figures = deepcopy(measured())
    Figures.model_validate(figures)
    IMPOSSIBLE[fault](figures)
    with pytest.raises(ValidationError):
        Figures.model_validate(figures)


def test_a_configuration_that_is_too_deep_is_refused() -> None:
    deep: Any = 1
    for _ in range(30):
        deep = [deep]
    with pytest.raises(ValidationError, match="levels"):
        record(config={"x": deep})


def test_a_component_that_is_no_name_is_refused() -> None:
    assert Run().damage is None
    with pytest.raises(ValueError, match="must be a name"):
        run_config(architecture=5, dataset="digits", method="d2nn")
