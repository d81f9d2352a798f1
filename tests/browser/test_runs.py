"""Runs in a browser: ticks go into the address, and the address alone brings them back; a run is exported and imported again."""

from contextlib import closing
from pathlib import Path

from playwright.sync_api import Browser, expect


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
