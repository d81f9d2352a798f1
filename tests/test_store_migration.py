"""Earlier names of options and metrics: a database of schema 0003 and the shipped files open under the current names."""

import importlib
import json
import math
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
from alembic import command
from alembic.config import Config
from pydantic import AliasChoices, BaseModel
from safetensors import safe_open

from core.config import RunConfig, Training, run_config
from core.graph.checkpoint import unpack
from core.graph.execution import execute
from core.graph.policy import Greedy
from core.registry import COMPONENT_KINDS, component, names
from core.store import Store, database, renamed
from core.store.exchange import HEADER, read_header
from core.store.references import SHIPPED
from core.training.assembly import assemble

SQL = Path(__file__).parent / "data" / "schema_0003.sql"
MIGRATION = importlib.import_module("core.store.migrations.versions.0004_names")
LATER = {  # they came after the names had changed, and share options with methods that came before
    ("method", name)
    for name in ("slimmable", "branchynet", "decision_gates", "bolukbasi", "l2w", "aig", "blockdrop", "odena", "fbs", "act")
}
OLD = {
    "taught loss": "self-distillation loss",
    "distilled loss": "distillation loss",
    "beside loss": "all-open distillation loss",
    "full network loss": "all-open classification loss",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database of schema 0003."""
    with closing(sqlite3.connect(tmp_path / "runs.db")) as connection:
        connection.executescript(SQL.read_text(encoding="utf-8"))
    return tmp_path / "runs.db"


def rows(file: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(query).fetchall()


def assert_current(stored: dict[str, Any], config: RunConfig) -> None:
    """Assert that stored options have the names and values of a configuration. Options that were added later may be missing."""
    for part, value in config.model_dump(mode="json").items():
        assert held(stored[part], value), part


def held(stored: Any, value: Any) -> bool:
    """Return whether a value has all that is stored. Only options may be added, also those of a cascade's members."""
    if isinstance(stored, dict) and isinstance(value, dict):
        return all(name in value and held(one, value[name]) for name, one in stored.items())
    if isinstance(stored, list) and isinstance(value, list):
        return len(stored) == len(value) and all(map(held, stored, value))
    return bool(stored == value)


def test_a_database_of_schema_0003_is_migrated(file: Path) -> None:
    before = rows(file, "SELECT id, name, status, lam, seed, epoch, created, finished, sweep, variant, seconds, machine FROM runs")
    checkpoints = rows(file, "SELECT * FROM checkpoints")
    store = Store(f"sqlite:///{file}")
    assert rows(file, "SELECT id, name, status, lam, seed, epoch, created, finished, sweep, variant, seconds, machine FROM runs") == before
    assert rows(file, "SELECT * FROM checkpoints") == checkpoints
    assert len(checkpoints) == 2
    assert {run.name: run.gated for run in store.runs.all()} == {"gated": True, "static": False, "friday/wide/0.5/1": True}
    assert store.runs.get("friday/wide/0.5/1").series == "friday/wide"


def test_migrated_configurations_have_the_current_options(file: Path) -> None:
    """Nothing differs from what the current code stores, so a comparison of old and new runs shows no false difference."""
    before = {name: json.loads(config) for name, config in rows(file, "SELECT name, config FROM runs")}
    store = Store(f"sqlite:///{file}")
    for run in store.runs.all():
        config = run_config(**run.config)
        assert_current(run.config, config)
        assert run_config(**before[run.name]) == config
        assert config.gated == run.gated
    gated, variant = store.runs.get("gated").config, store.runs.get("friday/wide/0.5/1").config
    assert (gated["method"]["self_distillation"], gated["method"]["early_exit_weight"]) == (0.5, 0.25)
    assert (gated["training"]["freeze_bn"], gated["training"]["weights_dtype"]) == (0.25, "float16")
    assert (variant["architecture"]["min_scale"], variant["architecture"]["layer_gate_lr"]) == (0.25, 0.5)
    words = run_config(**variant).command()
    assert "architecture.min_scale=0.25" in words
    assert "method.sandwich_weight=1.0" in words


def test_migrated_metrics_have_the_current_names(file: Path) -> None:
    store = Store(f"sqlite:///{file}")
    gated, static, variant = (store.metrics.history(run_id) for run_id in (1, 2, 3))
    assert gated == {
        "train distillation loss": [(1.0, 1.0), (2.0, 0.5)],
        "train self-distillation loss": [(1.0, 1.5), (2.0, 0.7)],  # epoch 2 was logged under both names: the current one stays
        "val accuracy at λ=0.5": [(1.0, 0.81), (2.0, 0.82)],
    }
    assert static == {"train class loss": [(0.5, 2.0)]}
    assert variant["train all-open distillation loss"] == [(1.0, 0.75)]
    assert math.isnan(variant["train all-open classification loss"][0][1])
    assert len(variant) == 2


def test_a_migrated_run_can_be_claimed_and_goes_on(file: Path) -> None:
    store = Store(f"sqlite:///{file}")
    run = store.lifecycle.claim(1, "x86_64, 2 cores")
    assert (run.state, run.seconds, run.machine) == ("running", 6.0, "x86_64, 2 cores")
    store.checkpoints.save(run.id, 2, b"weights", metrics={"train distillation loss": 0.25})
    assert store.metrics.history(run.id)["train distillation loss"] == [(1.0, 1.0), (2.0, 0.25)]


def test_the_migration_can_be_undone(file: Path) -> None:
    before = rows(file, "SELECT name, config FROM runs"), rows(file, "SELECT DISTINCT run_id, name FROM points WHERE run_id > 1")
    store = Store(f"sqlite:///{file}")
    with store.database.engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(database.MIGRATIONS))
        config.attributes["connection"] = connection
        command.downgrade(config, "0003")
    assert [(name, json.loads(config)) for name, config in rows(file, "SELECT name, config FROM runs")] == [
        (name, json.loads(config)) for name, config in before[0]
    ]
    assert rows(file, "SELECT DISTINCT run_id, name FROM points WHERE run_id > 1") == before[1]
    assert "gated" not in [column[1] for column in rows(file, "PRAGMA table_info(runs)")]


