"""The Atlas in a browser: a point and a picture open that very picture in Explore."""

import re

from playwright.sync_api import Page, expect

SAMPLE = 7  # of the first page of Explore's strip


def test_a_point_and_a_picture_open_in_explore(page: Page, server: str) -> None:
    page.goto(f"{server}/?run=digits")
    page.get_by_role("link", name="Open the Atlas").click()
    canvas = page.locator(".atlas-map canvas")
    expect(page.get_by_text(re.compile(r"^Cost and answers at λ"))).to_be_visible()
    expect(page.get_by_text("Running the test images")).to_have_count(0)
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
