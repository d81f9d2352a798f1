"""Time a network as a web service, beside its static network served alike: `python -m scripts.serve_bench RUN`.

Each server is a process of its own with one thread for the network. 20 clients in this process post pictures as fast as they are answered.
The servers take turns, so that a busy machine slows down all alike. For each it prints errors, requests a second, the median and the 99th
percentile of the time from a request to its response in milliseconds, the mean size of a batch, and the mean cost.
"""

import argparse
import io
import platform
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from http.client import HTTPConnection

import torch
from PIL import Image

from core.datasets import DataError
from core.datasets.sources.photographs import stand_ins
from core.explain.model import load
from core.graph.static import node_alone, static_network
from core.serving.application import ServingLimits, application
from core.serving.predictor import Predictor
from core.serving.server import listening, server
from core.store import Store
from core.store.references import load_references

REQUESTS, CLIENTS = 2000, 20
TURNS = 4  # parts into which the requests to each server are divided
PICTURES = 64  # of the dataset's test images, posted as PNG files
LAMS = (0.2, 0.5, 1.0)
STATIC = "static"


def main() -> None:
    """Time the servers and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="a run that serves every λ")
    parser.add_argument("--against", metavar="NODE", help="a node whose network takes the place of the static network")
    parser.add_argument("--serve", choices=("gated", STATIC), help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.serve:
        answer(words.run, words.against, static=words.serve == STATIC)
        return
    pictures = posted(words.run)
    print(f"{words.run} on {machine()}: {REQUESTS} requests from {CLIENTS} clients for each row")
    print("| served | errors | requests a second | median | 99th percentile | batch | cost |")
    print("|---|---|---|---|---|---|---|")
    with ExitStack() as stack:
        ports = {kind: stack.enter_context(serving(words.run, words.against, kind)) for kind in ("gated", STATIC)}
        rival = words.against or "static network"
        cases = {f"λ = {lam:g}": (ports["gated"], f"/predict?lam={lam}") for lam in LAMS} | {rival: (ports[STATIC], "/predict")}
        for port, path in cases.values():
            load_server(port, path, pictures, 100)
        rows = {name: Row() for name in cases}
        for _ in range(TURNS):
            for name, (port, path) in cases.items():
                rows[name].add(port, path, pictures)
    for name, row in rows.items():
        print(f"| {name} | {row} |")


class Row:
    """What was measured of one server at one λ."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.errors, self.wall = 0, 0.0
        self.figures = dict.fromkeys(("batch_size_sum", "batch_size_count", "cost_share_sum", "cost_share_count"), 0.0)

    def add(self, port: int, path: str, pictures: list[bytes]) -> None:
        """Measure a turn."""
        before, begin = figures(port), time.perf_counter()
        seconds, errors = load_server(port, path, pictures, REQUESTS // TURNS)
        self.wall += time.perf_counter() - begin
        self.seconds += seconds
        self.errors += errors
        after = figures(port)
        for name in self.figures:
            self.figures[name] += after[f"gatescope_{name}"] - before[f"gatescope_{name}"]

    def __str__(self) -> str:
        ordered = sorted(self.seconds)
        middle, late = (1e3 * ordered[int(share * (len(ordered) - 1))] for share in (0.5, 0.99))
        batch = self.figures["batch_size_sum"] / self.figures["batch_size_count"]
        cost = self.figures["cost_share_sum"] / self.figures["cost_share_count"]
        return f"{self.errors} | {len(ordered) / self.wall:.0f} | {middle:.1f} ms | {late:.1f} ms | {batch:.1f} | {cost:.0%}"


def load_server(port: int, path: str, pictures: list[bytes], count: int) -> tuple[list[float], int]:
    """Return the seconds of `count` requests from all clients at once, and the number of those that failed."""
    seconds: list[float] = []
    failed: list[int] = []

    def client(number: int) -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        for turn in range(number, count, CLIENTS):
            begin = time.perf_counter()
            connection.request("POST", path, pictures[turn % len(pictures)])
            response = connection.getresponse()
            response.read()
            seconds.append(time.perf_counter() - begin)
            if response.status != 200:
                failed.append(response.status)
        connection.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seconds, len(failed) + count - len(seconds)


def figures(port: int) -> dict[str, float]:
    """Return the figures of a server."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return {name: float(value) for name, value in re.findall(r"^(\w+) (\S+)$", text, re.MULTILINE)}


@contextmanager
def serving(run: str, against: str | None, kind: str) -> Iterator[int]:
    """The port of a server in a process of its own."""
    command = [sys.executable, "-m", "scripts.serve_bench", run, "--serve", kind, *(["--against", against] if against else [])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


def answer(name: str, against: str | None, *, static: bool) -> None:
    """Serve a run, or its static network or that of a node, after printing the port."""
    store = Store(None)
    load_references(store)
    model, run = load(name), store.runs.get(name)
    if static:
        model = replace(model, graph=node_alone(model.graph, against) if against else static_network(model.graph))
    with listening("127.0.0.1", 0) as opened:
        print(opened.getsockname()[1], flush=True)
        server(application(Predictor(model, run), ServingLimits())).run(sockets=[opened])


def posted(run: str) -> list[bytes]:
    """Return test images of a run's dataset as PNG files, or the pictures that stand in for images that are not on this computer."""
    model = load(run)
    try:
        images = model.config.dataset.samples(PICTURES)[0].images
    except DataError:
        images = stand_ins(model.image, model.classes)[1]
        print(f"{len(images)} pictures stand in for test images that are not on this computer")
    files = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image.permute(1, 2, 0).squeeze(-1).numpy()).save(file, "PNG")
        files.append(file.getvalue())
    return files


def machine() -> str:
    """Return the processor and its widest instruction set, as torch names it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            name = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), platform.processor())
    except OSError:
        name = platform.processor()
    return f"{name} ({torch.backends.cpu.get_cpu_capability()})"


if __name__ == "__main__":
    main()
