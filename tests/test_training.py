"""Training repeats itself, goes on where it stopped, and outlives the death of its process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load
from torch import nn

from core.config import RunConfig, Training, run_config
from core.datasets import DataError, normalised
from core.datasets.folder import Folder
from core.graph.checkpoint import pack, unpack
from core.graph.weight_file import CheckpointError
from core.store import Store
from core.store.lifecycle import Lifecycle
from core.store.weights import Weights
from core.training.assembly import assemble
from core.training.batches import Batches
from core.training.figures import TrainingError
from core.training.optimizer import MOMENTUM, optimizer_of, schedule, set_rates
from core.training.train import CHANNEL_PREFIX, FINAL_GRID, RATE_PREFIX, final_figures, train
from core.training.worker import machine, work

ROOT = Path(__file__).parents[1]


def small(**choices: object) -> RunConfig:
    """A run of seconds."""
    training = {"epochs": 4, "batch_size": 32} | dict(choices.pop("training", {}))  # type: ignore[call-overload]
    return run_config(**{"architecture": "cascade", "dataset": "faces", "method": "d2nn", "training": training} | choices)


CHOICES = [
    {},
    pytest.param({"lam": 0.7}, marks=pytest.mark.long),
    {"method": {"name": "d2nn", "metric": "f1", "bag_size": 8}},
    pytest.param({"method": "static"}, marks=pytest.mark.long),
    {"architecture": "plain", "method": "static"},
    pytest.param({"architecture": {"name": "high_low", "controller_sees": "features"}, "lam": 0.5}, marks=pytest.mark.long),
    {"training": {"precision": "bfloat16"}},
    {"training": {"freeze_bn": 0.5}},
    pytest.param({"training": {"weights_dtype": "float16"}}, marks=pytest.mark.long),
    {"method": {"name": "d2nn", "bn_recalibration_batches": 2}},
    {"method": {"name": "d2nn", "self_distillation": 1.0}, "training": {"optimizer": "sgd", "learning_rate": 0.05}},
]


@pytest.mark.parametrize("choices", CHOICES)
def test_an_interrupted_training_ends_as_an_undisturbed_one(choices: dict[str, object]) -> None:
    config = small(**choices)
    data = config.dataset.read()
    undisturbed = list(train(config, data))
    states = [progress.state for progress in undisturbed if progress.state]
    assert len(states) == config.training.epochs + 1
    resumed = list(train(config, data, resume=states[1]))
    first, second = load(states[-1]), load([progress.state for progress in resumed if progress.state][-1])
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name
    assert undisturbed[-1].final == resumed[-1].final


def test_weights_kept_in_half_the_space_are_those_that_were_measured() -> None:
    """Its figures are those of the network that is read back, and no other weights are kept than those that it ended with, rounded."""
    whole, halved = (small(training={"weights_dtype": stored}) for stored in ("float32", "float16"))
    data = whole.dataset.read()
    ended, last = (list(train(config, data))[-1] for config in (whole, halved))
    assert ended.state is not None
    assert last.state is not None
    weights = load(last.state)
    graph = assemble(halved, data.image, len(data.classes))
    unpack(last.state, graph)
    holdout = Batches(halved, data, torch.device("cpu")).holdout_split()
    assert final_figures(graph, halved, data, holdout) == last.final
    several = {f"graph.{name}" for name, parameter in graph.named_parameters() if parameter.dim() > 1}
    assert {name for name, tensor in weights.items() if tensor.dtype == torch.float16} == several
    convolution = next(name for name in several if "controller" not in name and weights[name].dim() == 4)
    assert torch.equal(weights[convolution], load(ended.state)[convolution].half())
    assert len(last.state) < 0.7 * len(ended.state)


def test_batch_norm_keeps_its_figures_once_they_are_settled() -> None:
    config = small(training={"freeze_bn": 0.5})
    states = [load(progress.state) for progress in train(config, config.dataset.read()) if progress.state]
    figures = [name for name in states[0] if "running_" in name]
    learnt = [name for name in states[0] if name.startswith("graph.parts.") and name.endswith(".weight")]
    assert figures
    assert all(torch.equal(states[1][name], states[3][name]) for name in figures)
    assert not any(torch.equal(states[0][name], states[1][name]) for name in figures)
    assert not any(torch.equal(states[1][name], states[3][name]) for name in learnt)


def test_batch_norm_is_recalibrated_after_each_epoch() -> None:
    """Its figures are then those of the images under the weights as they are, for a static network exactly their means."""
    config = small(architecture="plain", method={"name": "static", "bn_recalibration_batches": 1000})
    data = config.dataset.read()
    last = [progress.state for progress in train(config, data) if progress.state][-1]
    graph = assemble(config, data.image, len(data.classes))
    unpack(last, graph)
    convolution, norm = (next(module for module in graph.modules() if isinstance(module, kind)) for kind in (nn.Conv2d, nn.BatchNorm2d))
    with torch.no_grad():
        made = convolution(normalised(data.train.images))  # (N, C, H, W)
    assert norm.running_mean is not None
    assert torch.allclose(norm.running_mean, made.mean(dim=(0, 2, 3)), atol=0.02 * float(made.std()))


def test_the_same_seed_gives_the_same_curve_and_another_seed_another_one() -> None:
    def curve(seed: int) -> list[dict[str, float]]:
        config = small(training={"seed": seed, "epochs": 2})
        return [progress.figures for progress in train(config, config.dataset.read()) if progress.figures]

    assert curve(0) == curve(0) != curve(1)


def test_sgd_is_the_chosen_optimizer() -> None:
    config = small(training={"optimizer": "sgd", "learning_rate": 0.05, "weight_decay": 0.001})
    graph = assemble(config, (3, 25, 25), 2)
    optimizer = optimizer_of(graph, config.training)
    assert isinstance(optimizer, torch.optim.SGD)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.001, 0.0, 0.0]
    assert all((group["lr"], group["momentum"], group["nesterov"]) == (0.05, MOMENTUM, True) for group in optimizer.param_groups)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(graph.parameters()))
    assert isinstance(optimizer_of(graph, small().training), torch.optim.AdamW)


def test_control_nodes_learn_at_a_rate_of_their_own() -> None:
    config = small(training={"learning_rate": 0.01, "control_rate": 4.0})
    graph = assemble(config, (3, 25, 25), 2)
    optimizer = optimizer_of(graph, config.training)
    names = {id(parameter): name for name, parameter in graph.named_parameters()}
    for progress in (0.1, 0.6):
        set_rates(optimizer, config.training, progress)
        for group in optimizer.param_groups:
            rates = {0.04 if names[id(parameter)].startswith("parts.Q") else 0.01 for parameter in group["params"]}
            assert {rate * schedule(progress) for rate in rates} == {group["lr"]}


def test_final_figures_hold_every_lam_of_the_grid_or_the_one_trained_for() -> None:
    for config, lams in ((small(), FINAL_GRID), (small(lam=0.7), (0.7,))):
        final = list(train(config, config.dataset.read()))[-1].final
        assert final is not None
        assert [row["lam"] for row in final["test"]] == list(lams)
        assert [row["n"] for row in final["test"]] == [60] * len(lams)
        assert list(final["baselines"]) == ["val", "test"]
        for fronts in final["baselines"].values():
            assert list(fronts) == ["full path", "random gates", "fixed routes", "confidence"]


def test_the_cost_at_every_step_of_the_slider_is_kept_for_budgets() -> None:
    """On validation images and the holdout; without a holdout it is the cost on validation images."""
    method = {"name": "d2nn", "controller_holdout": 0.0}
    last = [list(train(config, config.dataset.read()))[-1].final for config in (small(), small(method=method), small(lam=0.7))]
    both, alone, of_one_lam = (figures or {} for figures in last)
    assert [row["lam"] for row in both["budget"]] == [step / 100 for step in range(101)]
    assert both["budget"][0]["n"] > both["val"][0]["n"] == alone["budget"][0]["n"]
    costs = {row["lam"]: row["macs_mean"] for row in alone["budget"]}
    assert [costs[row["lam"]] for row in alone["val"]] == pytest.approx([row["macs_mean"] for row in alone["val"]])
    assert "budget" not in of_one_lam


def test_the_evaluation_at_the_end_tells_how_far_it_is() -> None:
    told: list[tuple[str, float]] = []
    config = small()
    for _ in train(config, config.dataset.read(), report=lambda what, share: told.append((what, share))):
        pass
    assert {what for what, _ in told} == {"evaluating"}
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)


def test_a_network_that_does_not_decide_is_named_in_its_row() -> None:
    dear = {"name": "d2nn", "exchange_rate": 10.0, "epsilon_decay_end": 0.5}  # nothing is worth its cost
    config = small(lam=0.5, method=dear, training={"epochs": 12, "learning_rate": 0.03})
    progress = list(train(config, config.dataset.read()))
    assert progress[-1].final is not None
    told = progress[-1].final["collapsed"]
    assert [control["control"] for control in told] == ["Q1"]
    assert set(told[0]["rates"].values()) == {0.0}
    assert told[0]["routes"][0]["share"] == pytest.approx(1)
    assert [p.figures["val collapsed control nodes"] for p in progress if p.figures][-1] == 1.0


def test_each_epoch_tells_how_open_modules_and_channels_are() -> None:
    config = small(architecture={"name": "lc_resnet", "depth": 8, "width": 4}, method="lcnet", lam=0.5, training={"epochs": 1})
    (figures, last) = (progress for progress in train(config, config.dataset.read()) if progress.figures or progress.final)
    blocks = ["block 1-1", "block 2-1", "block 3-1"]
    assert [name.removeprefix(RATE_PREFIX) for name in figures.figures if name.startswith(RATE_PREFIX)] == blocks
    channels = {name.removeprefix(CHANNEL_PREFIX): rate for name, rate in figures.figures.items() if name.startswith(CHANNEL_PREFIX)}
    assert list(channels) == blocks
    assert last.final is not None
    assert channels == last.final["val"][0]["channel_rates"]


def test_learning_lowers_the_loss() -> None:
    config = small(dataset="digits", method="static", training={"epochs": 4})
    losses = [p.figures["train classification loss"] for p in train(config, config.dataset.read()) if p.figures]
    assert losses[-1] < losses[0] * 0.7


def test_the_learning_rate_rises_to_one_and_falls_to_nothing() -> None:
    assert schedule(0.0) < 0.05
    assert schedule(0.1) == 1.0
    assert schedule(0.3) > schedule(0.6) > schedule(0.9)
    assert schedule(1.0) == pytest.approx(0.0, abs=1e-9)


def test_a_diverging_training_says_what_to_do() -> None:
    config = small(dataset="digits", training={"learning_rate": 10.0})
    data = config.dataset.read()
    broken = assemble(config, data.image, len(data.classes))
    for weights in broken.parameters():
        weights.data.fill_(torch.inf)
    state = pack(broken, torch.optim.AdamW(broken.parameters()), 0)
    with pytest.raises(TrainingError, match=r"lower training\.learning_rate"):
        list(train(config, data, resume=state))


def test_weights_of_another_network_are_refused_in_one_line() -> None:
    digits, faces = (small(dataset=name) for name in ("digits", "faces"))
    state = pack(assemble(digits, (1, 8, 8), 10))
    for broken in (state, state[:100], b"", b"no safetensors at all"):
        with pytest.raises(CheckpointError) as caught:
            unpack(broken, assemble(faces, (1, 25, 25), 2))
        assert "\n" not in str(caught.value)


def start(action: Callable[..., object], *arguments: object) -> BaseProcess:
    """Start a process that calls `action`. It has imported what a worker needs, as a fork of a server that trains nothing itself."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["core.training.worker", "pytest"])
    process = context.Process(target=action, args=arguments)
    process.start()
    return process


