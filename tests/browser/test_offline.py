"""The page that computes, in a browser without a network: a dropped picture gets the server's answer, along the server's route."""

import io
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from app.graph_view.computing_page import MAX_PAGE_BYTES
from app.graph_view.folding import costs, fold
from app.graph_view.view import Subject, ViewOptions, view_of
from app.offline import offline_page
from app.rendering import data_url
from core.datasets.sources.picture import read_picture, to_tensor
from core.explain.model import Model, load
from core.explain.predict import predict, sweep_lam

DROP = """(bytes) => {
  const dropped = new DataTransfer();
  dropped.items.add(new File([new Uint8Array(bytes)], "mine.png", { type: "image/png" }));
  return dropped;
}"""
TAKEN = "performance.getEntriesByName('answer')[0].duration"  # milliseconds from the drop until the graph is lit
MOVE = "(slider, step) => { slider.value = step; slider.dispatchEvent(new Event('input')); }"


def saved(model: Model, folder: Path) -> Path:
    """The page of a network, saved from a black image."""
    graph, image = model.graph, torch.zeros(model.image, dtype=torch.uint8)
    sweep, shown, picture = sweep_lam(model, image), fold(graph.nodes), data_url(image)
    subject = Subject(model.run, "nothing", picture)
    every = graph.tradeoff.every_lam
    view = view_of(graph.nodes, shown, costs(shown, graph.macs), sweep, None, model.lam, every, {}, subject, ViewOptions())
    counts = dict.fromkeys(graph.parts, 0)
    run = SimpleNamespace(name=model.run, figures={})
    file = folder / "page.html"
    file.write_text(offline_page(run, model, view, shown, sweep, counts, "nothing", picture), encoding="utf-8")  # type: ignore[arg-type]
    return file


@pytest.fixture
def offline(browser: Browser, complaints: list[str]) -> Iterator[Page]:
    """An empty tab without a network; the test fails if a page in it wants one, or reports an error."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000}, offline=True)
    tab, wanted = context.new_page(), []

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(message.text)

    tab.on("console", listen)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("request", lambda request: wanted.append(request.url))
    yield tab
    context.close()
    assert [url for url in wanted if not url.startswith(("file:", "data:", "blob:"))] == []
    assert complaints == []


def picture(model: Model) -> bytes:
    """A test image, enlarged and coloured, as a PNG file."""
    split, _ = model.config.dataset.samples(2)
    plane = split.images[1, 0].numpy()
    file = io.BytesIO()
    Image.merge("RGB", [Image.fromarray(one) for one in (plane, plane // 2, 255 - plane)]).resize((310, 240)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("name", ["cascade-digits", pytest.param("lc-digits", marks=pytest.mark.long)])
def test_a_dropped_picture_is_answered_like_the_servers(offline: Page, name: str, tmp_path: Path) -> None:
    model = load(f"reference/{name}")
    offline.goto(saved(model, tmp_path).as_uri())
    expect(offline.locator("#status")).to_have_text("Drop a picture anywhere on this page, or choose one.")
    data = picture(model)
    offline.dispatch_event("body", "drop", {"dataTransfer": offline.evaluate_handle(DROP, list(data))})
    expect(offline.locator("#description")).to_have_text("mine.png")
    print(f"{name}: answered in {offline.evaluate(TAKEN):.0f} ms")
    expect(offline.locator("#progress")).to_be_hidden()
    image = to_tensor(read_picture(data), model.image)
    slider = offline.get_by_role("slider")
    for step in (0, 25, 50, 100):
        slider.evaluate(MOVE, step)
        trace = predict(model, image[None], lam=step / 100)[0]
        lit = offline.locator("g.node.on").evaluate_all("(nodes) => nodes.map((node) => node.dataset.node).filter(Boolean)")
        assert sorted(lit) == sorted(trace.executed)
        expect(offline.locator(".answer .label")).to_have_text(trace.label)
        top = max(trace.probabilities.values())
        assert f"{top:.0%}" in offline.locator(".answer .probability").first.inner_text()
        assert f"{trace.cost_share:.0%}" in offline.locator(".answer").inner_text() or trace.cost_share < 0.0995
    expect(offline.locator(".time")).to_have_count(0)


def test_what_is_no_picture_is_said(offline: Page, tmp_path: Path) -> None:
    offline.goto(saved(load("reference/cascade-digits-static"), tmp_path).as_uri())
    expect(offline.locator("#picture")).to_be_enabled()
    offline.set_input_files("#picture", {"name": "text.png", "mimeType": "image/png", "buffer": b"no picture"})
    expect(offline.locator("#status")).to_contain_text("text.png is not a picture")


@pytest.mark.long
def test_explore_saves_a_page_that_answers(page: Page, server: str, offline: Page, tmp_path: Path) -> None:
    page.goto(f"{server}/?run=reference/cascade-digits")
    button = page.get_by_role("button", name="Download offline page (HTML)")
    expect(button).to_be_enabled()
    with page.expect_download() as download:
        button.click()
    download.value.save_as(tmp_path / "offline.html")
    assert (tmp_path / "offline.html").stat().st_size <= MAX_PAGE_BYTES
    offline.goto((tmp_path / "offline.html").as_uri())
    expect(offline.locator("#picture")).to_be_enabled()
    data = picture(load("reference/cascade-digits"))
    offline.set_input_files("#picture", {"name": "mine.png", "mimeType": "image/png", "buffer": data})
    expect(offline.locator("#description")).to_have_text("mine.png")
    expect(offline.locator(".answer .label")).to_be_visible()
