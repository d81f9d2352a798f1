"""Prints how quickly Explore answers, on this computer: `python tests/browser/speed.py`. Nothing fails here: times are no test."""

import io
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # as a script it would not find the project

import numpy as np
from conftest import ARGUMENTS, chromium, served, visited
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from skimage.data import astronaut

from core.store import Store
from core.store.references import load_references

TURNS = 15
STARTED = 8  # seconds for which the server has run when the first visit comes
STEPS = """async () => {
    const host = [...document.querySelectorAll("*")].map((one) => one.shadowRoot?.querySelector(".gate-graph")).find(Boolean);
    const slider = host.querySelector("input[type=range]");
    const taken = [];
    for (let step = 0; step <= 100; step += 1) {
        slider.value = String(step);
        const start = performance.now();
        slider.dispatchEvent(new Event("input"));
        host.getBoundingClientRect();
        taken.push(performance.now() - start);
        await new Promise(requestAnimationFrame);
    }
    return taken;
}"""
CLICK = """async (name) => {
    const host = [...document.querySelectorAll("*")].map((one) => one.shadowRoot?.querySelector(".gate-graph")).find(Boolean);
    const start = performance.now();
    host.querySelector(`[data-node="${name}"]`).dispatchEvent(new MouseEvent("click", { bubbles: true }));
    while (host.querySelector(".inspector").getAttribute("aria-label") !== `Details of ${name}`)
        await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
    return performance.now() - start;
}"""
DRAG = """async () => {
    const host = [...document.querySelectorAll("*")].map((one) => one.shadowRoot?.querySelector(".gate-graph")).find(Boolean);
    const slider = host.querySelector("input[type=range]");
    const seen = new Set();
    for (let step = 0; step <= 100; step += 1) {
        slider.value = String(step);
        slider.dispatchEvent(new Event("input"));
        await new Promise(requestAnimationFrame);
        seen.add(host.querySelector("output").textContent);
    }
    return seen.size;
}"""


def median(measured: list[float], unit: str = "ms") -> str:
    return f"median {statistics.median(measured):.1f} {unit}, worst {max(measured):.1f} {unit} of {len(measured)}"


def timed(act: Callable[[], None]) -> float:
    start = time.perf_counter()
    act()
    return 1000 * (time.perf_counter() - start)


def first_picture(page: Page, address: str) -> float:
    def visit() -> None:
        page.goto(address)
        page.wait_for_selector(".gate-graph .node.on")

    return timed(visit)


def change(page: Page, run: str) -> float:
    """From the choice of another network to its lit graph."""
    page.get_by_role("combobox", name="Run").click()
    page.keyboard.type(f"reference/{run} ")  # the list draws only the options in sight
    option = page.get_by_role("option").filter(has_text=f"reference/{run} ·")
    option.wait_for()

    def choose() -> None:
        option.click()
        page.wait_for_selector(f'.gate-graph[data-shows*="run=reference%2F{run}&"] .node.on')

    return timed(choose)


def clicks(page: Page) -> tuple[list[float], list[float]]:
    """From the click on a node to what is known of it, painted, and to what it made of the image, which the server computes."""
    known, computed = [], []
    for turn in range(TURNS):
        name, sign = (("Q1", "Attribution method"), ("stem", "Output: "))[turn % 2]
        start = time.perf_counter()
        known.append(page.evaluate(CLICK, name))
        page.get_by_text(sign).first.wait_for()
        computed.append(1000 * (time.perf_counter() - start))
        page.wait_for_timeout(300)
    return known, computed


def upload(page: Page, folder: Path) -> float:
    """A photograph of 12 megapixels, from the choice of the file to another lit graph."""
    photograph = Image.fromarray(np.asarray(astronaut())).resize((4000, 3000))
    file = folder / "photograph.jpg"
    data = io.BytesIO()
    photograph.save(data, "JPEG")
    file.write_bytes(data.getvalue())

    def choose() -> None:
        page.locator("input[type=file]").set_input_files(file)
        page.wait_for_selector('.gate-graph[data-shows=""] .node.on')  # no link shows an own picture

    return timed(choose)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        url = f"sqlite:///{folder}/runs.db"
        load_references(Store(url))
        with served(url, Path(folder)) as address:
            browser = visited(playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS)))
            page = browser.new_page(viewport={"width": 1400, "height": 1400})
            page.set_default_timeout(90_000)
            time.sleep(STARTED)
            for run in ("chain-digits", "resnet38-cascade-cifar10"):
                print(f"{run}, its first visit: picture after {first_picture(page, f'{address}/?run=reference/{run}'):.0f} ms")
                opened = [first_picture(page, f"{address}/?run=reference/{run}") for _ in range(5)]
                print(f"{run}: first picture on a running server: {median(opened)}")
                page.wait_for_timeout(1500)
                print(f"{run}: slider step to repainted graph: {median(page.evaluate(STEPS))}")
                print(f"{run}: steps painted of a drag over all 101: {page.evaluate(DRAG)}")
            pair = ("chain-digits", "resnet38-cascade-cifar10")
            print(f"change of network, both known to the server: {median([change(page, pair[turn % 2]) for turn in range(6)])}")
            page.goto(f"{address}/?run=reference/chain-digits")
            page.wait_for_selector(".gate-graph .node.on")
            page.wait_for_timeout(1500)
            known, computed = clicks(page)
            print(f"chain-digits: click to inspector: {median(known)}")
            print(f"chain-digits: click to what the node made of the image: {median(computed)}")
            print(f"chain-digits: 12 megapixels to lit graph: {upload(page, Path(folder)):.0f} ms")
            browser.close()


if __name__ == "__main__":
    main()
