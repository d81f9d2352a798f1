"""Training in a browser: from the form to the table of runs."""

from contextlib import closing

from playwright.sync_api import Browser, Page, expect

FIRST_ROW = {"x": 16.0, "y": 52.0}  # its checkbox, within the table; the newest run comes first


def test_the_page_opens_by_its_address(browser: Browser, server: str) -> None:
    with closing(browser.new_page()) as page:  # Streamlit asks for two files below a page's address that are not there: no fault of ours
        page.goto(f"{server}/train")
        expect(page.get_by_role("heading", name="Train a network")).to_be_visible()


def test_a_run_from_the_form_finishes_and_is_listed(page: Page, server: str) -> None:
    page.goto(server)
    page.get_by_role("link", name="Train").click()
    epochs = page.get_by_label("Epochs", exact=True)
    epochs.fill("2")
    epochs.press("Enter")
    name = page.get_by_label("Name", exact=True)
    name.fill("from the browser")
    name.press("Enter")
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_text("epoch 2.0 of 2")).to_be_visible()
    expect(page.get_by_role("link", name="Open in Explore")).to_be_visible()
    expect(page.get_by_text("Validation accuracy").first).to_be_visible()
    page.wait_for_timeout(1000)  # the end of a training draws the page once more, which would undo a click just before
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    page.get_by_role("link", name="Runs").click()
    expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
    table = page.get_by_test_id("stDataFrame").first
    expect(table).to_be_visible()
    page.wait_for_timeout(1000)
    table.click(position=FIRST_ROW)
    expect(page.get_by_role("heading", name="from the browser")).to_be_visible()
    page.get_by_role("link", name="Open in Explore").click()
    expect(page.locator(".gate-graph .node.on").first).to_be_visible()
    expect(page.get_by_role("combobox", name="Run")).to_have_value("from the browser · every λ")
    assert "run=from" in page.url
