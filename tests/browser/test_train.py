"""Training in a browser: from a preset to Explore."""

import zipfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from conftest import fill
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from core.config import run_config
from core.store import Store


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
        fill(page, "Epochs", "2")
        fill(page, "Name", "from the browser")
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


@pytest.mark.long
def test_a_run_that_is_edited_opens_the_form_at_its_settings(browser: Browser, server: str) -> None:
    with closing(browser.new_page(viewport={"width": 1280, "height": 800})) as page:
        page.goto(f"{server}/runs?runs=1")
        again = page.get_by_role("button", name="Edit and start again")
        expect(again).to_be_visible()
        again.click()
        heading = page.get_by_role("heading", name="Settings", exact=True)
        expect(heading).to_be_in_viewport()
        expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
        page.wait_for_function(
            "() => { const top = [...document.querySelectorAll('h3')].find((one) => one.textContent === 'Settings')"
            ".getBoundingClientRect().top; return top > 0 && top < innerHeight / 3; }"
        )
        expect(page.get_by_role("combobox", name="Architecture")).to_be_in_viewport()


def start(page: Page, server: str, name: str, epochs: int) -> None:
    """Start a training of digits, and watch it."""
    page.goto(f"{server}/train")
    page.get_by_text("New training", exact=True).click()
    page.get_by_role("button", name="Digits in a minute").click()
    fill(page, "Epochs", str(epochs))
    fill(page, "Name", name)
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_role("combobox", name="Run to watch")).to_have_value(name)


def watch(page: Page, name: str) -> None:
    choice = page.get_by_role("combobox", name="Run to watch")
    choice.click()
    page.get_by_role("option", name=name, exact=True).click()
    expect(choice).to_have_value(name)


@pytest.mark.long
def test_three_trainings_wait_for_each_other_and_one_is_cancelled(browser: Browser, server: str) -> None:
    with closing(browser.new_page()) as page:
        start(page, server, "the first", 2000)
        start(page, server, "the second", 2)
        expect(page.get_by_text("with no others before it in the queue")).to_be_visible()
        start(page, server, "the third", 2)
        expect(page.get_by_text("with 1 other before it in the queue")).to_be_visible()
        page.get_by_role("button", name="Train next").click()
        expect(page.get_by_text("with no others before it in the queue")).to_be_visible()
        watch(page, "the second")
        expect(page.get_by_text("with 1 other before it in the queue")).to_be_visible()
        page.get_by_role("button", name="Cancel").click()
        expect(page.get_by_text("Stopped", exact=True)).to_be_visible()
        watch(page, "the first")
        page.get_by_role("button", name="Stop", exact=True).click()
        expect(page.get_by_role("button", name="Stopping…").or_(page.get_by_text("Stopped", exact=True)).first).to_be_visible()
        watch(page, "the third")
        expect(page.get_by_text("epoch 2.0 of 2")).to_be_visible()
        expect(page.get_by_text("Finished", exact=True)).to_be_visible()


@pytest.mark.long
def test_a_failed_run_is_edited_and_started_again(browser: Browser, server: str, database: str) -> None:
    store = Store(database)
    config = run_config(architecture="plain", dataset="digits", method="static", training={"epochs": 7, "learning_rate": 0.02})
    run = store.runs.create(config.record(), name="it fails")
    store.lifecycle.fail(run.id, "the machine had no room")
    with closing(browser.new_page()) as page:
        page.goto(f"{server}/train")
        page.get_by_test_id("stButtonGroup").get_by_text("Watch").first.click()
        watch(page, "it fails")
        expect(page.get_by_text("the machine had no room")).to_be_visible()
        page.get_by_role("button", name="Edit and start again").click()
        expect(page.get_by_label("Epochs", exact=True)).to_have_value("7")
        fill(page, "Epochs", "1")
        fill(page, "Name", "it works")
        page.get_by_role("button", name="Start training").click()
        expect(page.get_by_text("epoch 1.0 of 1")).to_be_visible()
        expect(page.get_by_text("Finished", exact=True)).to_be_visible()
    again = store.runs.get("it works")
    assert again.config["training"]["learning_rate"] == 0.02
    assert again.config["architecture"] == run.config["architecture"]


@pytest.mark.long
def test_a_zip_of_twelve_pictures_becomes_a_dataset_and_opens_in_explore(browser: Browser, server: str, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    with zipfile.ZipFile(tmp_path / "twelve.zip", "w") as archive:
        for number in range(12):
            name, low = ("dark", 0) if number % 2 else ("light", 150)
            file = tmp_path / f"{number}.png"
            Image.fromarray(random.integers(low, low + 100, (40, 40, 3), dtype=np.uint8)).save(file)
            archive.write(file, f"pictures/{name}/{number}.png")
    with closing(browser.new_page()) as page:
        page.goto(f"{server}/train")
        page.get_by_text("New training", exact=True).click()
        page.get_by_role("button", name="Your own pictures").click()
        page.locator(".st-key-own-zip input[type=file]").set_input_files(tmp_path / "twelve.zip")
        expect(page.get_by_role("img", name="dark").or_(page.get_by_text("dark", exact=True)).first).to_be_visible()
        fill(page, "Epochs", "2")
        fill(page, "Name", "light or dark")
        page.get_by_role("button", name="Start training").click()
        expect(page.get_by_text("epoch 2.0 of 2")).to_be_visible()
        page.get_by_role("link", name="Open in Explore").click()
        expect(page.locator(".gate-graph .node.on").first).to_be_visible()
        expect(page.get_by_text("It knows 2 classes: dark, light")).to_be_visible()
