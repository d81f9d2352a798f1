"""Measure the Runs page on a database of many runs that this script makes.

    python -m scripts.studio_bench [--runs 1000] [--points 500] [--folder FOLDER | --db URL] [--limit 1.0]

Prints the seconds that the server needs, by the clock and of the processor, medians of several, and the limit by the
clock. A database that has runs already is used as it is.
"""

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import insert
from streamlit.testing.v1 import AppTest

from core.store import MetricPoint, Run, Store
from core.store.models import now
from core.store.references import load_references

MAIN = Path(__file__).parents[1] / "app" / "main.py"
COMPARED = 20
METRICS = ("val accuracy", "val cost share", "train loss", "train values loss", "val loss")
TAGS = ("baseline", "candidate", "paper", "to repeat")
PATIENCE = 600.0  # seconds

Seconds = tuple[float, float]  # by the clock, of the processor


def main() -> None:
    """Make the database and print the times."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=1000)
    options.add_argument("--points", type=int, default=500)
    options.add_argument("--repeats", type=int, default=5)
    options.add_argument("--folder", type=Path)
    options.add_argument("--db", metavar="URL", help="a database in place of a file, such as one on a PostgreSQL server")
    options.add_argument("--limit", type=float, default=1.0, help="seconds that the Runs page may take to open")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        file = (given.folder or Path(scratch)) / "bench.db"
        os.environ["GATESCOPE_DB"] = given.db or f"sqlite:///{file}"
        store = Store(os.environ["GATESCOPE_DB"])
        if not store.runs.all():
            fill(store, given.runs, given.points)
        store.close()
        print(f"{'':<44} {'clock':>8} {'processor':>11}")
        for name, (seconds, computed), limit in measured(given.repeats, given.limit):
            print(f"{name:<44} {seconds:6.2f} s {computed:9.2f} s   at most {limit:.1f} s   {'' if seconds <= limit else 'TOO SLOW'}")


def fill(store: Store, runs: int, points: int) -> None:
    """Add runs that resemble those that ship with the project, each with so many points of its curves."""
    shipped = load_references(store)
    chance = random.Random(0)
    columns = ("architecture", "dataset", "method", "lam", "config", "image", "classes", "epochs", "figures", "gated")
    epochs = points // len(METRICS)
    with store.database.write() as session:
        for number in range(runs):
            like = shipped[number % len(shipped)]
            values: dict[str, Any] = {column: getattr(like, column) for column in columns}
            training = like.config["training"] | {"seed": number // len(shipped), "learning_rate": chance.choice((0.001, 0.002, 0.004))}
            values |= {"config": like.config | {"training": training}, "seed": number // len(shipped), "status": "finished"}
            values |= {"epoch": float(values["epochs"]), "tags": chance.sample(TAGS, number % 3), "notes": f"Number {number}"}
            run = Run(name=f"bench-{number}", finished=now(), seconds=chance.uniform(10, 4000), sweep=f"sweep-{number % 40}", **values)
            session.add(run)
            session.flush()
            rows = [
                {"run_id": run.id, "name": name, "epoch": float(epoch), "value": 1 - 0.9 / (epoch + 1) + chance.gauss(0, 0.01)}
                for name in METRICS
                for epoch in range(epochs)
            ]
            session.execute(insert(MetricPoint), rows)


def measured(repeats: int, limit: float) -> list[tuple[str, Seconds, float]]:
    """Return what was measured: its name, its seconds, and its limit."""
    from app import state

    reading = timed(state.store().listing.all)
    app = AppTest.from_file(str(MAIN), default_timeout=PATIENCE)
    app.run()
    app.switch_page("screens/runs.py")
    ids = [run.id for run in state.store().runs.all()][:COMPARED]

    def opened() -> None:
        app.run()
        if app.exception:
            raise RuntimeError(app.exception[0].value)

    def filtered(text: str) -> Callable[[], None]:
        def search() -> None:
            app.text_input(key="runs-search").set_value(text)
            opened()

        return search

    found = [("all runs are read, once in each process", reading, limit), ("Runs opens, the first time", timed(opened), limit)]
    found.append(("Runs opens", median(opened, repeats), limit))
    for text in ("cascade", "accuracy>0.8", "/bench-[0-9]+5$/", ""):
        found.append((f"filter {text or '(none)'}", timed(filtered(text)), 0.3))
    app.query_params["runs"] = str(ids[0])
    found.append(("one run", median(opened, repeats), 1.0))
    app.query_params["runs"] = ",".join(map(str, ids))
    found.append((f"{COMPARED} runs compared", median(opened, repeats), 2.0))
    return found


def median(action: Callable[[], None], repeats: int) -> Seconds:
    """Return the medians of the seconds that an action takes."""
    clock, processor = zip(*(timed(action) for _ in range(repeats)), strict=True)
    return statistics.median(clock), statistics.median(processor)


def timed(action: Callable[[], object]) -> Seconds:
    """Return the seconds that an action takes, by the clock and of this process."""
    began, computing = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - began, time.process_time() - computing


if __name__ == "__main__":
    main()
