"""A cascade in a browser: from two selected runs to Explore with its slider."""

from contextlib import closing
from pathlib import Path

import pytest
from conftest import PATIENCE, fill, served
from playwright.sync_api import Browser, expect

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
def test_two_runs_become_a_cascade_that_opens_in_explore(browser: Browser, members: str, tmp_path: Path) -> None:
    ids = ",".join(str(Store(members).runs.get(name).id) for name in ("narrow", "broad"))
    with served(members, tmp_path) as server, closing(browser.new_page()) as page:
        page.set_default_timeout(PATIENCE * 1000)
        page.goto(f"{server}/runs?runs={ids}")
        page.get_by_role("button", name="Make a cascade").click()
        expect(page.get_by_text("The 20% of the training images that no member was trained on teach the controllers.")).to_be_visible()
        fill(page, "Name", "both")
        page.get_by_role("button", name="Start training").click()
        expect(page.get_by_role("combobox", name="Run")).to_have_value("both · every λ")
        expect(page.locator(".gate-graph .node.on").first).to_be_visible()
        expect(page.locator('.gate-graph [data-node="narrow"]')).to_be_visible()
        assert "run=both" in page.url
        expect(page.get_by_role("slider", name="λ")).to_be_visible()
