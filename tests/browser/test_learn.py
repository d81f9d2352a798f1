"""Explore for a person who has never heard of λ: the tour, the terms, samples that show the point, and the cheapest right λ."""

import re
from pathlib import Path

import pytest
from conftest import CROPPED, first_visit
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from test_access import faults
from test_explore import open_explore, settled


def samples(page: Page) -> list[str]:
    """What the small pictures in the strip are called."""
    return page.locator(".samples [role=radio]").evaluate_all("all => all.map((one) => one.getAttribute('aria-label'))")


def marked(page: Page) -> None:
    """Waits until every sample has its marks."""
    expect(page.locator(".samples [role=status]")).to_have_text("")
    expect(page.locator(".samples [role=radio]").first).to_have_attribute("aria-label", re.compile("route"))


def test_the_tour_begins_at_a_first_visit_only_and_can_be_repeated(browser: Browser, server: str) -> None:
    context = first_visit(browser, viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(90_000)
    open_explore(page, server)
    card = page.locator(".tour-card")
    expect(card).to_be_visible()
    titles = []
    for step in range(5):
        expect(card).to_have_attribute("aria-label", f"Tour, step {step + 1} of 5")
        titles.append(card.locator("h2").inner_text())
        box = card.bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["y"] >= 0
        assert box["x"] + box["width"] <= 1440
        assert box["y"] + box["height"] <= 900
        if step == 1:
            expect(card).to_contain_text("At 0 the network computes as little as it can")
            before = page.locator(".gate-graph output").inner_text()
            card.get_by_role("button", name="Play λ").click()
            expect(page.locator(".gate-graph output")).not_to_have_text(before)
            page.locator(".gate-graph input[type=range]").focus()  # the page stays usable under the tour
            page.keyboard.press("Home")
        card.get_by_role("button", name="Done" if step == 4 else "Next").click()
    assert len(set(titles)) == 5
    expect(card).to_be_hidden()
    page.reload()
    expect(page.locator(".gate-graph .node.on").first).to_be_visible()
    page.wait_for_timeout(1000)
    expect(card).to_be_hidden()
    page.locator('.gate-graph [data-node="Q1"]').click()
    expect(page.locator(".gate-graph .inspector")).to_be_visible()
    page.get_by_role("button", name="Take the tour").click()
    expect(card).to_be_visible()
    assert faults(page) == []
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()
    expect(page.locator(".gate-graph .inspector")).to_be_visible()
    context.close()


@pytest.mark.long
def test_the_tour_can_be_skipped(browser: Browser, server: str) -> None:
    context = first_visit(browser, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.set_default_timeout(90_000)
    open_explore(page, server)
    page.get_by_role("button", name="Skip the tour").tap()
    expect(page.locator(".tour-card")).to_be_hidden()
    page.reload()
    expect(page.locator(".gate-graph .node.on").first).to_be_visible()
    page.wait_for_timeout(1000)
    expect(page.locator(".tour-card")).to_be_hidden()
    context.close()


@pytest.mark.long
def test_a_term_is_explained_where_it_stands(page: Page, server: str) -> None:
    open_explore(page, server)
    settled(page)
    page.locator('.gate-graph [data-node="Q1"]').click()
    mark, card = page.get_by_role("button", name="What is λ?"), page.locator(".gate-graph .hint-card")
    mark.click()
    expect(card).to_contain_text("How much accuracy counts against computation")
    expect(card).to_contain_text("Budget")
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()
    expect(page.locator(".gate-graph .inspector")).to_be_visible()
    page.locator(".gate-graph .inspector").get_by_role("button", name="What is controller?").click()
    expect(card).to_contain_text("sets gates")
    box = card.bounding_box()
    assert box
    assert box["x"] + box["width"] <= 1400
    page.locator(".gate-graph .headline").click()
    expect(card).to_be_hidden()


@pytest.mark.long
def test_the_glossary_finds_terms(page: Page, server: str) -> None:
    page.goto(server)
    page.get_by_role("link", name="Glossary").click()
    expect(page.get_by_role("heading", name="Glossary", exact=True)).to_be_visible()
    expect(page.get_by_text("the area between it and a reference corner")).to_be_visible()
    page.get_by_label("Find a term").fill("ε-greedy")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Taking a random option")).to_be_visible()
    expect(page.get_by_text("the area between it and a reference corner")).to_have_count(0)


def test_samples_are_marked_narrowed_and_chosen(page: Page, server: str) -> None:
    open_explore(page, server)
    marked(page)
    assert len(samples(page)) == 60
    page.get_by_label("Show these test images").select_option("wrong")
    expect(page.locator(".samples [role=radio]").first).to_have_attribute("aria-label", re.compile("wrong at"))
    assert all("wrong at" in name for name in samples(page))
    expect(page.locator(".samples .pictures .wrong")).to_have_count(len(samples(page)))
    page.get_by_label("Show these test images").select_option("routes")
    expect(page.locator(".samples [role=radio]:not(:has(.turns))")).to_have_count(0)
    assert all("its route changes along λ" in name for name in samples(page))
    shown = page.locator("figure img").get_attribute("src") or ""
    page.locator(".samples [role=radio]").nth(1).click()
    expect(page.locator("figure img")).not_to_have_attribute("src", shown)
    expect(page.locator(".gate-graph .ticks i").first).to_be_visible()  # its route does change
    page.get_by_label("Order of the test images").select_option("dearest")
    page.get_by_label("Show these test images").select_option("class 7")
    expect(page.locator(".samples [role=radio]").first).to_have_attribute("aria-label", re.compile("class 7"))
    assert all("class 7" in name for name in samples(page))
    page.get_by_label("Show these test images").select_option("all")
    page.get_by_role("button", name="Shuffle the test images").click()
    expect(page.locator(".samples [role=radio]")).to_have_count(60)
    page.get_by_role("button", name="Further images").click()
    expect(page.get_by_text("61 to 120 of")).to_be_visible()
    one = page.locator(".samples [role=radio]").first
    one.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".samples [role=radio]").nth(1)).to_be_focused()
    expect(page.locator(".samples [role=radio]").nth(1)).to_have_attribute("aria-checked", "true")


