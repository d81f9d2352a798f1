"""The process of one run: claim it, train it, persist checkpoints, honour stop requests."""

import argparse
import os
import platform
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

import torch

from core import malloc
from core.config import run_config
from core.datasets import Data, Dataset
from core.errors import UserError
from core.store import Run, Store, StoreError
from core.store.database import DATABASE, PROJECT_ROOT, LostDatabaseError
from core.store.queue import places
from core.store.runs import MissingRunError
from core.store.weights import PLACE, file_errors
from core.trackers import TRACKER
from core.training.figures import TrainingError
from core.training.tracking import tracked
from core.training.train import train

BEAT = 3.0  # seconds between heartbeats
LOG = 1.0  # seconds between updates of the progress within an epoch
ENDING = (0.0, 1.0, 2.0, 4.0, 8.0)  # seconds before each attempt to write that a run has ended, for example while the disk is full


def work(
    store: Store,
    run_id: int,
    listen: Callable[[str, float], None] = lambda what, share: None,
    tell: Callable[[str], None] = print,
    dataset: Dataset | None = None,
    log: str | None = None,
    data: Data | None = None,
) -> Run:
    """Train a run in this process from its latest checkpoint, if any, until it is finished or asked to stop, and return it.

    `listen` gets the name of the current activity and the fraction of it that is done, `tell` a sentence on what became of initial
    weights and on files that are not pictures. `dataset`: the run's, whose files have moved. `data`: its images, where they are read
    already. `log`: the tracker that also gets the figures. Errors are stored in the row of the run and raised again. What is refused
    before the training goes on leaves a run that was trained before in the state in which it was.
    """
    malloc.keep_freed_memory()
    before = store.runs.get(run_id)
    pulse = Pulse(store, run_id)
    began = False

    def report(what: str, share: float) -> None:
        nonlocal began
        pulse.check()
        began = began or what == "training"
        pulse.activity = None if what == "training" else f"{what}, {share:.0%}"
        listen(what, share)

    try:
        run = store.lifecycle.claim(run_id, machine())
    except KeyboardInterrupt:
        _end(_release, store, before)
        raise
    try:
        pulse.start()
        config = run_config(**run.config)
        if dataset is not None:
            config = config.model_copy(update={"dataset": dataset})
        data = config.dataset.read(report) if data is None else data
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
        with tracked(log, run, tell) as pass_on:
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
                pass_on(progress)
                report("training", progress.epoch / config.training.epochs)
                if pulse.stopping.is_set() and progress.final is None:
                    store.lifecycle.stop(run_id)
                    break
    except BaseException as caught:
        error = _with_last_weights(store, run_id, caught)
        if not began and isinstance(error, UserError) and (before.interrupted or before.status in ("stopped", "failed")):
            _end(store.lifecycle.put_back, before)
        elif isinstance(error, KeyboardInterrupt):
            _end(store.lifecycle.stop, run_id)
        else:
            _end(store.lifecycle.fail, run_id, error)
        raise error from error.__cause__
    finally:
        pulse.over.set()
        if pulse.is_alive():
            pulse.join()
    return store.runs.get(run_id)


def _with_last_weights(store: Store, run_id: int, error: BaseException) -> BaseException:
    """Return the error of a training that diverged with the epoch whose weights are kept, and any other error as it is."""
    if not isinstance(error, TrainingError):
        return error
    with suppress(StoreError):
        latest = store.checkpoints.latest(run_id)
        if latest is not None:
            return TrainingError(f"{error}. The weights after epoch {latest[0].epoch} are kept: Explore and `predict` use them")
    return error


def _end(write: Callable[..., None], *arguments: object) -> None:
    """Write that a run has ended, with a few attempts. Gives up silently: without heartbeats, the run counts as interrupted."""
    for seconds in ENDING:
        time.sleep(seconds)
        try:
            write(*arguments)
        except (LostDatabaseError, MissingRunError):
            return
        except StoreError:
            continue
        return


