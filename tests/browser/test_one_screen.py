"""Cause beside effect: picture, answer, λ, the whole graph and the inspector are in view together; on a phone they stand in order."""

from pathlib import Path
from typing import Any

import pytest
from conftest import served
from playwright.sync_api import Browser, Page, expect

DESKTOPS = ((1440, 900), (1280, 800))
CASCADE = "reference/model-cascade-cifar10"
NODES = {  # networks that ship, each with a node to open
    CASCADE: "Q1",
    "reference/chain-digits": "Q2",
    "reference/resnet38-cascade-cifar10": "Q1",
    "reference/hierarchy-cifar10": "Q1",
    "reference/lc-wide-cifar10": "block 2-1",
}
Box = dict[str, float]
TEXTS = """() => {
    const hosts = [...document.querySelectorAll("[data-testid=stBidiComponentIsolated]")];
    const root = hosts.map((host) => host.shadowRoot).find((one) => one?.querySelector(".gate-graph"));
    const small = [];
    for (const one of root.querySelectorAll("*")) {
        const text = [...one.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
        if (!text || !one.getClientRects().length || one.closest(".unseen, datalist, style")) continue;
        const scale = one.ownerSVGElement ? one.getScreenCTM().a : 1;
        small.push([scale * parseFloat(getComputedStyle(one).fontSize), one.textContent.trim()]);
    }
    return small.sort((a, b) => a[0] - b[0]).slice(0, 3);
}"""


def opened(browser: Browser, server: str, run: str, size: tuple[int, int], scheme: str = "light") -> Page:
    """Explore with a network of this name, in a window of this size, lit."""
    phone = size[0] < 500
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,  # type: ignore[arg-type]
        has_touch=phone,
        is_mobile=phone,
    )
    page = context.new_page()
    page.set_default_timeout(90_000)
    page.goto(f"{server}/?run={run}")
    expect(page.locator(".gate-graph .node.on").first).to_be_visible()
    page.wait_for_timeout(800)  # the column of the picture may still grow
    return page


def box(page: Page, sight: str) -> Box:
    expect(page.locator(sight).first).to_be_visible()  # it may be drawn again just now
    found: Any = page.locator(sight).first.bounding_box()
    assert found, sight
    return dict(found)


def inside(one: Box, other: Box) -> bool:
    return (
        one["x"] >= other["x"] - 1
        and one["y"] >= other["y"] - 1
        and one["x"] + one["width"] <= other["x"] + other["width"] + 1
        and one["y"] + one["height"] <= other["y"] + other["height"] + 1
    )


def apart(one: Box, other: Box) -> bool:
    return (
        one["x"] + one["width"] <= other["x"] + 1
        or other["x"] + other["width"] <= one["x"] + 1
        or one["y"] + one["height"] <= other["y"] + 1
        or other["y"] + other["height"] <= one["y"] + 1
    )


def test_a_page_that_opens_stays_at_its_top_though_the_chosen_test_image_is_below_the_window(browser: Browser, server: str) -> None:
    page = opened(browser, server, f"{CASCADE}&sample=40", (1280, 240))
    chosen, strip = box(page, ".pictures [aria-checked=true]"), box(page, ".pictures")
    assert strip["y"] > 240, "the strip is below the window"
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop") == 0
    assert inside(chosen, strip), "the strip itself is scrolled to the chosen image"
    page.context.close()


def test_nothing_moves_as_the_values_of_lam_are_computed(browser: Browser, database: str, tmp_path: Path) -> None:
    with served(database, tmp_path) as fresh:  # a server that has computed nothing yet
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        page = context.new_page()
        page.set_default_timeout(90_000)
        page.goto(f"{fresh}/?run=reference/lc-wide-cifar10")
        expect(page.get_by_text("values of λ so far")).to_be_visible()
        before = box(page, ".gate-graph .canvas")
        expect(page.get_by_text("The same modules run at every λ")).to_be_visible()
        assert box(page, ".gate-graph .canvas") == before
        context.close()


