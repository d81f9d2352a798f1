"""The λ sweep page in a browser: a sweep is watched to its end, and its report is downloaded."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from core.config import run_config
from core.store import Store
from core.training.sweep import enlist, planned
from core.training.worker import work


@pytest.fixture
def watched(database: str) -> Iterator[list[int]]:
    """The runs of a sweep of two networks, of which the first is trained."""
    store = Store(database)
    config = run_config(architecture={"name": "high_low", "stem": 4}, dataset="digits", method="d2nn", training={"epochs": 1})
    ids = [run.id for run in enlist(store, planned(config, (0.2, 0.8), (0,)), "watched")]
    work(store, ids[0])
    yield ids
    for run_id in ids:
        store.runs.purge(run_id)


def test_a_sweep_fills_as_it_goes_and_is_reported(browser: Browser, server: str, database: str, watched: list[int], tmp_path: Path) -> None:
    with closing(browser.new_page(accept_downloads=True)) as page:
        page.goto(f"{server}/sweep")
        expect(page.get_by_text("1 of 2 networks trained")).to_be_visible()
        points = page.locator(".js-plotly-plot").first.locator(".scatterlayer .trace").last.locator(".points path")
        expect(points).to_have_count(1)
        work(Store(database), watched[1])
        expect(points).to_have_count(2)
        expect(page.get_by_text("networks trained")).to_have_count(0)
        assert "show=watched" in page.url
        with page.expect_download() as download:
            page.get_by_role("button", name="Download report").click()
        download.value.save_as(tmp_path / "report.html")
        page.goto((tmp_path / "report.html").as_uri())
        expect(page.locator(".js-plotly-plot").first).to_be_visible()
        expect(page.get_by_text("python -m core train high_low")).to_be_visible()
