"""Runs in a browser: ticks go into the address, and the address alone brings them back; a run is exported and imported again."""

from contextlib import closing
from pathlib import Path

import pytest
from conftest import served
from playwright.sync_api import Browser, expect

from core.config import run_config
from core.store import Store
from tests.records import measured

COMPARED = 20


def test_ticks_and_files_travel(browser: Browser, server: str, tmp_path: Path) -> None:
    with closing(browser.new_page()) as page:
        page.set_default_timeout(30_000)
        page.goto(f"{server}/runs")
        search = page.get_by_role("textbox", name="Search")
        search.fill("dataset:digits -reference")
        search.press("Enter")
        expect(page.get_by_text("2 of ")).to_be_visible()
        rows = page.locator(".stDataFrameGlideDataEditor").first
        rows.click(position={"x": 22, "y": 35 + 17})
        expect(page.get_by_role("heading", name="digits")).to_be_visible()
        assert page.url.count("runs=") == 1
        rows.click(position={"x": 22, "y": 2 * 35 + 17})
        expect(page.get_by_role("heading", name="2 runs compared")).to_be_visible()
        page.goto(page.url)
        expect(page.get_by_role("heading", name="2 runs compared")).to_be_visible()
        with page.expect_download() as both:
            page.get_by_role("button", name="Export as zip").click()
        both.value.save_as(tmp_path / "both.zip")
        page.locator(".st-key-bulk-clear button").click()
        expect(page.get_by_role("heading", name="2 runs compared")).to_be_hidden()
        page.get_by_role("button", name="Import").first.click()
        page.locator("input[type=file]").set_input_files(tmp_path / "both.zip")
        page.get_by_test_id("stPopoverBody").get_by_role("button", name="Import", exact=True).click()
        expect(page.get_by_text("the name 'digits' is taken")).to_be_visible()


def measured_runs(url: str) -> list[int]:
    """Add runs with figures and curves, without weights, that differ in the seed and the learning rate; return their numbers."""
    store, made = Store(url), []
    for number in range(COMPARED):
        training = {"epochs": 3, "seed": number, "learning_rate": 0.001 * (1 + number % 4)}
        config = run_config(architecture="cascade", dataset="digits", method="d2nn", lam=0.5, training=training)
        run = store.runs.create(config.record(), name=f"seed {number:02}")
        store.lifecycle.claim(run.id)
        for epoch in (1, 2, 3):
            store.metrics.log(run.id, epoch, {"val accuracy": 0.5 + 0.01 * number + 0.05 * epoch})
        store.lifecycle.finish(run.id, measured(0.5, 0.6 + 0.01 * number))
        made.append(run.id)
    return made


@pytest.mark.long
def test_twenty_runs_are_compared_through_the_address_alone(browser: Browser, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    numbers = measured_runs(url)
    with served(url, tmp_path) as address, closing(browser.new_page(viewport={"width": 1400, "height": 1000})) as page:
        page.set_default_timeout(90_000)
        page.goto(f"{address}/runs?runs={','.join(map(str, numbers))}")
        expect(page.get_by_role("heading", name=f"{COMPARED} runs compared")).to_be_visible()
        expect(page.get_by_role("button", name="Export as zip")).to_be_visible()
        expect(page.get_by_text(f"{COMPARED} runs selected")).to_be_visible()
        expect(page.get_by_text("selected runs have no tick")).to_have_count(0)
        charts = page.get_by_test_id("stPlotlyChart")
        front, lines = charts.nth(0), charts.nth(1)
        expect(lines.locator(".scatterlayer .trace")).to_have_count(COMPARED)
        expect(lines.locator(".legend .traces")).to_have_count(COMPARED)
        expect(front.locator(".scatterlayer .trace").first).to_be_attached()
        expect(page.get_by_text("Settings that differ").first).to_be_visible()
        assert page.url.endswith(",".join(map(str, numbers))) or page.url.endswith("%2C".join(map(str, numbers)))
