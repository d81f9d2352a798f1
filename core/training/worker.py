"""The process of one run: claim it, train it, persist checkpoints, honour stop requests."""

import argparse
import os
import platform
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress

import torch

from core import malloc
from core.config import run_config
from core.datasets import Dataset
from core.store import Run, Store, StoreError
from core.store.database import PROJECT_ROOT
from core.store.weights import file_errors
from core.training.train import train

BEAT = 3.0  # seconds between heartbeats
LOG = 1.0  # seconds between updates of the progress within an epoch


def work(
    store: Store,
    run_id: int,
    listen: Callable[[str, float], None] = lambda what, share: None,
    tell: Callable[[str], None] = print,
    dataset: Dataset | None = None,
) -> Run:
    """Train a run in this process from its latest checkpoint, if any, until it is finished or asked to stop, and return it.

    `listen` gets the name of the current activity and the fraction of it that is done, `tell` a sentence on what became of initial
    weights and on files that are not pictures. `dataset`: the run's, whose files have moved. Errors are stored in the row of the run
    and raised again.
    """
    malloc.keep_freed_memory()
    run = store.lifecycle.claim(run_id, machine())
    stopping = threading.Event()
    over = threading.Event()
    activity: list[str | None] = [None]  # the current one, read by the heartbeats
    pulse = threading.Thread(target=_heartbeats, args=(store, run_id, activity, stopping, over), daemon=True)
    pulse.start()

    def report(what: str, share: float) -> None:
        activity[0] = None if what == "training" else f"{what}, {share:.0%}"
        listen(what, share)

    try:
        config = run_config(**run.config)
        if dataset is not None:
            config = config.model_copy(update={"dataset": dataset})
        data = config.dataset.read(report)
        for note in data.notes:
            tell(note)
        latest, initial = store.checkpoints.read(run_id), store.checkpoints.initial(run_id)
        if config.architecture.needs_weights and not (latest or initial or config.training.init_from):
            raise StoreError(f"the weights of the members of {run.name} are missing or damaged: make the cascade again")
        if latest and run.image and run.classes:  # the checkpoint was trained on these; the data may have changed since
            data.check(run.image, run.classes, run.fingerprint)
        moved = None if dataset is None else dataset.model_dump(mode="json")
        store.lifecycle.describe_data(run_id, data.image, data.classes, data.fingerprint, moved)
        logged = saved = time.monotonic()
        for progress in train(config, data, resume=latest[1] if latest else None, initial=initial, report=report, tell=tell):
            epoch, instant = progress.epoch, time.monotonic()
            if progress.final is not None:
                store.lifecycle.finish(run_id, progress.final, weights=progress.state, epoch=round(epoch))
            elif progress.state is not None:
                store.checkpoints.save(run_id, round(epoch), progress.state, metrics=progress.figures, seconds=instant - saved)
                saved = instant
            elif progress.figures or instant - logged > LOG:
                store.metrics.log(run_id, epoch, progress.figures)
                logged = instant
            report("training", progress.epoch / config.training.epochs)
            if stopping.is_set() and progress.final is None:
                store.lifecycle.stop(run_id)
                break
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            store.lifecycle.stop(run_id)
        else:
            store.lifecycle.fail(run_id, error)
        raise
    finally:
        over.set()
        pulse.join()
    return store.runs.get(run_id)


def start(run_id: int, url: str) -> subprocess.Popen[bytes]:
    """Start a process that trains a run and outlives this one. Its output goes to a log file in the weights folder."""
    return _spawn("core.training.worker", str(run_id), url, f"{run_id}.log")


def start_sweep(name: str, url: str) -> subprocess.Popen[bytes]:
    """Start a process that trains the unfinished runs of a sweep one after the other, and otherwise as `start` does."""
    return _spawn("core.training.sweep", name, url, "sweep.log")


def _spawn(module: str, what: str, url: str, log_name: str) -> subprocess.Popen[bytes]:
    folder = Store(url).weights.folder
    command = [sys.executable, "-m", module, what, "--db", url]
    with file_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        log = (folder / log_name).open("ab")
    with log as output:
        return subprocess.Popen(
            command, cwd=PROJECT_ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, close_fds=True
        )


def machine() -> str:
    """Describe this machine in words."""
    processor = f"{platform.machine() or 'unknown processor'}, {os.cpu_count()} cores"
    return f"{processor}, {torch.cuda.get_device_name()}" if torch.cuda.is_available() else processor


def _heartbeats(store: Store, run_id: int, activity: list[str | None], stopping: threading.Event, over: threading.Event) -> None:
    """Send heartbeats, with the first of `activity`, until the training is over, and set `stopping` once the run must stop."""
    while not over.wait(BEAT):
        with suppress(Exception):  # a busy database must not end a training; the next heartbeat may succeed
            if store.lifecycle.heartbeat(run_id, activity[0]):
                stopping.set()


def main() -> None:
    """Run `python -m core.training.worker RUN_ID --db URL`, the entry of the process."""
    parser = argparse.ArgumentParser(description="Train one run. The app starts this; use `python -m core resume` by hand.")
    parser.add_argument("run", type=int)
    parser.add_argument("--db", default=None)
    arguments = parser.parse_args()
    if hasattr(os, "nice"):
        os.nice(10)  # keeps the app responsive
    try:
        work(Store(arguments.db), arguments.run)
    except Exception:
        traceback.print_exc()
        sys.exit(1)


if __name__ == "__main__":
    main()
