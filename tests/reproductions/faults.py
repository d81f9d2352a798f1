"""Disks, databases and processes: full, deleted, replaced, read-only, damaged, interrupted, diverged."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.reproductions.inputs import folder, picture
from tests.reproductions.reproduction import NotThereError, Reproduction
from tests.reproductions.studio import NETWORK, PLAIN, Studio

LONG = (*PLAIN, "--set", "architecture.widths=[4,4]")
AT_THE_NEXT_HEARTBEAT = 30.0  # seconds


def _trains(studio: Studio) -> bool:
    return bool(studio.rows("id", "status = 'running' AND epoch > 0"))


def _weights(studio: Studio) -> Path:
    return studio.database.with_suffix(".weights")


def a_full_disk(studio: Studio) -> None:
    def fill(process: subprocess.Popen[bytes]) -> None:
        import resource

        if not hasattr(resource, "prlimit"):
            raise NotThereError("no limits of other processes on this system")
        studio.until(lambda: _trains(studio), what="no training")
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1000, -1))

    done = studio.python("-m", "core", *LONG, "--epochs", "100", "--name", "it", during=fill, limit=90)
    assert "Traceback" not in done.err, done.lines[-1][:150]
    assert done.status == 2, f"the training ended with status {done.status}"
    left = [file.name for file in studio.folder.rglob("*.partial")]
    assert not left, f"parts of files are left: {left}"
    shown = json.loads(studio.works("runs", "--json").out)
    state = next(run["state"] for run in shown if run["name"] == "it")
    assert state != "running", "the run is still called running"
    studio.works("resume", "it", limit=300)


def _while_training(change: Callable[[Studio], None], told: tuple[str, ...]) -> Callable[[Studio], None]:
    def attempt(studio: Studio) -> None:
        def during(process: subprocess.Popen[bytes]) -> None:
            studio.until(lambda: _trains(studio), what="no training")
            change(studio)

        done = studio.python("-m", "core", *LONG, "--epochs", "10000", "--name", "it", during=during, limit=AT_THE_NEXT_HEARTBEAT)
        assert not done.late, f"it trains on {AT_THE_NEXT_HEARTBEAT:.0f} s later"
        assert done.status == 2, f"status {done.status}: {done.err[-150:]}"
        assert "Traceback" not in done.err, done.lines[-1][:150]
        assert any(word in done.err for word in told), done.lines[-1][:150]

    return attempt


def _delete(studio: Studio) -> None:
    for file in studio.folder.glob("runs.db*"):
        if file.is_file():
            file.unlink()


def _replace(studio: Studio) -> None:
    other = Studio(studio.tree, studio.folder / "other")
    other.folder.mkdir()
    other.works("runs")
    _delete(studio)
    other.database.rename(studio.database)


def a_read_only_medium(studio: Studio) -> None:
    studio.trained()
    plain = picture(studio.folder / "plain.png")
    connection = sqlite3.connect(studio.database)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    elsewhere = studio.folder.parent / "elsewhere"
    elsewhere.mkdir()
    studio.extra["HOME"] = studio.extra["TMPDIR"] = str(elsewhere)
    media = [studio.folder, _weights(studio), *_weights(studio).rglob("*"), *studio.folder.glob("runs.db*")]
    for file in media:
        file.chmod(0o555 if file.is_dir() else 0o444)
    try:
        assert "it" in studio.works("runs", as_user=True, here=elsewhere).out
        studio.works("predict", NETWORK, plain, as_user=True, here=elsewhere)
        studio.refused(*PLAIN, "--epochs", 1, as_user=True, here=elsewhere, told="read-only")
    finally:
        for file in media:
            file.chmod(0o755)


def an_emptied_schema_number(studio: Studio) -> None:
    studio.works("runs")
    studio.change("DELETE FROM alembic_version")
    studio.refused("runs", told="alembic_version")


def lost_weights(studio: Studio) -> None:
    studio.trained()
    shutil.rmtree(_weights(studio))
    told = studio.refused("evaluate", "it")
    assert "lost" in told, told


def an_interrupted_sweep(studio: Studio) -> None:
    def interrupt(process: subprocess.Popen[bytes]) -> None:
        studio.until(lambda: _trains(studio), what="no training")
        os.killpg(process.pid, signal.SIGINT)

    words = ("sweep", *LONG[1:], "--name", "s", "--seeds", "0,1", "--epochs", "10000")
    done = studio.python("-m", "core", *words, during=interrupt, limit=90)
    assert not done.late, "it does not end"
    assert not studio.rows("id", "status = 'running'"), "a row is left running"


def words_of_the_database(studio: Studio) -> None:
    studio.works("runs")
    studio.change("CREATE TRIGGER t BEFORE INSERT ON runs WHEN NOT NEW.reference BEGIN SELECT RAISE(ABORT, 'x'); END")
    told = studio.refused(*PLAIN, "--epochs", 1)
    assert not any(word in told for word in ("sqlite3.", "INSERT INTO", "sqlalche.me")), told[:150]


def a_divergence_after_a_checkpoint(studio: Studio) -> None:
    words = ("--set", "training.optimizer=sgd", "--set", "training.learning_rate=0.1")

    def spoil(process: subprocess.Popen[bytes]) -> None:
        studio.until(lambda: bool(studio.rows("id", "status = 'running' AND epoch >= 1")), what="no epoch")
        process.send_signal(signal.SIGINT)

    studio.python("-m", "core", *LONG, *words, "--epochs", "1000", "--name", "it", during=spoil)
    config = json.loads(studio.rows("config", "name = 'it'")[0][0])
    config["training"] |= {"learning_rate": 10.0, "weight_decay": 1.0}  # multiplies the weights by about -9 at each step
    studio.change("UPDATE runs SET config = ? WHERE name = 'it'", json.dumps(config))
    kept = studio.rows("epoch", "name = 'it'")[0][0]
    ended = studio.command("resume", "it")
    assert kept >= 1, "no epoch was complete"
    assert ended.status == 2, "it does not diverge"
    assert len(ended.lines) == 2, "it says how to stop and continue it, and why it ended"
    assert "are kept" in ended.lines[-1], ended.lines[-1][:150]
    studio.works("evaluate", "it")


def thirty_two_at_once(studio: Studio) -> None:
    count = 32
    processes = []
    for number in range(count):
        errors = (studio.folder / f"err{number}").open("wb")
        words = ["-m", "core", *PLAIN, "--epochs", "1", "--name", f"run {number}"]
        processes.append(studio.start(words, stdout=subprocess.DEVNULL, stderr=errors))
    statuses = [process.wait(600) for process in processes]
    failed = [(studio.folder / f"err{number}").read_text()[-150:] for number, status in enumerate(statuses) if status]
    assert not failed, f"{len(failed)} of {count} failed: {failed[0]}"
    states = studio.rows("status")
    assert states == [("finished",)] * count, f"rows are left: {states}"


def a_folder_that_moved(studio: Studio) -> None:
    first, second = studio.folder / "a", studio.folder / "b"
    for place, values in ((first, {"x": 40, "y": 200}), (second, {"x": 90, "y": 150})):
        folder(place / "data", values)
    train = ("train", "plain", "--dataset", "folder", "--method", "static", "--epochs", 1, "--name", "it", "--set", "dataset.path=data")
    studio.works(*train, "--set", "dataset.size=16", here=first)
    there = studio.command("evaluate", "it", here=second)
    here = studio.works("evaluate", "it", here=first)
    assert there.status == 2 or there.out == here.out, "other pictures were evaluated without a word"
    (first / "data").rename(studio.folder / "moved")
    studio.refused("evaluate", "it", here=first)
    studio.works("evaluate", "it", "--set", f"dataset.path={studio.folder / 'moved'}", here=first)
    shutil.rmtree(studio.folder / "moved")
    folder(studio.folder / "moved", {"x": 90, "y": 150})
    studio.refused("evaluate", "it", "--set", f"dataset.path={studio.folder / 'moved'}", here=first)


def a_refused_resume(studio: Studio) -> None:
    data = folder(studio.folder / "data", {"x": 40, "y": 200})

    def interrupt(process: subprocess.Popen[bytes]) -> None:
        studio.until(lambda: _trains(studio), what="no training")
        process.send_signal(signal.SIGINT)

    words = ("train", "plain", "--dataset", "folder", "--method", "static", "--epochs", "10000", "--name", "it")
    studio.python("-m", "core", *words, "--set", f"dataset.path={data}", "--set", "dataset.size=16", during=interrupt)
    before = studio.rows("status, error")[0]
    data.rename(studio.folder / "moved")
    studio.refused("resume", "it")
    after = studio.rows("status, error")[0]
    assert after[0] == before[0], f"the run was {before[0]} and is {after[0]}"


REPRODUCTIONS = (
    Reproduction("4", "the disk is full while a network trains", a_full_disk),
    Reproduction("7", "the database is deleted while a network trains", _while_training(_delete, ("deleted or replaced",))),
    Reproduction("7", "the database is replaced while a network trains", _while_training(_replace, ("deleted or replaced",))),
    Reproduction("7", "a read-only medium", a_read_only_medium),
    Reproduction("7", "an emptied alembic_version", an_emptied_schema_number, quick=True),
    Reproduction("9", "lost weights of a finished run", lost_weights),
    Reproduction("9", "an interrupted sweep", an_interrupted_sweep),
    Reproduction("9", "the database's own words in a refusal", words_of_the_database),
    Reproduction("10", "a divergence after a good checkpoint", a_divergence_after_a_checkpoint),
    Reproduction("own files", "32 trainings at once on a fresh database", thirty_two_at_once),
    Reproduction("own files", "data that moved, and other pictures in its place", a_folder_that_moved),
    Reproduction("own files", "a refused resume", a_refused_resume),
)
