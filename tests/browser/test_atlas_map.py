"""The Atlas in a browser: a point and a picture open that very picture in Explore."""

import re

import pytest
from playwright.sync_api import Page, expect

SAMPLE = 7  # of the first page of Explore's strip
DRAWN_MAP = "[...document.querySelectorAll('*')].map((one) => one.shadowRoot?.querySelector('.atlas-map')?.map?.data.map).find(Boolean)"


def open_atlas(page: Page, server: str) -> None:
    """Open the Atlas of "digits" and wait until all its images are drawn."""
    page.goto(f"{server}/?run=digits")
    page.get_by_role("link", name="Open the Atlas").click()
    expect(page.get_by_text(re.compile(r"^Cost and answers at λ"))).to_be_visible()
    expect(page.get_by_text("Running the test images")).to_have_count(0)
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def test_a_point_and_a_picture_open_in_explore(page: Page, server: str) -> None:
    open_atlas(page, server)
    canvas = page.locator(".atlas-map canvas")
    canvas.scroll_into_view_if_needed()
    x, y = page.locator(".atlas-map").evaluate(f"one => one.map.data.places.slice({2 * SAMPLE}, {2 * SAMPLE + 2})")
    box = canvas.bounding_box()
    assert box is not None
    at = box["x"] + x / 10_000 * box["width"], box["y"] + (1 - y / 10_000) * box["height"]
    page.mouse.move(*at, steps=3)
    link = page.locator(".atlas-map .panel a")
    expect(link).to_have_attribute("href", re.compile(rf"sample={SAMPLE}&lam=0.5$"))
    label = page.locator(".atlas-map .panel b").inner_text()
    page.mouse.click(*at)
    expect(page.locator(".gate-graph output")).to_have_text("λ = 0.50")
    expect(page).to_have_url(re.compile(rf"/\?run=digits&sample={SAMPLE}&"))
    expect(page.get_by_text(f"Test image of class {label}")).to_be_visible()

    page.get_by_role("link", name="Atlas").first.click()
    picture = page.locator(".atlas-strips section").filter(has_text="Dearest images").locator("a").first
    expect(picture).to_be_visible()
    sample, address = picture.get_attribute("data-index"), picture.get_attribute("href") or ""
    words = picture.get_attribute("title") or ""
    source = picture.locator("img").get_attribute("src")
    picture.click()
    expect(page).to_have_url(re.compile(rf"/\?run=digits&sample={sample}&"))
    assert f"sample={sample}&" in address
    expect(page.get_by_text(words.split(" · ")[0], exact=True)).to_be_visible()
    shown = page.locator(f".pictures [data-index='{sample}']")
    if shown.count():  # on the first page of the strip
        expect(shown).to_have_attribute("aria-checked", "true")
        expect(shown.locator("img")).to_have_attribute("src", source or "")


@pytest.mark.long
def test_a_change_of_network_leaves_one_kind_of_colours_chosen(page: Page, server: str) -> None:
    open_atlas(page, server)
    chosen = page.locator(".atlas-map .choice [aria-checked=true]")
    expect(chosen).to_have_count(1)
    before = page.locator(".atlas-map").evaluate("one => one.map.data.map")
    page.get_by_role("combobox", name="Run").fill("long")  # long lists draw only the options in view
    page.get_by_role("option", name=re.compile("^long")).click()
    page.wait_for_function(f"() => {DRAWN_MAP} && {DRAWN_MAP} !== {before!r}")
    expect(chosen).to_have_count(1)


def test_rows_of_pictures_scroll_on_a_phone_and_the_page_does_not(page: Page, server: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    open_atlas(page, server)
    strip = page.locator(".atlas-strips .strip").first
    expect(strip.locator("a").nth(10)).to_be_attached()
    assert strip.evaluate("one => one.scrollWidth > one.clientWidth")
    wide, room = page.get_by_test_id("stMain").evaluate("one => [one.scrollWidth, one.clientWidth]")
    assert wide <= room
