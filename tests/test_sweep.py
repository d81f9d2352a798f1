"""Runs that belong together."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_cli import call, refused

from core.config import run_config
from core.registry import ConfigError
from core.store import Store, StoreError
from core.sweep_values import read_lams, read_seeds
from core.training.sweep import enlist, planned, static_paths, sweep

ROOT = Path(__file__).parents[1]
CONFIG = run_config(
    architecture={"name": "cascade", "trunk": [2, 2], "head": [2, 2]}, dataset="faces", method="d2nn", training={"epochs": 1}
)


def test_a_plan_has_every_lam_with_every_seed() -> None:
    plans = planned(CONFIG, [None, 0.5], [0, 3])
    assert [(plan.lam, plan.training.seed) for plan in plans] == [(None, 0), (0.5, 0), (None, 3), (0.5, 3)]
    assert all(plan.architecture == CONFIG.architecture and plan.training.epochs == 1 for plan in plans)


def test_every_path_is_planned_as_a_static_network_of_its_own(scratch_database: str) -> None:
    plans = static_paths(CONFIG.model_copy(update={"method": CONFIG.method.model_copy(update={"bn_recalibration_batches": 3})}), [0, 1])
    assert [(plan.method.name, plan.lam, plan.training.seed) for plan in plans] == [("static", None, seed) for seed in (0, 0, 1, 1)]
    assert [plan.method.bn_recalibration_batches for plan in plans] == [3] * 4  # what helps batch norm helps both sides
    runs = enlist(Store(scratch_database), plans[:2], "all")
    assert [run.name for run in runs] == ["all/static stop/0", "all/static go on/0"]


@pytest.mark.long
def test_a_sweep_of_static_paths_alone_has_each_of_them_once(scratch_database: str) -> None:
    sizes = ["--set", "architecture.trunk=[2,2]", "--set", "architecture.head=[2,2]"]
    words = ["sweep", "cascade", "--name", "still", "--dataset", "faces", "--method", "static", "--statics", "--epochs", "1", *sizes]
    called = call(*words, "--db", scratch_database)
    assert called.returncode == 0, called.stderr
    there = sorted((run.name, run.state) for run in Store(scratch_database).runs.all() if run.sweep == "still")
    assert there == [("still/static go on/0", "finished"), ("still/static stop/0", "finished")]
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in called.stdout.splitlines() if "│ still/" in line]
    costs = {row[0]: int(row[4].replace(",", "")) for row in rows}
    assert costs["still/static stop/0"] < costs["still/static go on/0"]
    assert {row[5] for row in rows} == {"–"}  # their share of themselves would tell nothing


@pytest.mark.long
def test_a_sweep_whose_runs_fail_says_so(scratch_database: str, tmp_path: Path) -> None:
    """Scripts that go on with its runs hear of it, and so does who asks for its figures."""
    missing = tmp_path / "nowhere.safetensors"
    taught = ["--set", "method.distillation_weight=1", "--set", f"method.teacher={missing}"]
    words = ["--name", "bad", "--dataset", "faces", *taught, "--db", scratch_database]
    for more in ([], ["--json"]):
        called = call("sweep", "cascade", *words, *more)
        assert called.returncode == 1
        assert "nowhere.safetensors" in " ".join(called.stdout.split())
    assert "no run of bad is finished: bad/every/0 is failed" in refused("report", "bad", "--db", scratch_database)


def test_a_sweep_whose_variant_cannot_begin_with_its_weights_adds_none(scratch_database: str) -> None:
    """A variant comes last: without a look at its weights, all others would be trained first."""
    start = "assets/reference/high-low-faces.safetensors"
    words = ["--dataset", "faces", "--epochs", "1", "--set", f"training.init_from={start}", "--db", scratch_database]
    told = refused(
        "sweep",
        "high_low",
        "--name",
        "beside",
        *words,
        "--also",
        "wider: architecture.stem=8 architecture.low=[8,8] architecture.high=[8,8,16]",
    )
    assert f"training.init_from: {start}: these weights" in told
    start = "assets/reference/lc-digits-static.safetensors"
    words = ["--dataset", "cluttered_digits", "--method", "lcnet", "--set", f"training.init_from={start}", "--db", scratch_database]
    shape = ["--set", "architecture.depth=14", "--set", "architecture.width=8"]
    told = refused("sweep", "lc_resnet", "--name", "beside", *words, *shape, "--also", "fixed: method.gates=fixed")
    assert f"training.init_from: {start} has no trained gates for Q1-1" in told
    assert [run.name for run in Store(scratch_database).runs.all() if not run.reference] == []


def test_static_paths_take_the_options_of_static_and_no_route(scratch_database: str) -> None:
    still = run_config(architecture="cascade", dataset="faces", method={"name": "static", "controller_holdout": 0.2})
    assert {plan.method.controller_holdout for plan in static_paths(still, [0])} == {0.2}
    with pytest.raises(ConfigError, match="route"):
        static_paths(run_config(architecture="cascade", dataset="faces", method={"name": "static", "route": ["Q1=stop"]}), [0])


def test_a_run_from_before_an_option_was_added_is_recognised(scratch_database: str) -> None:
    store = Store(scratch_database)
    record = CONFIG.record()
    del record.config["training"]["optimizer"], record.config["method"]["self_distillation"]
    run = store.runs.create(record, name="old/every/0", sweep="old")
    assert [known.id for known in enlist(store, [CONFIG], "old")] == [run.id]


def test_a_sweep_goes_on_with_what_is_not_finished(scratch_database: str) -> None:
    store = Store(scratch_database)
    first = enlist(store, planned(CONFIG, [0.3, 0.6], [0]), "both")
    assert [run.name for run in first] == ["both/0.3/0", "both/0.6/0"]
    for standing in sweep(store, first[:1], 1):
        last = standing
    assert [run.state for run in last] == ["finished"]
    wider = enlist(store, planned(CONFIG, [0.3, 0.6, None], [0]), "both")
    assert [run.id for run in wider[:2]] == [run.id for run in first]
    finished = store.runs.get(first[0].id).finished
    for standing in sweep(store, wider, 2):
        last = standing
    assert [run.state for run in last] == ["finished"] * 3
    assert {run.sweep for run in last} == {"both"}
    assert store.runs.get(first[0].id).finished == finished


def test_a_sweep_that_is_ended_ends_its_processes(scratch_database: str) -> None:
    store = Store(scratch_database)
    long = CONFIG.model_copy(update={"training": CONFIG.training.model_copy(update={"epochs": 5000})})
    runs = enlist(store, planned(long, [0.5], [0]), "long")
    standing = sweep(store, runs, 1)
    for now in standing:
        if now[0].state == "running":
            process = now[0].pid
            break
    standing.close()
    assert process is not None
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        process = None
    assert process is None
    assert store.runs.get(runs[0].id).state == "stopped"


def test_a_sweep_that_is_asked_to_end_ends_its_processes(scratch_database: str) -> None:
    store = Store(scratch_database)
    long = CONFIG.model_copy(update={"training": CONFIG.training.model_copy(update={"epochs": 5000})})
    (run,) = enlist(store, planned(long, [0.5], [0]), "long")
    sizes = ["--set", "architecture.trunk=[2,2]", "--set", "architecture.head=[2,2]", "--epochs", "5000", "--lams", "0.5"]
    words = ["core", "sweep", "cascade", "--name", "long", "--dataset", "faces", *sizes]
    process = subprocess.Popen([sys.executable, "-m", *words, "--db", scratch_database], cwd=ROOT, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while store.runs.get(run.id).state != "running":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    worker = store.runs.get(run.id).pid
    assert worker is not None
    process.terminate()
    process.wait(timeout=30)
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


def test_a_worker_that_has_only_begun_is_waited_for(scratch_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was stopped says so until its new process takes it, which may be a while after it was started."""
    store = Store(scratch_database)
    (run,) = enlist(store, planned(CONFIG, [0.5], [0]), "slow")
    store.lifecycle.claim(run.id)
    store.lifecycle.stop(run.id)
    begun = []

    def slowly(run_id: int, url: str, log: str | None = None) -> subprocess.Popen[bytes]:
        begun.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]))
        return begun[-1]

    monkeypatch.setattr("core.training.sweep.start", slowly)
    standing = sweep(store, [store.runs.get(run.id)], 1)
    for _ in range(3):
        assert next(standing)[0].state == "stopped"
    assert len(begun) == 1
    assert begun[0].poll() is None
    standing.close()
    assert begun[0].returncode == -signal.SIGTERM


