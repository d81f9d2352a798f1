"""Prints how soon Explore answers for LC-Nets on ResNets at 224×224 pixels, and how much memory its server takes.

`python tests/browser/large.py`, or `python tests/browser/large.py 50` for the ResNet-50 alone. The networks are untrained, with random gate
networks, so that gates, costs and answers differ along λ.
"""

import os
import statistics
import sys
import tempfile
import time
from math import inf
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # as a script it would not find the project

import numpy as np
import torch
from conftest import ARGUMENTS, chromium, started, visited
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from core.config import run_config
from core.graph.checkpoint import pack
from core.store import Store

SIZE, CLASSES, IMAGES = 224, ("stripes", "spots"), 60
DEPTHS = (18, 50)
TURNS = 3
LONGEST = 100  # seconds for which a page is watched
STARTED = 8  # seconds for which the server has run, at least, when the first visit comes: until its memory stays the same
PROGRESS = """() => [...document.querySelectorAll('[data-testid=stBidiComponentIsolated]')]
    .map((one) => one.shadowRoot.querySelector('.ends')?.textContent).find(Boolean) ?? ''"""
LIT = '.gate-graph[data-shows*="sample={}"] .node.on'


def pictures(folder: Path) -> None:
    """Write images of two classes."""
    random = np.random.default_rng(0)
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
        for number in range(IMAGES):
            pixels = random.integers(0, 256, (SIZE // 8, SIZE // 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((SIZE, SIZE)).save(folder / name / f"{number}.png")


def network(store: Store, depth: int, images: Path) -> str:
    """Store an LC-Net on a ResNet of this depth; return its name."""
    shape = {"name": "lc_resnet", "depth": depth, "images": "imagenet"}
    dataset = {"name": "folder", "path": str(images), "size": SIZE}
    config = run_config(architecture=shape, dataset=dataset, method="lcnet", training={"epochs": 1})
    torch.manual_seed(0)
    graph = config.architecture.build((3, SIZE, SIZE), len(CLASSES), every_lam=True)
    graph = config.method.prepare(graph, None).eval()
    for control in graph.controls:
        torch.nn.init.normal_(graph.parts[control.name].head.weight, std=0.5)
    run = store.runs.create(config.record(), name=f"lc-resnet{depth}")
    store.lifecycle.claim(run.id)
    store.lifecycle.describe_data(run.id, (3, SIZE, SIZE), CLASSES)
    store.lifecycle.finish(run.id, {}, weights=pack(graph))
    return run.name


def memory(process: int) -> tuple[float, float]:
    """Return the memory of a process, now and at its peak, in MB."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    now, peak = (int(lines[name].split()[0]) / 1e3 for name in ("VmRSS", "VmHWM"))
    return now, peak


def settle(process: int) -> None:
    """Wait until a server has loaded what it loads ahead."""
    time.sleep(STARTED)
    before = 0.0
    while (now := memory(process)[0]) > before + 1:
        before = now
        time.sleep(2)


def stages(page: Page, start: float) -> dict[str, float]:
    """Return the seconds until each stage that the page reports under its slider, and until times are there, as far as LONGEST allows."""
    found: dict[str, float] = {}
    while time.perf_counter() - start < LONGEST:
        text = page.evaluate(PROGRESS)
        known = text.partition(" of 101")[0].rpartition("cost")[2] if " of 101" in text else "101"
        found.setdefault(known, time.perf_counter() - start)
        if known == "101" and page.locator(".gate-graph .time b").count():
            found["times"] = time.perf_counter() - start
            return found
        time.sleep(0.02)
    return {"101": inf, "times": inf, **found}


def visit(page: Page, address: str, sample: int) -> dict[str, float]:
    """Open a page with a sample; return the seconds until each stage, the lit graph first."""
    start = time.perf_counter()
    page.goto(f"{address}&sample={sample}")
    page.wait_for_selector(LIT.format(sample))
    return {"lit": time.perf_counter() - start, **stages(page, start)}


def change(page: Page, sample: int) -> dict[str, float]:
    """Choose another sample on a page that shows one."""
    start = time.perf_counter()
    page.get_by_role("radiogroup", name="Samples").get_by_role("radio").nth(sample).click()
    page.wait_for_selector(LIT.format(sample))
    return {"lit": time.perf_counter() - start, **stages(page, start)}


def alive(taken: dict[str, float]) -> float:
    """Return when the slider had its first few values."""
    return min(seconds for name, seconds in taken.items() if name not in ("lit", "1", "times"))


def report(name: str, taken: list[dict[str, float]]) -> None:
    lit, several, whole, times = (
        [reading(one) for one in taken] for reading in (lambda t: t["lit"], alive, lambda t: t["101"], lambda t: t["times"])
    )
    for what, values in (("lit graph", lit), ("slider with its first values", several), ("all 101 values", whole), ("times", times)):
        print(f"{name}: {what}: median {statistics.median(values):.2f} s, worst {max(values):.2f} s of {len(values)}", flush=True)


def main(depths: tuple[int, ...]) -> None:
    for depth in depths:
        with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
            pictures(Path(folder) / "images")
            url = f"sqlite:///{folder}/runs.db"
            name = network(Store(url), depth, Path(folder) / "images")
            with started(url, Path(folder)) as (address, process):
                browser = visited(playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS)))
                page = browser.new_page(viewport={"width": 1440, "height": 900})
                page.set_default_timeout(90_000)
                settle(process)
                print(f"load of the machine: {os.getloadavg()[0]:.1f}; the server before the first visit: {memory(process)[0]:.0f} MB")
                first = visit(page, f"{address}/?run={name}", 0)
                print(f"{name}: first visit: " + ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in first.items()), flush=True)
                report(f"{name}, another picture", [change(page, 1 + turn) for turn in range(TURNS)])
                report(f"{name}, opened again", [visit(page, f"{address}/?run={name}", 6)])
                now, peak = memory(process)
                print(f"{name}: the server at its peak: {peak:.0f} MB, now {now:.0f} MB; load {os.getloadavg()[0]:.1f}", flush=True)
                browser.close()


if __name__ == "__main__":
    main(tuple(map(int, sys.argv[1:])) or DEPTHS)
