"""Runs in a browser: ticks go into the address, and the address alone brings them back; a run is exported and imported again."""

from contextlib import closing
from pathlib import Path

from conftest import PATIENCE
from playwright.sync_api import Browser, expect


def test_ticks_and_files_travel(browser: Browser, server: str, tmp_path: Path) -> None:
    with closing(browser.new_page()) as page:
        page.set_default_timeout(PATIENCE * 1000)
        page.goto(f"{server}/runs")
        search = page.get_by_label("Search")
        search.fill("dataset:digits -reference")
        search.press("Enter")
        expect(page.get_by_text("2 of ")).to_be_visible()
        rows = page.locator("canvas[data-testid=data-grid-canvas]").first
        rows.click(position={"x": 22, "y": 35 + 17})
        expect(page.get_by_role("heading", name="digits")).to_be_visible()
        assert page.url.count("runs=") == 1
        rows.click(position={"x": 22, "y": 2 * 35 + 17})
        expect(page.get_by_role("heading", name="2 runs compared")).to_be_visible()
        page.goto(page.url)
        expect(page.get_by_role("heading", name="2 runs compared")).to_be_visible()
        page.get_by_role("button", name="Clear selection").click()
        page.goto(f"{server}/runs?runs=reference")
        expect(page.get_by_text("Tick runs to see them below")).to_be_visible()