def _release(store: Store, before: Run) -> None:
    """End a run that an interrupt met while it was being claimed, if it was claimed by then."""
    run = store.runs.get(before.id)
    if run.status == "running" and run.owned:
        if before.status == "queued":
            store.lifecycle.stop(before.id)
        else:
            store.lifecycle.put_back(before)


def start(run_id: int, url: str, log: str | None = None) -> subprocess.Popen[bytes]:
    """Start a process that trains a run and outlives this one. `log`: the tracker that also gets the figures, else the environment's."""
    return spawn(Store(url), "core.training.worker", run_id, [str(run_id), *(["--log", log] if log else [])])


def spawn(store: Store, module: str, run_id: int, words: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a module with a store, in a process that outlives this one. Its output goes to a run's log file in the weights folder."""
    folder = store.weights.folder
    environment = os.environ | {DATABASE: store.url}  # not in the command, which all users of a machine see
    environment[PLACE] = store.weights.address  # a folder that is named after the current one is another in its process
    with file_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        output_file = (folder / f"{run_id}.log").open("ab")
    with output_file as output:
        return subprocess.Popen(
            [sys.executable, "-m", module, *words],
            cwd=PROJECT_ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            close_fds=True,
        )


def enqueue(store: Store, run_ids: Iterable[int]) -> None:
    """Let runs wait for their turn, in this order, and start those whose turn it is. Raises StoreError."""
    for run_id in run_ids:
        store.queue.add(run_id)
    advance(store)


def advance(store: Store) -> None:
    """Start the processes of the runs whose turn it is. A run whose process cannot be started has failed. Raises StoreError."""
    for run_id in store.queue.take(places()):
        try:
            start(run_id, store.url)
        except (StoreError, OSError) as error:
            store.lifecycle.fail(run_id, error)


def machine() -> str:
    """Describe this machine in words."""
    processor = f"{platform.machine() or 'unknown processor'}, {os.cpu_count()} cores"
    return f"{processor}, {torch.cuda.get_device_name()}" if torch.cuda.is_available() else processor


class Pulse(threading.Thread):
    """Sends heartbeats with the current activity until the training is `over`, and sets `stopping` once the run must stop."""

    def __init__(self, store: Store, run_id: int) -> None:
        super().__init__(daemon=True)
        self.activity: str | None = None
        self.stopping, self.over = threading.Event(), threading.Event()
        self._store, self._run_id = store, run_id
        self._lost: StoreError | None = None

    def run(self) -> None:
        """Send the heartbeats."""
        while not self.over.wait(BEAT):
            try:
                if self._store.lifecycle.heartbeat(self._run_id, self.activity):
                    self.stopping.set()
            except (LostDatabaseError, MissingRunError) as error:
                self._lost = error
            except Exception:  # a busy database must not end a training; the next heartbeat may succeed
                continue

    def check(self) -> None:
        """Raise StoreError if the database or the run in it is gone: nothing that is trained could be kept."""
        if self._lost is not None:
            raise self._lost


def main() -> None:
    """Run `python -m core.training.worker RUN_ID --db URL`, the entry of the process."""
    parser = argparse.ArgumentParser(description="Train one run. The app starts this; use `python -m core resume` by hand.")
    parser.add_argument("run", type=int)
    parser.add_argument("--db", default=None)
    parser.add_argument("--log", default=os.environ.get(TRACKER))
    arguments = parser.parse_args()
    if hasattr(os, "nice"):
        os.nice(max(0, 10 - os.nice(0)))  # keeps the app responsive; a worker that another one started is nice already
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a sweep that is interrupted ends its trainings: they count as stopped
    try:
        store = Store(arguments.db)
        try:
            work(store, arguments.run, log=arguments.log)
        except UserError as error:
            with suppress(StoreError):
                store.lifecycle.note(arguments.run, error)
            raise
        finally:
            with suppress(StoreError):
                advance(store)
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    except Exception:
        traceback.print_exc()
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
