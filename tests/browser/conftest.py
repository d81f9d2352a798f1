"""The app as a person has it: a server of its own on a scratch database, and a real browser."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from core.config import run_config
from core.store import Store
from core.training.worker import work

MAIN = Path(__file__).parents[2] / "app" / "main.py"
PATIENCE = 90  # seconds until a server must answer, and a page show what it should
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
CROPPED = "What the network sees"  # caption of a picture that is shown beside the original
LONG = {"name": "resnet_cascade", "n": 6, "width": 2, "exits": [8, 13], "scout": [2, 4]}
SLOW = """  // as over a connection on which each message takes `latency` milliseconds
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (message) { setTimeout(() => send.call(this, message), window.latency ?? 0); };
"""
TOUR_SEEN = "try { localStorage.setItem('gatescopeTour', 'seen'); } catch { /* about:blank has no storage */ }"
expect.set_options(timeout=PATIENCE * 1000)


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a store with two small trained networks for every λ: one of many blocks, "long", and a cascade, "digits"."""
    url = f"sqlite:///{tmp_path_factory.mktemp('browser') / 'runs.db'}"
    store = Store(url)
    for name, shape, epochs in (("long", LONG, 1), ("digits", {"name": "cascade"}, 6)):  # the newest is what pages begin with
        config = run_config(architecture=shape, dataset="digits", method="d2nn", training={"epochs": epochs})
        work(store, store.runs.create(config.record(), name=name).id)
    yield url
    for run in store.runs.all():  # what a test that failed has left behind would slow down all that follows
        if run.state == "running" and run.pid and not run.owned:
            with suppress(ProcessLookupError):
                os.kill(run.pid, signal.SIGTERM)


@pytest.fixture(scope="session")
def server(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the app, served from a folder that is not the project's, without datasets that are on this computer."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("GATESCOPE_DATA", str(elsewhere))
        patched.setenv("GATESCOPE_TRAININGS", "1")
        with served(database, elsewhere) as address:
            yield address


@contextmanager
def served(database: str, folder: Path) -> Iterator[str]:
    """The app on a database, in a process whose working directory is `folder`, until its address is no longer needed."""
    with started(database, folder) as (address, _):
        yield address


@contextmanager
def started(database: str, folder: Path, base: str = "") -> Iterator[tuple[str, int]]:
    """As `served`, with the number of the process. GATESCOPE_PORT sets the port, otherwise any that is free. `base`: the app's path."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(os.environ.get("GATESCOPE_PORT") or free.getsockname()[1])
    command = [sys.executable, str(MAIN.parent), "--server.port", str(port), "--server.headless", "true"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=os.environ | {"GATESCOPE_DB": database})
    address = f"http://localhost:{port}{'/' * bool(base)}{base}"
    try:
        _wait(f"{address}/_stcore/health", process, folder / "log")
        yield address, process.pid
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            assert process.poll() is None, log.read_text()
            time.sleep(0.2)
    pytest.fail(f"the app does not answer: {log.read_text()}")


def chromium() -> str | None:
    """The browser: GATESCOPE_CHROMIUM, else the system's, else (none) Playwright's own."""
    known = ("/usr/bin/chromium", "/usr/bin/chromium-browser")
    return os.environ.get("GATESCOPE_CHROMIUM") or next((path for path in known if shutil.which(path)), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS))
        yield visited(opened)
        opened.close()


def visited(browser: Browser) -> Browser:
    """Return the browser; in its contexts the studio has been visited, so that the tour does not begin."""

    def new_context(**options: Any) -> BrowserContext:
        context = first_visit(browser, **options)
        context.add_init_script(TOUR_SEEN)
        return context

    browser.new_context = new_context  # type: ignore[method-assign]
    browser.new_page = lambda **options: new_context(**options).new_page()  # type: ignore[method-assign]
    return browser


def first_visit(browser: Browser, **options: Any) -> BrowserContext:
    """Return a context in which the studio has not been visited."""
    return Browser.new_context(browser, **options)


REST = 1_000  # milliseconds: Explore pauses for less between two of its steps
IDLE = """(rest) => {
    const app = document.querySelector("[data-testid=stApp]");
    const still = app?.dataset.testScriptState === "notRunning" && !document.querySelector("[data-stale=true]")
        && document.getAnimations().every((one) => one.playState !== "running" || one.effect.getComputedTiming().endTime === Infinity);
    window.stillSince = still ? window.stillSince ?? performance.now() : null;
    return still && performance.now() - window.stillSince >= rest;
}"""


def idle(page: Page) -> None:
    """Wait until nothing of the page is being computed anew, for which time Streamlit fades it, and nothing begins to be."""
    page.evaluate("window.stillSince = null")
    page.wait_for_function(IDLE, arg=REST)


def fill(page: Page, label: str, value: str) -> None:
    """Type a value and press Enter, once the page has come to rest: while it runs, old and new elements may both be there."""
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    field = page.get_by_label(label, exact=True)
    expect(field).to_have_count(1)
    field.fill(value)
    field.press("Enter")
    expect(field).to_have_value(value)
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


@pytest.fixture
def complaints() -> list[str]:
    """What the browser's console complained about; filled by `page`."""
    return []


@pytest.fixture
def page(browser: Browser, complaints: list[str]) -> Iterator[Page]:
    """An empty tab; the test fails if the console reports an error in it."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    tab = context.new_page()
    tab.set_default_timeout(PATIENCE * 1000)

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(message.text)

    tab.on("console", listen)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    yield tab
    context.close()
    assert complaints == []
