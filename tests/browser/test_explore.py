"""Explore in a browser: a picture lights the graph, the slider moves without the server, a click opens the details of a node."""

from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Page, expect
from skimage.data import chelsea

GRAPH_ROOT = (
    "[...document.querySelectorAll('[data-testid=stBidiComponentIsolated]')]"
    ".map((host) => host.shadowRoot).find((root) => root?.querySelector('.gate-graph'))"
)


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """A drawn digit, and a photograph of a cat."""
    drawn = Image.new("RGB", (640, 480), "black")
    ImageDraw.Draw(drawn).ellipse((230, 90, 410, 390), outline="white", width=44)
    drawn.save(tmp_path / "zero.png")
    Image.fromarray(chelsea()).save(tmp_path / "cat.jpg")
    return [tmp_path / "zero.png", tmp_path / "cat.jpg"]


def open_explore(page: Page, server: str) -> None:
    page.goto(f"{server}/?run=digits")
    expect(page.locator(".gate-graph .node.on").first).to_be_visible()


def lit(page: Page) -> set[str]:
    """The names of the nodes that are lit."""
    return set(page.locator(".gate-graph .node.on").evaluate_all("nodes => nodes.map((node) => node.dataset.node)"))


def settled(page: Page) -> dict[str, float]:
    """Where the slider is once it has stayed there for a while: a page that still loads moves what a hand reaches for."""
    slider = page.locator(".gate-graph input[type=range]")
    seen: list[object] = [slider.bounding_box()]
    for _ in range(100):
        page.wait_for_timeout(200)
        seen.append(slider.bounding_box())
        if seen[-1] and seen[-4:] == [seen[-1]] * 4:
            break
    assert isinstance(seen[-1], dict)
    return seen[-1]


def put(page: Page, lam: float) -> None:
    """Drags the slider's thumb with the mouse, in steps as a hand does."""
    slider = page.locator(".gate-graph input[type=range]")
    box = settled(page)
    now = int(slider.input_value()) / 100
    at = [box["x"] + 9 + (box["width"] - 18) * share for share in (now, lam)]
    height = box["y"] + box["height"] / 2
    page.mouse.move(at[0], height)
    page.mouse.down()
    page.mouse.move(at[1], height, steps=25)
    page.mouse.up()
    expect(page.locator(".gate-graph output")).to_have_text(f"λ = {lam:.2f}")


def test_the_slider_changes_what_is_lit_without_asking_the_server(page: Page, server: str, pictures: list[Path]) -> None:
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append("frame")))
    open_explore(page, server)
    frames = 0
    for picture in pictures:
        headline = page.locator(".gate-graph .headline")
        shown = page.locator("figure img")
        before = shown.get_attribute("src")
        page.locator("input[type=file]").set_input_files(picture)
        expect(shown).not_to_have_attribute("src", before or "")
        page.wait_for_timeout(1500)
        assert len(sent) > frames, "the count of requests does not see any"
        frames = len(sent)
        put(page, 0.0)
        cheapest, said = lit(page), headline.inner_text()
        put(page, 1.0)
        dearest = lit(page)
        assert cheapest < dearest
        assert headline.inner_text() != said
        page.locator(".gate-graph input[type=range]").focus()
        page.keyboard.press("Home")
        assert lit(page) == cheapest
        page.keyboard.press("End")
        assert lit(page) == dearest
        page.keyboard.press("PageDown")
        page.keyboard.press("ArrowLeft")
        assert page.locator(".gate-graph output").inner_text() == "λ = 0.89"
        page.wait_for_timeout(500)
        assert sent[frames:] == []


def test_nothing_moves_when_lambda_does(page: Page, server: str) -> None:
    open_explore(page, server)
    watched = ".gate-graph .node, .gate-graph .card, .gate-graph .headline, .gate-graph input"
    places = f"[...({GRAPH_ROOT}).querySelectorAll('{watched}')]"
    script = f"{places}.map((one) => {{ const box = one.getBoundingClientRect(); return [box.x, box.y, box.width, box.height]; }})"
    put(page, 0.0)
    first = page.evaluate(script)
    for lam in (0.3, 0.5, 0.8, 1.0):
        put(page, lam)
        assert page.evaluate(script) == first


@pytest.mark.long
def test_lambda_survives_another_image(page: Page, server: str) -> None:
    open_explore(page, server)
    put(page, 0.25)
    shown = page.locator("figure img")
    before = shown.get_attribute("src")
    page.get_by_role("radiogroup", name="Samples").get_by_role("radio").nth(3).click()
    expect(shown).not_to_have_attribute("src", before or "")
    settled(page)
    expect(page.locator(".gate-graph output")).to_have_text("λ = 0.25")


@pytest.mark.parametrize("way", ["click", *(pytest.param(key, marks=pytest.mark.long) for key in ("Enter", " "))])
def test_the_details_of_a_node_open(page: Page, server: str, way: str) -> None:
    open_explore(page, server)
    node = page.locator('.gate-graph [data-node="Q1"]')
    if way == "click":
        node.click()
    else:
        node.focus()
        page.keyboard.press(way)
    expect(page.locator(".inspector").get_by_text("it decides which modules run")).to_be_visible()
    expect(page.get_by_text("“go on” opens N3.")).to_be_visible()
    assert node.get_attribute("aria-pressed") == "true"


@pytest.mark.long
@pytest.mark.parametrize("width", [420, 1400])
def test_no_label_leaves_its_node(page: Page, server: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    open_explore(page, server)
    spilling = """nodes => nodes.filter((node) => {
        const [text, shape] = [node.querySelector("text"), node.querySelector(".shape")].map((one) => one.getBoundingClientRect());
        return text.width > shape.width;
    }).map((node) => node.dataset.node)"""
    assert page.locator(".gate-graph .node").evaluate_all(spilling) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.long
def test_another_network_is_drawn_in_place_of_the_first(page: Page, server: str) -> None:
    open_explore(page, server)
    for name, node in (("reference/hierarchy-cifar10", "branch 1"), ("digits", "N3")):
        page.get_by_role("combobox", name="Run").click()
        page.keyboard.type(f"{name} ")  # the list draws only the options in sight
        page.get_by_role("option", name=f"{name} · every λ", exact=True).click()
        expect(page.locator(f'.gate-graph [data-node="{node}"]')).to_be_visible()
    settled(page)
    assert lit(page) <= set(page.locator(".gate-graph .node").evaluate_all("nodes => nodes.map((node) => node.dataset.node)"))
