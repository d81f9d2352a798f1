"""Explore for people who use a keyboard, a screen reader, a phone or a dark screen."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import idle
from playwright.sync_api import Browser, Page, expect
from test_explore import lit, open_explore, settled

SERIOUS = ("serious", "critical")


def faults(page: Page) -> list[str]:
    """What axe-core holds against the page once it is idle, with the elements that it is about."""
    idle(page)
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {node['html'][:120]}" for one in found if one["impact"] in SERIOUS for node in one["nodes"]]


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.long)])
def test_axe_finds_no_serious_fault(browser: Browser, server: str, scheme: str) -> None:
    context = browser.new_context(color_scheme=scheme, viewport={"width": 1400, "height": 1000})  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(90_000)
    open_explore(page, server)
    settled(page)
    assert faults(page) == []
    page.locator('.gate-graph [data-node="Q1"]').click()
    expect(page.get_by_text("Pixels in favour of", exact=True)).to_be_visible()
    page.get_by_text("Make it harder").click()
    page.get_by_text("Draw", exact=True).click()
    expect(page.locator(".sketch canvas")).to_be_visible()
    settled(page)
    assert faults(page) == []
    context.close()


def test_everything_can_be_done_with_the_keyboard(page: Page, server: str) -> None:
    open_explore(page, server)
    settled(page)
    reached: dict[str, None] = {}
    focused = """() => {
        let one = document.activeElement;
        while (one?.shadowRoot?.activeElement) one = one.shadowRoot.activeElement;
        return one?.dataset?.node ?? one?.getAttribute("aria-label") ?? one?.textContent ?? "";
    }"""
    for _ in range(80):
        page.keyboard.press("Tab")
        reached[page.evaluate(focused)] = None
    for wanted in ("Play λ from 0 to 1", "λ: from 0, cheapest, to 1, most accurate", "Find a node", "Q1", "N3", "Save the picture as SVG"):
        assert wanted in reached
    slider = page.locator(".gate-graph input[type=range]")
    slider.focus()
    page.keyboard.press("Home")
    cheapest = lit(page)
    page.keyboard.press("End")
    assert cheapest < lit(page)
    page.locator('.gate-graph [data-node="Q1"]').focus()
    page.keyboard.press("ArrowRight")
    after = page.evaluate(focused)
    assert after != "Q1"
    page.keyboard.press("ArrowUp")
    assert page.evaluate(focused) == "Q1"
    slider.focus()
    page.keyboard.press("Tab")  # the first tool
    for _ in range(60):
        if page.evaluate(focused) == "N3":
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Force this module")).to_be_visible()


@pytest.mark.long
def test_a_phone_shows_all_of_it(browser: Browser, server: str, tmp_path: Path) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.set_default_timeout(90_000)
    open_explore(page, server)
    settled(page)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    samples, slider, upload = (
        page.locator(sight).bounding_box()
        for sight in ('[role="radiogroup"]:has(img)', ".gate-graph input[type=range]", ".st-key-own-picture")
    )
    assert samples
    assert slider
    assert upload
    assert samples["y"] < upload["y"] < slider["y"]
    assert slider["y"] < 844  # λ is in sight at once
    canvas, graph = page.locator(".gate-graph .canvas").bounding_box(), page.locator(".gate-graph .canvas svg").bounding_box()
    assert canvas
    assert graph
    assert graph["width"] <= canvas["width"] + 1  # the whole graph comes first
    page.locator('.gate-graph [data-node="Q1"]').tap()
    expect(page.locator(".inspector").get_by_text("it decides which modules run")).to_be_visible()
    context.close()
