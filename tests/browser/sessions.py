"""Prints how soon Explore answers twelve visitors at once, and how much memory its server takes: `python tests/browser/sessions.py`.

Each visitor changes networks and pictures for a minute, a second or so after each answer. All browsers run on the same computer, and take
most of it: connections.py measures without them.
"""

import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # as a script it would not find the project

from conftest import ARGUMENTS, TOUR_SEEN, chromium, started
from large import memory, settle
from playwright.async_api import Browser, Page, async_playwright

from core.store import Store
from core.store.references import load_references

VISITORS, SECONDS, REST = 12, 60, 60
NETWORKS = (
    *("chain-digits", "cascade-digits", "high-low-digits", "lc-digits", "lc-cifar10", "lc-wide-cifar10", "l-net-cifar10"),
    *("resnet38-cascade-cifar10", "hierarchy-cifar10", "model-cascade-cifar10"),
)
PATIENCE = 120_000  # milliseconds
LIT = '.gate-graph[data-shows*="{}"] .node.on'


def processor(process: int | None = None) -> float:
    """Return the seconds of processor time that a process has taken so far, or that all together have."""
    if process is None:
        user, nice, system, *_ = map(int, Path("/proc/stat").read_text().split()[1:5])
        return (user + nice + system) / os.sysconf("SC_CLK_TCK")
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def opened(browser: Browser, address: str, name: str) -> Page:
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    await context.add_init_script(TOUR_SEEN)
    page = await context.new_page()
    page.set_default_timeout(PATIENCE)
    await page.goto(f"{address}/?run=reference/{name}")
    await page.wait_for_selector(LIT.format(f"run=reference%2F{name}&"))
    return page


async def change_network(page: Page, name: str) -> float:
    """Choose a network; return the seconds from the click to the lit graph."""
    await page.get_by_role("combobox", name="Run").click()
    await page.keyboard.type(f"reference/{name} ")  # the list draws only the options in sight
    option = page.get_by_role("option").filter(has_text=f"reference/{name} ·")
    await option.wait_for()
    start = time.perf_counter()
    await option.click()
    await page.wait_for_selector(LIT.format(f"run=reference%2F{name}&"))
    return time.perf_counter() - start


async def change_picture(page: Page, sample: int) -> float:
    """Choose a sample; return the seconds from the click to the lit graph."""
    start = time.perf_counter()
    await page.get_by_role("radiogroup", name="Samples").get_by_role("radio").nth(sample).click()
    await page.wait_for_selector(LIT.format(f"sample={sample}"))
    return time.perf_counter() - start


async def visitor(page: Page, name: str, number: int, taken: list[float]) -> None:
    chance = random.Random(number)
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        if chance.random() < 0.4:
            name = chance.choice([other for other in NETWORKS if other != name])
            taken.append(await change_network(page, name))
        else:
            taken.append(await change_picture(page, chance.randrange(8)))
        await asyncio.sleep(chance.uniform(0.5, 1.5))
    await page.context.close()


async def visits(address: str, process: int) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS))
        one = await opened(browser, address, NETWORKS[0])
        for name in (*NETWORKS[1:], NETWORKS[0]):
            await change_network(one, name)
        await one.context.close()
        await asyncio.sleep(REST)
        before = memory(process)[0]
        print(f"the server after one visitor saw each network: {before:.0f} MB; load {os.getloadavg()[0]:.1f}", flush=True)
        taken: list[float] = []
        names = [NETWORKS[number % len(NETWORKS)] for number in range(VISITORS)]
        pages = [await opened(browser, address, name) for name in names]
        await asyncio.sleep(REST / 6)
        started_at, used, busy = time.perf_counter(), processor(process), processor()
        await asyncio.gather(*(visitor(page, name, number, taken) for number, (page, name) in enumerate(zip(pages, names, strict=True))))
        used, busy, seconds = processor(process) - used, processor() - busy, time.perf_counter() - started_at
        print(f"processor time in {seconds:.0f} s on {os.cpu_count()} cores: the server {used:.0f} s, all else {busy - used:.0f} s")
        print(f"load at their end: {os.getloadavg()[0]:.1f}; the server then: {memory(process)[0]:.0f} MB")
        print(f"{VISITORS} visitors: {len(taken)} answers: median {statistics.median(taken):.2f} s, worst {max(taken):.2f} s", flush=True)
        await browser.close()
        await asyncio.sleep(REST)
        print_memory(process, before)


def print_memory(process: int, before: float) -> None:
    """Print the memory of a server after its visitors have left, against that before they came, in MB."""
    now, peak = memory(process)
    print(f"the server {REST} s after they left: {now:.0f} MB, {now / before - 1:+.0%}; at its peak {peak:.0f} MB")


@contextmanager
def studio() -> Iterator[tuple[str, int]]:
    """The address and the process of a server with the networks that ship, which has loaded what it loads ahead."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/runs.db"
        load_references(Store(url))
        with started(url, Path(folder)) as (address, process):
            settle(process)
            yield address, process


def main() -> None:
    with studio() as (address, process):
        asyncio.run(visits(address, process))


if __name__ == "__main__":
    main()