@pytest.mark.long
def test_the_cheapest_right_lam_is_reached_without_the_server(page: Page, server: str) -> None:
    open_explore(page, server)
    settled(page)
    page.locator(".gate-graph input[type=range]").focus()
    page.keyboard.press("End")
    sent: list[str] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append("frame")))
    page.locator(".gate-graph .head").get_by_role("button", name="Cheapest right λ").click()
    assert sent == []
    notice = page.locator(".gate-graph .notice")
    expect(notice).to_contain_text("the answer is still right")
    said = notice.inner_text().split("λ = ")[1].split()[0]
    expect(page.locator(".gate-graph output")).to_have_text(f"λ = {said}")
    expect(page.locator(".gate-graph .claim.right")).to_be_visible()
    page.get_by_role("button", name="Cheapest right λ over the test images").click()
    expect(page.get_by_text("at no λ.")).to_be_visible()
    expect(page.locator(".js-plotly-plot .bars .point").first).to_be_attached()


def test_a_picture_of_ones_own_is_kept(page: Page, server: str, tmp_path: Path) -> None:
    Image.linear_gradient("L").save(tmp_path / "grey.png")
    open_explore(page, server)
    page.locator("input[type=file]").set_input_files(tmp_path / "grey.png")
    expect(page.get_by_text(CROPPED, exact=True)).to_be_visible()
    settled(page)
    shown = page.locator("figure img").get_attribute("src") or ""
    page.get_by_role("link", name="Runs").click()
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    page.get_by_role("link", name="Explore").click()
    expect(page.locator("figure img")).to_have_attribute("src", shown)
    page.get_by_role("combobox", name="Run").click()
    page.keyboard.type("reference/hierarchy-cifar10 ")  # the list draws only the options in sight
    page.get_by_role("option", name="reference/hierarchy-cifar10 · every λ", exact=True).click()
    expect(page.locator('.gate-graph [data-node="branch 1"]')).to_be_visible()
    expect(page.get_by_text(CROPPED, exact=True)).to_be_visible()
    page.reload()
    expect(page.locator('.gate-graph [data-node="branch 1"]')).to_be_visible()
    expect(page.get_by_text(CROPPED, exact=True)).to_be_visible()
    page.locator(".samples [role=radio]").first.click()
    expect(page.get_by_text(CROPPED, exact=True)).to_have_count(0)
    page.get_by_role("button", name="Show your picture").click()
    expect(page.get_by_text(CROPPED, exact=True)).to_be_visible()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text(CROPPED, exact=True)).to_have_count(0)
    page.reload()
    expect(page.locator(".gate-graph .node.on").first).to_be_visible()
    page.wait_for_timeout(1500)
    expect(page.get_by_text(CROPPED, exact=True)).to_have_count(0)


@pytest.mark.long  # `test_axe_finds_no_serious_fault` looks at Explore
@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("path", ["sweep?show=digits", "runs", "train", "glossary", "?run=reference/lc-digits", "atlas?run=digits", "how"])
def test_axe_finds_no_serious_fault_on_any_page(browser: Browser, server: str, path: str, scheme: str) -> None:
    context = browser.new_context(color_scheme=scheme, viewport={"width": 1440, "height": 900})  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(90_000)
    page.goto(f"{server}/{path}")
    expect(page.get_by_role("heading").first).to_be_visible()
    if path.startswith("?"):
        expect(page.locator(".gate-graph .node.on").first).to_be_visible()
        page.get_by_role("button", name="What is λ?").click()
    page.wait_for_timeout(2500)
    assert faults(page) == []
    context.close()