def work_on(url: str, run_id: int) -> None:
    """Train one run, as the worker's process does."""
    work(Store(url), run_id)


def work_until_killed(url: str, run_id: int, owner: type, method: str) -> None:
    """Train one run in a process that is killed as soon as it calls a method."""
    setattr(owner, method, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
    work(Store(url), run_id)


def exit_status(process: BaseProcess) -> int | None:
    """Return how a process ends: 0, or minus the signal that killed it."""
    process.join(120)
    return process.exitcode


def test_a_killed_worker_is_resumed_to_the_same_end(scratch_database: str) -> None:
    store = Store(scratch_database)
    record = small(dataset="digits", training={"epochs": 4}).record()
    disturbed, undisturbed = (store.runs.create(record, name=name) for name in ("disturbed", "undisturbed"))
    worker = start(work_on, scratch_database, disturbed.id)
    deadline = time.monotonic() + 120
    while (latest := store.checkpoints.latest(disturbed.id)) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert latest is not None, "no checkpoint was written"
    worker.kill()
    assert exit_status(worker) == -signal.SIGKILL
    run = store.runs.get(disturbed.id)
    assert run.status == "running"
    assert run.state == "interrupted"
    assert [exit_status(start(work_on, scratch_database, run.id)) for run in (disturbed, undisturbed)] == [0, 0]
    first, second = store.runs.get(disturbed.id), store.runs.get(undisturbed.id)
    assert first.state == second.state == "finished"
    assert first.figures == second.figures
    assert store.metrics.history(first.id) == store.metrics.history(second.id)


def test_a_worker_is_a_command(scratch_database: str) -> None:
    """It ends in the same weights as a process that is started from Python."""
    store = Store(scratch_database)
    record = small(training={"epochs": 1}).record()
    runs = [store.runs.create(record, name=name) for name in ("command", "process")]
    command = [sys.executable, "-m", "core.training.worker", str(runs[0].id), "--db", scratch_database]
    subprocess.run(command, cwd=ROOT, check=True)
    assert exit_status(start(work_on, scratch_database, runs[1].id)) == 0
    assert [store.runs.get(run.id).state for run in runs] == ["finished", "finished"]
    assert len({store.checkpoints.read(run.id)[0].sha256 for run in runs}) == 1


@pytest.mark.long
def test_a_worker_killed_while_it_finishes_is_resumed_to_the_same_end(scratch_database: str) -> None:
    store = Store(scratch_database)
    record = small(training={"epochs": 2}).record()
    *killed, undisturbed = (store.runs.create(record, name=name) for name in ("at the end", "at a checkpoint", "undisturbed"))
    assert exit_status(start(work_on, scratch_database, undisturbed.id)) == 0
    for run, (owner, method), epochs in zip(killed, ((Lifecycle, "finish"), (Weights, "keep")), (2, 1), strict=True):
        assert exit_status(start(work_until_killed, scratch_database, run.id, owner, method)) == -signal.SIGKILL
        assert store.runs.get(run.id).state == "interrupted"
        assert len(store.metrics.history(run.id)["val accuracy at λ=0"]) == epochs
        before = store.runs.get(run.id).seconds
        assert exit_status(start(work_on, scratch_database, run.id)) == 0
        assert store.runs.get(run.id).seconds >= before > 0
    runs = [store.runs.get(run.id) for run in (*killed, undisturbed)]
    assert [run.state for run in runs] == ["finished"] * 3
    for run in runs[:2]:
        assert run.figures == runs[2].figures
        assert store.metrics.history(run.id) == store.metrics.history(runs[2].id)
        assert store.checkpoints.read(run.id)[0].sha256 == store.checkpoints.read(runs[2].id)[0].sha256


@pytest.mark.long
def test_the_seconds_of_a_run_are_those_of_all_its_processes(scratch_database: str) -> None:
    store = Store(scratch_database)
    run = store.runs.create(small(dataset="digits", training={"epochs": 3}).record())
    save, told = store.checkpoints.save, []

    def stopping(run_id: int, epoch: int, tensors: bytes, **more: float) -> None:
        save(run_id, epoch, tensors, **more | {"seconds": 100.0})
        told.append(more["seconds"])
        if epoch < 3:
            raise KeyboardInterrupt

    store.checkpoints.save = stopping
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            work(store, run.id)
        assert store.runs.get(run.id).state == "stopped"
    done = work(store, run.id)
    assert (done.state, done.seconds, done.machine) == ("finished", 300.0, machine())
    assert min(told) > 0


def test_a_run_that_is_asked_to_stop_can_be_resumed(scratch_database: str) -> None:
    store = Store(scratch_database)
    run = store.runs.create(small(dataset="digits", training={"epochs": 50}).record())
    store.lifecycle.request_stop(run.id)
    stopped = work(store, run.id)
    assert stopped.state == "stopped"
    assert stopped.epoch < 50


def test_a_training_goes_on_with_the_same_classes_alone(scratch_database: str) -> None:
    store = Store(scratch_database)
    run = store.runs.create(small().record())
    store.lifecycle.describe_data(run.id, (1, 25, 25), ("face", "background"))
    store.lifecycle.claim(run.id)
    store.checkpoints.save(run.id, 1, b"", metrics={}, seconds=1.0)
    store.lifecycle.stop(run.id)
    with pytest.raises(DataError, match=r"different order.*train a new run"):
        work(store, run.id)
    assert store.runs.get(run.id).state == "stopped"
    fresh = store.runs.create(small(training={"epochs": 1}).record())
    store.lifecycle.describe_data(fresh.id, (1, 25, 25), ("face", "background"))  # of an attempt that learnt nothing
    assert work(store, fresh.id).classes == ["background", "face"]


def test_what_goes_wrong_is_kept_in_the_row(scratch_database: str) -> None:
    store = Store(scratch_database)
    run = store.runs.create(small(dataset={"name": "folder", "path": "no/such/folder"}).record())
    with pytest.raises(Exception, match="no/such/folder"):
        work(store, run.id)
    failed = store.runs.get(run.id)
    assert failed.state == "failed"
    assert failed.error is not None
    assert "no/such/folder" in failed.error


def test_a_training_goes_on_with_images_that_have_moved_but_not_with_others(scratch_database: str, tmp_path: Path) -> None:
    for name in ("ant", "bee"):
        (tmp_path / "moved" / name).mkdir(parents=True)
        for row in range(5):
            Image.new("L", (8, 8), row).save(tmp_path / "moved" / name / f"{row}.png")
    told: list[str] = []
    config = small(architecture="plain", method="static", dataset={"name": "folder", "path": str(tmp_path / "gone"), "size": 8})
    store = Store(scratch_database)
    run = store.runs.create(config.model_copy(update={"training": Training(epochs=1)}).record())
    (tmp_path / "moved" / "ant" / "list.csv").write_text("1")
    moved = Folder(path=str(tmp_path / "moved"), size=8)
    done = work(store, run.id, tell=told.append, dataset=moved)
    assert done.config["dataset"]["path"] == moved.path
    assert done.fingerprint == moved.read().fingerprint
    assert told == [f"A file in {moved.path} is not a picture and is left out: ant/list.csv."]
    other = store.runs.create(config.record())
    store.lifecycle.describe_data(other.id, (3, 8, 8), ("ant", "bee"), "0" * 64)
    store.lifecycle.claim(other.id)
    store.checkpoints.save(other.id, 1, b"", metrics={}, seconds=1.0)
    store.lifecycle.stop(other.id)
    with pytest.raises(DataError, match="files were added, removed or changed"):
        work(store, other.id, dataset=moved)
    assert store.runs.get(other.id).config["dataset"]["path"] == str(tmp_path / "gone")
