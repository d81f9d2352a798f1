"""Run `python -m tests.torture --minutes 120`, or `--kind NAME --seed N` to repeat one trial.

Each kind of trials has its turns in a process of its own, so that a crash or a leak is counted and ends nothing else. Two kinds have
their turns at a time.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from core.cli.output import print_table
from tests.torture.kinds import KINDS
from tests.torture.trial import Kind, LostError, Tally, attempt

ROOT = Path(__file__).parents[2]
AT_ONCE = 2  # kinds
GRACE = 300.0  # seconds beyond which a process that does not answer is ended
MAX_MEMORY = 6 << 30  # bytes of address space of a process
MAX_KEPT = 20  # failures of a kind whose files are kept


def turn(kind: Kind, first: int, seconds: float, kept: Path) -> None:
    """Make trials for some seconds; print a line of JSON before and after each."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    end, seed = time.monotonic() + seconds, first
    while seed == first or time.monotonic() < end:
        print(json.dumps({"begun": seed}), flush=True)
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
            folder = Path(scratch) / "trial"
            folder.mkdir()
            error = attempt(kind, seed, folder)
            if error is not None:
                keep(folder, kept / f"{kind.name.replace(' ', '-')}-{seed}", error)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        told = None if error is None else f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        print(json.dumps({"ended": seed, "error": told, "lost": isinstance(error, LostError), "peak": peak}), flush=True)
        seed += 1


def keep(folder: Path, place: Path, error: Exception) -> None:
    """Keep the files of a trial that failed, with its traceback."""
    stem = place.name.rpartition("-")[0]
    if place.parent.exists() and sum(one.name.startswith(stem) for one in place.parent.iterdir()) >= MAX_KEPT:
        return
    shutil.copytree(folder, place, dirs_exist_ok=True, symlinks=True)
    (place / "error.txt").write_text("".join(traceback.format_exception(error)), encoding="utf-8", errors="backslashreplace")


def watched(kind: Kind, tally: Tally, first: int, seconds: float, kept: Path) -> int:
    """Give a kind its turn in a process of its own, count what came of it, and return the next seed."""
    command = [
        sys.executable,
        "-m",
        "tests.torture",
        "--kind",
        kind.name,
        "--seed",
        str(first),
        "--turn",
        str(seconds),
        "--kept",
        str(kept),
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        out, _ = process.communicate(timeout=seconds + kind.seconds + GRACE)
        how = f"its process ended with status {process.returncode}"
    except subprocess.TimeoutExpired:
        process.kill()
        out, _ = process.communicate()
        how = "it did not end"
    begun = first - 1
    for line in out.splitlines():
        try:
            told = json.loads(line)
        except ValueError:
            continue
        begun = told.get("begun", begun)
        if "ended" in told:
            tally.tried += 1
            tally.held += told["error"] is None
            tally.lost += told["lost"]
            tally.peak = max(tally.peak, told["peak"])
            if told["error"]:
                tally.failures.append(f"seed {told['ended']}: {told['error']}")
    if f'"ended": {begun}' not in out:
        tally.tried += 1
        tally.failures.append(f"seed {begun}: {how}")
    return begun + 1


def tortured(minutes: float, first: int, kept: Path) -> dict[str, Tally]:
    """Give all kinds turns until the minutes are over: always the one that had the least of its share of the time."""
    tallies = {name: Tally() for name in KINDS}
    seeds, spent, free = dict.fromkeys(KINDS, first), dict.fromkeys(KINDS, 0.0), set(KINDS)
    lock, end = threading.Lock(), time.monotonic() + 60 * minutes
    longest = 60 * minutes / len(KINDS)

    def give_turns() -> None:
        while (begin := time.monotonic()) < end:
            with lock:
                name = min((one for one in KINDS if one in free), key=lambda one: spent[one] / KINDS[one].share)
                free.remove(name)
            seconds = min(KINDS[name].turn, longest, end - begin)
            seeds[name] = watched(KINDS[name], tallies[name], seeds[name], seconds, kept)
            print(f"{name}: {tallies[name].tried} tried, {len(tallies[name].failures)} failed", flush=True)
            with lock:
                spent[name] += time.monotonic() - begin
                free.add(name)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for one in [pool.submit(give_turns) for _ in range(AT_ONCE)]:
            one.result()
    return tallies


def show(tallies: dict[str, Tally]) -> None:
    """Print the table and the first failures of each kind."""
    from rich.table import Table

    table = Table("trials", "tried", "held", "failed", "peak memory (MB)", "runs lost")
    for name, tally in tallies.items():
        table.add_row(name, *map(str, (tally.tried, tally.held, len(tally.failures), tally.peak, tally.lost)))
    print_table(table)
    for name, tally in tallies.items():
        for failure in tally.failures[:5]:
            print(f"{name}: {failure}")


def main() -> None:
    """Run trials, or one turn of one kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--kind", choices=list(KINDS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--turn", type=float, default=None, help=argparse.SUPPRESS)
    parser.add_argument("--kept", type=Path, default=ROOT / "torture-failures")
    given = parser.parse_args()
    if given.kind and given.turn is not None:
        turn(KINDS[given.kind], given.seed, given.turn, given.kept)
        return
    if given.kind:
        with tempfile.TemporaryDirectory() as folder:
            error = attempt(KINDS[given.kind], given.seed, Path(folder))
        if error is not None:
            raise error
        print("It held.")
        return
    tallies = tortured(given.minutes, given.seed, given.kept)
    show(tallies)
    sys.exit(any(tally.failures for tally in tallies.values()))


if __name__ == "__main__":
    main()
