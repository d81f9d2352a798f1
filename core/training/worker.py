"""The process that trains one run: it takes the run from the store, trains it and keeps what comes of it, and hears when it is to stop."""

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
from pathlib import Path

import torch

from core import malloc
from core.config import run_config
from core.store import Run, Store
from core.training.train import train

ROOT = Path(__file__).parents[2]
BEAT = 3.0  # seconds between signs of life
RECORD = 1.0  # seconds between records of how far an epoch is


def work(store: Store, run_id: int, listen: Callable[[str, float], None] = lambda what, share: None) -> Run:
    """Train a run in this process to its end, from its latest checkpoint if it has one, or until it is asked to stop.

    `listen` is told what is being done and which share of it is done. Whatever goes wrong is kept in the run's row and raised.
    """
    malloc.keep_freed_memory()
    run = store.claim(run_id, machine())
    stopping = threading.Event()
    over = threading.Event()
    pulse = threading.Thread(target=_beat, args=(store, run_id, stopping, over), daemon=True)
    pulse.start()
    try:
        config = run_config(**run.config)
        data = config.dataset.read(listen)
        latest = store.read_weights(run_id)
        if latest and run.image and run.classes:  # what it has learnt is of these; they may have changed since
            data.check(run.image, run.classes)
        store.describe_data(run_id, data.image, data.classes)
        recorded = saved = time.monotonic()
        for progress in train(config, data, resume=latest[1] if latest else None, report=listen):
            epoch, instant = progress.epoch, time.monotonic()
            if progress.final is not None:
                store.finish(run_id, progress.final, weights=progress.state, epoch=round(epoch))
            elif progress.state is not None:
                store.save(run_id, round(epoch), progress.state, figures=progress.figures, seconds=instant - saved)
                saved = instant
            elif progress.figures or instant - recorded > RECORD:
                store.record(run_id, epoch, progress.figures)
                recorded = instant
            listen("training", progress.epoch / config.training.epochs)
            if stopping.is_set() and progress.final is None:
                store.stop(run_id)
                break
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            store.stop(run_id)
        else:
            store.fail(run_id, error)
        raise
    finally:
        over.set()
        pulse.join()
    return store.run(run_id)


def start(run_id: int, url: str) -> subprocess.Popen[bytes]:
    """Start a process of its own for a run, which outlives this one. Its output goes to a log in the weights folder."""
    return _spawn("core.training.worker", str(run_id), url, f"{run_id}.log")


def start_sweep(name: str, url: str) -> subprocess.Popen[bytes]:
    """Start a process that trains what is not finished of a sweep, one run after the other; as `start`."""
    return _spawn("core.training.sweep", name, url, "sweep.log")


def _spawn(module: str, what: str, url: str, log_name: str) -> subprocess.Popen[bytes]:
    log = Store(url).weights.folder / log_name
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", module, what, "--db", url]
    with log.open("ab") as output:
        return subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, close_fds=True
        )


def machine() -> str:
    """What is trained on, in words."""
    processor = f"{platform.machine() or 'unknown processor'}, {os.cpu_count()} cores"
    return f"{processor}, {torch.cuda.get_device_name()}" if torch.cuda.is_available() else processor


def _beat(store: Store, run_id: int, stopping: threading.Event, over: threading.Event) -> None:
    while not over.wait(BEAT):
        with suppress(Exception):  # a busy database is no reason to give up a training; the next beat may get through
            if store.beat(run_id):
                stopping.set()


def main() -> None:
    """The process's entry: `python -m core.training.worker RUN_ID --db URL`."""
    parser = argparse.ArgumentParser(description="Train one run of the store; started by the app, of use by hand for nothing else.")
    parser.add_argument("run", type=int)
    parser.add_argument("--db", default=None)
    asked = parser.parse_args()
    if hasattr(os, "nice"):
        os.nice(10)  # the app stays quick while this one calculates
    try:
        work(Store(asked.db), asked.run)
    except Exception:
        traceback.print_exc()
        sys.exit(1)


if __name__ == "__main__":
    main()
