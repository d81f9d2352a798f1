"""A cascade in a browser: from two selected runs to Explore with its slider."""

from pathlib import Path

import pytest
from conftest import served
from playwright.sync_api import Page, expect

from core.config import run_config
from core.store import Store
from core.training.worker import work


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a store with two static networks on digits that share a holdout."""
    url = f"sqlite:///{tmp_path_factory.mktemp('members') / 'runs.db'}"
    store = Store(url)
    method = {"name": "static", "controller_holdout": 0.2}
    for name, widths in (("narrow", [4]), ("broad", [16, 16])):
        config = run_config(architecture={"name": "plain", "widths": widths}, dataset="digits", method=method, training={"epochs": 3})
        work(store, store.runs.create(config.record(), name=name).id)
    return url


@pytest.mark.long  # `tests/test_cascade_form.py` does the same without a browser
def test_two_runs_become_a_cascade_that_opens_in_explore(page: Page, members: str, tmp_path: Path) -> None:
    with served(members, tmp_path) as server:
        ids = ",".join(str(Store(members).runs.get(name).id) for name in ("narrow", "broad"))
        page.goto(f"{server}/?run=narrow")
        page.get_by_role("link", name="Runs").click()
        expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
        page.evaluate("address => history.replaceState({}, '', address)", f"{server}/runs?runs={ids}")
        page.reload()
        page.get_by_role("button", name="Make a cascade").click()
        expect(page.get_by_text("The 20% of the training images that no member was trained on teach the controllers.")).to_be_visible()
        name = page.get_by_label("Name", exact=True)
        name.fill("both")
        name.press("Enter")
        page.get_by_role("button", name="Start training").click()
        expect(page.get_by_text("the cascade opens in Explore when it is ready")).to_be_visible()
        expect(page.get_by_role("combobox", name="Run")).to_have_value("both · every λ")  # the page has changed by itself
        expect(page.locator(".gate-graph .node.on").first).to_be_visible()
        expect(page.locator('.gate-graph [data-node="narrow"]')).to_be_visible()
        assert "run=both" in page.url
        slider = page.locator(".gate-graph input[type=range]").first
        expect(slider).to_be_visible()
