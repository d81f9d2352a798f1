"""The λ sweep page in a browser: a sweep is watched to its end, and its report is downloaded."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.config import run_config
from core.store import Store
from core.training.sweep import enlist, planned
from core.training.worker import work


@pytest.fixture
def waiting(database: str) -> str:
    """The name of a sweep of two networks, of which the first is trained."""
    store = Store(database)
    config = run_config(architecture={"name": "high_low", "stem": 4}, dataset="digits", method="d2nn", training={"epochs": 1})
    runs = enlist(store, planned(config, (0.2, 0.8), (0,)), "watched")
    work(store, runs[0].id)
    return "watched"


def test_a_sweep_fills_as_it_goes_and_is_reported(page: Page, server: str, database: str, waiting: str, tmp_path: Path) -> None:
    page.goto(f"{server}/sweep")
    expect(page.get_by_text("1 of 2 networks trained")).to_be_visible()
    points = page.locator(".js-plotly-plot").first.locator(".scatterlayer .trace").last.locator(".points path")
    expect(points).to_have_count(1)
    store = Store(database)
    work(store, store.runs.get(f"{waiting}/0.8/0").id)
    expect(points).to_have_count(2)
    expect(page.get_by_text("networks trained")).to_have_count(0)
    assert "show=watched" in page.url
    with page.expect_download() as download:
        page.get_by_role("button", name="Download report").click()
    download.value.save_as(tmp_path / "report.html")
    page.goto((tmp_path / "report.html").as_uri())
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    expect(page.get_by_text("python -m core train high_low")).to_be_visible()
    for run in store.runs.of_sweeps([waiting]):
        store.runs.purge(run.id)