@pytest.mark.parametrize("size", [pytest.param(DESKTOPS[0], marks=pytest.mark.long, id="1440"), pytest.param(DESKTOPS[1], id="1280")])
@pytest.mark.parametrize("run", NODES)
def test_a_desktop_shows_all_of_it_at_once(browser: Browser, server: str, run: str, size: tuple[int, int]) -> None:
    page = opened(browser, server, run, size)
    window = {"x": 0.0, "y": 0.0, "width": float(size[0]), "height": float(size[1])}
    places = {
        "picture": "figure img",
        "headline": ".gate-graph .headline",
        "slider": ".gate-graph input[type=range]",
        "curve": ".gate-graph .curve",
        "canvas": ".gate-graph .canvas",
        "graph": ".gate-graph .canvas svg",
        "answer": ".gate-graph .answer",
    }
    before = {name: box(page, sight) for name, sight in places.items()}
    assert page.evaluate(TEXTS)[0][0] >= 11, page.evaluate(TEXTS)
    page.locator(f'.gate-graph [data-node="{NODES[run]}"]').click()
    expect(page.locator(".gate-graph .inspector .computed > *").first).to_be_visible()
    boxes = {name: box(page, sight) for name, sight in places.items()} | {"inspector": box(page, ".gate-graph .inspector")}
    assert {name: one for name, one in boxes.items() if not inside(one, window)} == {}
    assert inside(boxes["graph"], boxes["canvas"]), "the whole graph is in view"
    assert {name for name in before if name != "answer" and boxes[name] != before[name]} == set(), "nothing moves as a node is opened"
    del boxes["graph"]
    assert [(a, b) for a in boxes for b in boxes if a < b and not apart(boxes[a], boxes[b])] == []
    assert boxes["inspector"]["height"] >= 0.45 * size[1]
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop") == 0
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.evaluate(TEXTS)[0][0] >= 11, page.evaluate(TEXTS)
    page.keyboard.press("Escape")
    expect(page.locator(".gate-graph .inspector")).to_be_hidden()
    expect(page.locator(".gate-graph .selected")).to_have_count(0)
    page.context.close()


@pytest.mark.parametrize("run", [name if name == CASCADE else pytest.param(name, marks=pytest.mark.long) for name in NODES])
def test_a_phone_shows_picture_and_upload_then_answer_then_lam_then_graph(browser: Browser, server: str, run: str) -> None:
    page = opened(browser, server, run, (390, 844))
    order = ("figure img", ".st-key-own-picture", ".gate-graph .headline", ".gate-graph input[type=range]", ".gate-graph .canvas")
    tops = [box(page, sight)["y"] for sight in order]
    assert tops == sorted(tops)
    assert box(page, ".gate-graph input[type=range]")["y"] < 844, "λ is in sight at once"
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.evaluate(TEXTS)[0][0] >= 11.99, page.evaluate(TEXTS)
    node = page.locator(f'.gate-graph [data-node="{NODES[run]}"]')
    node.tap()
    expect(page.locator(".gate-graph .inspector .computed figure").first).to_be_attached()
    sheet, screen = box(page, ".gate-graph .inspector"), {"x": 0.0, "y": 0.0, "width": 390.0, "height": 844.0}
    assert inside(sheet, screen)
    assert sheet["height"] < 0.55 * 844, "the graph stays in sight above the sheet"
    assert page.evaluate(TEXTS)[0][0] >= 11.99, page.evaluate(TEXTS)
    page.get_by_role("button", name="Close the details").tap()
    expect(page.locator(".gate-graph .inspector")).to_be_hidden()
    page.context.close()


def test_the_panel_answers_a_click_at_once(browser: Browser, server: str) -> None:
    page = opened(browser, server, "reference/chain-digits", DESKTOPS[0])
    taken = page.evaluate("""() => {
        const hosts = [...document.querySelectorAll("[data-testid=stBidiComponentIsolated]")];
    const root = hosts.map((host) => host.shadowRoot).find((one) => one?.querySelector(".gate-graph"));
        const start = performance.now();
        root.querySelector('[data-node="Q2"]').dispatchEvent(new MouseEvent("click", { bubbles: true }));
        const panel = root.querySelector(".inspector").getBoundingClientRect();
        return panel.height > 100 && root.querySelector(".inspector h3").textContent.includes("Q2") ? performance.now() - start : null;
    }""")
    assert taken is not None, "the facts are there before the server is asked"
    page.context.close()


def test_zoom_and_position_survive_a_rerun(browser: Browser, server: str) -> None:
    page = opened(browser, server, "reference/chain-digits", DESKTOPS[1])
    for _ in range(3):
        page.get_by_role("button", name="Make the graph larger").click()
    canvas = page.locator(".gate-graph .canvas")
    canvas.evaluate("canvas => canvas.scrollTo(120, 140)")
    place = "canvas => [canvas.scrollLeft, canvas.scrollTop, canvas.firstElementChild.getBoundingClientRect().width]"
    before = canvas.evaluate(place)
    assert before[:2] == [120, 140]
    page.get_by_role("radiogroup", name="Samples").get_by_role("radio").nth(1).click()  # another image
    page.wait_for_timeout(1500)
    page.locator('.gate-graph [data-node="Q2"]').evaluate("node => node.dispatchEvent(new MouseEvent('click', { bubbles: true }))")
    expect(page.locator(".gate-graph .inspector .computed figure").first).to_be_visible()
    assert canvas.evaluate(place) == before
    page.context.close()