def test_a_run_whose_process_ends_before_it_begins_has_failed(scratch_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(scratch_database)
    runs = enlist(store, planned(CONFIG, [0.3, 0.6, 0.9], [0]), "short")
    store.runs.delete(runs[1].id)
    store.lifecycle.claim(runs[2].id)
    store.lifecycle.stop(runs[2].id)
    monkeypatch.setattr(
        "core.training.sweep.start", lambda run_id, url, log: subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    )
    for now in sweep(store, [store.runs.get(run.id) for run in runs], 1):
        last = now
    assert last[0].state == "failed"
    assert f"ended with status 3 before the training began: see {store.weights.folder / f'{runs[0].id}.log'}" in (last[0].error or "")
    assert (last[1].state, last[1].error) == ("queued", None)  # a deleted one is left alone
    assert last[2].state == "failed"  # also one that was stopped before


def test_a_sweep_adds_all_of_its_runs_or_none(scratch_database: str) -> None:
    store = Store(scratch_database)
    enlist(store, planned(CONFIG, [None], [0]), "grow")
    longer = CONFIG.model_copy(update={"training": CONFIG.training.model_copy(update={"epochs": 2})})
    for more in ({}, {"w" * 200: planned(longer, [None], [1])}):
        with pytest.raises(StoreError, match=r"'grow/every/0' is taken|1 to 200 printable characters"):
            enlist(store, planned(longer, [None], [1] if more else [1, 0]), "grow", more)
        assert [run.name for run in store.runs.all()] == ["grow/every/0"]
    assert [run.name for run in enlist(store, planned(CONFIG, [0.1234567, 0.1234568, 1.0], [0]), "fine")] == [
        "fine/0.1234567/0",
        "fine/0.1234568/0",
        "fine/1/0",
    ]


def test_the_same_lam_and_seed_in_other_words_are_one() -> None:
    assert read_lams("0.5,every, 0.50 ,every") == (0.5, None)
    assert read_seeds("0,00,1") == (0, 1)


def test_a_renamed_run_stays_with_its_variant(scratch_database: str) -> None:
    store = Store(scratch_database)
    (run,) = enlist(store, [], "all", {"wide": planned(CONFIG, [None], [0])})
    assert store.runs.rename(run.id, "my wide").series == "all/wide"


def test_variants_of_a_sweep_have_names(scratch_database: str) -> None:
    store = Store(scratch_database)
    base = enlist(store, planned(CONFIG, [None], [0]), "all")
    other = run_config(architecture="cascade", dataset="faces", method="d2nn")
    varied = enlist(store, [], "all", {"wide": planned(other, [None], [0, 1])})
    plain = planned(run_config(architecture="plain", dataset="faces", method="static"), [None], [0])
    still = enlist(store, [], "all", {"plain": plain})
    assert [run.name for run in (*base, *varied, *still)] == ["all/every/0", "all/wide/every/0", "all/wide/every/1", "all/plain/static/0"]
    assert [run.series for run in (*base, *varied, *still)] == ["all", "all/wide", "all/wide", "all/plain"]
    assert {run.sweep for run in (*base, *varied, *still)} == {"all"}
    assert store.runs.create(CONFIG.record(), name="mine").series == "mine"
