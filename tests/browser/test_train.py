"""Training in a browser: from a preset to Explore."""

from contextlib import closing

from playwright.sync_api import Browser, expect


def test_the_page_opens_by_its_address(browser: Browser, server: str) -> None:
    with closing(browser.new_page()) as page:  # Streamlit asks for two files below a page's address that are not there: no fault of ours
        page.goto(f"{server}/train")
        expect(page.get_by_role("heading", name="Train a network")).to_be_visible()


def test_a_preset_trains_on_while_the_page_is_closed(browser: Browser, server: str) -> None:
    with closing(browser.new_page()) as page:
        page.goto(f"{server}/train")
        page.get_by_role("button", name="Digits in a minute").click()
        expect(page.get_by_text("1,259 images to learn from")).to_be_visible()
        expect(page.get_by_test_id("stGraphVizChart").locator("svg").first).to_be_visible()
        epochs = page.get_by_label("Epochs", exact=True)
        epochs.fill("2")
        epochs.press("Enter")
        name = page.get_by_label("Name", exact=True)
        name.fill("from the browser")
        name.press("Enter")
        page.get_by_role("button", name="Start training").click()
        expect(page.get_by_text("Run to watch")).to_be_visible()
    with closing(browser.new_page()) as page:
        page.goto(f"{server}/train")
        page.get_by_test_id("stButtonGroup").get_by_text("Watch").first.click()
        expect(page.get_by_text("epoch 2.0 of 2")).to_be_visible()
        expect(page.get_by_text("Share of validation images for which each module ran").first).to_be_visible()
        page.get_by_role("link", name="Open in Explore").click()
        expect(page.locator(".gate-graph .node.on").first).to_be_visible()
        expect(page.get_by_role("combobox", name="Run")).to_have_value("from the browser · every λ")
        assert "run=from" in page.url