def test_earlier_runs_with_mini_bags_say_that_they_shared_a_reward(tmp_path: Path) -> None:
    file = tmp_path / "runs.db"
    store = Store(f"sqlite:///{file}")
    for name, size in (("bags", 8), ("single", 1), ("damaged", 8)):
        config = run_config(architecture="cascade", dataset="faces", method={"name": "d2nn", "metric": "f1", "bag_size": size})
        store.runs.create(config.record(), name=name)
    with store.database.engine.begin() as connection:
        config_ = Config()
        config_.set_main_option("script_location", str(database.MIGRATIONS))
        config_.attributes["connection"] = connection
        command.downgrade(config_, "0006")
        connection.exec_driver_sql("UPDATE runs SET config = '{broken' WHERE name = 'damaged'")
    stored = [json.loads(config)["method"] for (config,) in rows(file, "SELECT config FROM runs WHERE name != 'damaged'")]
    assert all("credit" not in method for method in stored)
    again = Store(f"sqlite:///{file}")
    assert again.runs.get("bags").config["method"]["credit"] == "bag"
    assert "credit" not in again.runs.get("single").config["method"]
    assert again.runs.get("damaged").state == "damaged"


def test_earlier_files_with_mini_bags_say_that_they_shared_a_reward() -> None:
    methods = [
        {"name": "d2nn", "bag_size": 8},
        {"name": "d2nn", "bag": 8},
        {"name": "d2nn", "bag_size": 8, "credit": "image"},
        {"name": "d2nn"},
    ]
    current = [renamed.with_current_names({"method": "d2nn", "config": {"method": method}})["config"]["method"] for method in methods]
    assert [method.get("credit") for method in current] == ["bag", "bag", "image", None]


def earlier_names(options: type[BaseModel]) -> dict[str, str]:
    """Return the current name of each earlier name that the options still accept."""
    aliases = {name: field.validation_alias for name, field in options.model_fields.items()}
    return {str(old): name for name, alias in aliases.items() if isinstance(alias, AliasChoices) for old in alias.choices if old != name}


@pytest.mark.parametrize("mapping", [renamed.OPTIONS, MIGRATION.OPTIONS], ids=["imports", "migration"])
def test_every_earlier_name_of_an_option_is_translated(mapping: dict[tuple[str, str | None], dict[str, str]]) -> None:
    accepted = {(kind[:-1], name): earlier_names(component(kind, name)) for kind in COMPONENT_KINDS for name in names(kind)}
    accepted[("training", None)] = earlier_names(Training)
    assert {key: found for key, found in accepted.items() if found and key not in LATER} == mapping


@pytest.mark.parametrize("mapping", [renamed.METRICS, MIGRATION.METRICS], ids=["imports", "migration"])
def test_every_earlier_name_of_a_metric_is_translated(mapping: dict[str, str]) -> None:
    assert mapping == {f"train {old}": f"train {new}" for old, new in OLD.items()}


@pytest.mark.parametrize("file", sorted(SHIPPED.glob("*.safetensors")), ids=lambda file: file.stem)
def test_each_shipped_file_opens_as_it_is(file: Path) -> None:
    header = read_header(file)
    config = run_config(**header.config)
    assert_current(header.config, config)
    with safe_open(file, framework="numpy") as opened:
        stored = json.loads(opened.metadata()[HEADER])
    assert header.gated == config.gated == (stored["method"] != "static")
    assert set(header.curve) == {renamed.METRICS.get(name, name) for name in stored["curve"]}
    graph = assemble(config, header.image, len(header.classes))
    unpack(file.read_bytes(), graph)
    image = torch.rand(1, *header.image, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        output = execute(graph.eval(), image, Greedy(), lam=0.5 if graph.tradeoff.every_lam else None).output
    assert output.shape == (1, len(header.classes))
    assert output.isfinite().all()
