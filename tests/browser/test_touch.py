"""What a person can do in Explore: force, pin, draw, distort, play, fold, save; each in a browser."""

import json
import re
from pathlib import Path

import pytest
from conftest import ARGUMENTS, CROPPED, SLOW, chromium, idle, visited
from PIL import Image
from playwright.sync_api import Browser, Download, Locator, Page, expect
from skimage.data import astronaut
from test_explore import lit, open_explore, put, settled

CASCADE = "reference/resnet38-cascade-cifar10"
SCALING = "reference/lc-digits"


def text_of(download: Download) -> str:
    return Path(download.path()).read_text(encoding="utf-8")


def open_cascade(page: Page, server: str) -> None:
    page.goto(f"{server}/?run={CASCADE}")
    expect(page.locator(".gate-graph .node.on").first).to_be_visible()


def test_a_node_is_forced_on_and_off_and_compared_with_the_automatic_run(page: Page, server: str) -> None:
    open_explore(page, server)
    put(page, 1.0)
    dearest = lit(page)
    assert "N3" in dearest
    page.locator('.gate-graph [data-node="N3"]').click()
    page.get_by_role("radio", name="off", exact=True).click()
    expect(page.get_by_text("N3 is forced off")).to_be_visible()
    expect(page.locator('.gate-graph [data-node="N3"].differs')).to_be_visible()
    expect(page.locator('.gate-graph [data-node="N3"].on')).to_have_count(0)
    expect(page.get_by_text("With nothing forced", exact=True)).to_be_visible()
    expect(page.locator(".inspector").get_by_text("It is forced off. With nothing forced it runs from λ = ")).to_be_visible()
    expect(page.locator('.gate-graph [data-node="N3"].forced .flag text')).to_have_text("off")
    expect(page.locator(".gate-graph .flag").filter(visible=True)).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator(".gate-graph .legend").get_by_text("Forced on or off by you")).to_be_visible()
    page.locator('.gate-graph [data-node="N3"]').click()
    page.get_by_role("button", name="Set all modules back to automatic").click()
    expect(page.get_by_text("N3 is forced off")).to_have_count(0)
    expect(page.locator('.gate-graph [data-node="N3"].on')).to_be_visible()
    assert lit(page) == dearest
    expect(page.get_by_role("radio", name="automatic", exact=True)).to_have_count(1)  # the previous one may stay for a moment
    expect(page.get_by_role("radio", name="automatic", exact=True)).to_be_checked()
    page.get_by_role("radio", name="off", exact=True).click()
    expect(page.get_by_text("N3 is forced off")).to_be_visible()


@pytest.mark.long
@pytest.mark.parametrize(
    "query", ["noise=nan", "blur=inf&turn=x", f"sample={'9' * 5000}", "lam=nan&cover=-3", "force=bogus:on,N3:off", "hold=N3:off"]
)
def test_nonsense_in_an_address_does_no_harm(page: Page, server: str, query: str) -> None:
    page.goto(f"{server}/?run=digits&{query}")
    expect(page.locator(".gate-graph .node.on").first).to_be_visible()
    expect(page.get_by_text("N3 is forced off")).to_have_count(int("N3" in query))
    expect(page.get_by_test_id("stException")).to_have_count(0)


@pytest.mark.long
def test_the_inspector_and_the_slider_agree_on_lam(page: Page, server: str) -> None:
    page.goto(f"{server}/?run=digits&lam=0.30")
    page.locator('.gate-graph [data-node="Q1"]').click()
    expect(page.get_by_text("at λ = 0.30")).to_have_count(2)  # in what the page knows of the node, and in what the server computed
    page.get_by_role("button", name="Play λ from 0 to 1").click()
    page.wait_for_timeout(900)
    page.get_by_role("button", name="Play λ from 0 to 1").click()
    stopped = page.locator(".gate-graph output").inner_text()
    assert stopped != "λ = 0.30"
    expect(page.get_by_text(f"at {stopped}")).to_have_count(2)
    page.get_by_role("button", name="Pin this view to compare it with the next one").click()
    expect(page.locator(".gate-graph .stand")).to_have_count(2)
    expect(page.locator(".gate-graph output")).to_have_text(stopped)
    expect(page.locator('.gate-graph [data-node="Q1"].selected')).to_have_count(2)
    page.locator(".gate-graph input[type=range]").focus()
    page.keyboard.press("End")
    expect(page.get_by_text("at λ = 1.00")).to_have_count(2)  # as above: at first in what the page knows alone


@pytest.mark.long
def test_the_route_of_another_lam_is_forced(page: Page, server: str) -> None:
    open_explore(page, server)
    put(page, 0.0)
    cheapest = lit(page)
    put(page, 1.0)
    assert cheapest < lit(page)
    page.locator('.gate-graph [data-node="N3"]').click()
    routes = page.get_by_role("combobox", name="Force another route")
    routes.select_option(routes.locator("option", has_text="from λ = 0.00").inner_text())
    expect(page.get_by_text("N3 is forced off")).to_be_visible()
    expect(page.locator('.gate-graph [data-node="N7"].on')).to_have_count(0)
    assert lit(page) == cheapest


@pytest.mark.long
def test_the_output_of_a_node_and_the_pixels_in_favour_of_an_option(page: Page, server: str) -> None:
    open_explore(page, server)
    put(page, 1.0)
    page.locator('.gate-graph [data-node="N1"]').click()
    expect(page.get_by_text("Output: ")).to_be_visible()
    page.locator('.gate-graph [data-node="Q1"]').click()
    expect(page.get_by_text("Scores of its options for this image")).to_be_visible()
    expect(page.get_by_text("Pixels in favour of", exact=True)).to_be_visible()
    before = page.locator("figure img").last.get_attribute("src")
    page.get_by_role("combobox", name="Attribution method").select_option("Occlusion")
    expect(page.locator("figure img").last).not_to_have_attribute("src", before or "")


@pytest.mark.long
def test_the_details_of_a_node_appear_at_once_and_follow_the_slider(page: Page, server: str) -> None:
    sent: list[str] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append("frame")))
    open_explore(page, server)
    put(page, 0.2)
    page.locator('.gate-graph [data-node="Q1"]').click()
    expect(page.get_by_text("Pixels in favour of", exact=True)).to_be_visible()
    card = page.locator(".gate-graph .inspector")
    for words in ("Q1 · Controller", "Multiply-adds", "Share of the static network", "Reads ", "at λ = 0.20"):
        expect(card.get_by_text(words).first).to_be_visible()
    cheap = card.locator(".key").inner_text()
    settled(page)
    before = len(sent)
    slider = page.locator(".gate-graph input[type=range]")
    slider.evaluate("slider => { slider.value = '80'; slider.dispatchEvent(new Event('input')); }")
    expect(card.get_by_text("at λ = 0.80")).to_be_visible()
    assert card.locator(".key").inner_text() != cheap
    assert len(sent) == before
    page.locator('.gate-graph [data-node="N3"]').click()
    expect(card.get_by_text("Share of the validation images for which it runs")).to_be_visible()
    page.locator('.gate-graph [data-node="N3"]').click()
    expect(card).to_be_hidden()


@pytest.mark.long
def test_an_image_is_distorted_and_restored(page: Page, server: str) -> None:
    open_explore(page, server)
    shown = page.locator("figure img").first
    before = shown.get_attribute("src")
    page.get_by_text("Make it harder").click()
    page.get_by_role("slider", name="Noise").focus()
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    expect(page.get_by_text(", distorted")).to_be_visible()
    expect(shown).not_to_have_attribute("src", before or "")
    page.get_by_role("link", name="Runs").click()
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    page.get_by_role("link", name="Explore").click()
    expect(page.get_by_text(", distorted")).to_be_visible()
    expect(page.get_by_role("slider", name="Noise")).to_be_visible()  # what is set is not folded away
    page.get_by_role("button", name="Undo all").click()
    expect(page.get_by_text(", distorted")).to_have_count(0)
    expect(shown).to_have_attribute("src", before or "")


@pytest.mark.long
def test_what_is_set_stays_where_the_next_request_leaves_before_the_address_has_come(page: Page, server: str) -> None:
    page.add_init_script(SLOW)
    open_explore(page, server)
    page.get_by_text("Make it harder").click()
    noise = page.get_by_role("slider", name="Noise")
    noise.focus()
    page.evaluate("window.latency = 1500")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(600)  # longer than the pause after which a slider sends its value
    there = noise.input_value()
    assert there == "20"
    page.wait_for_url(re.compile(r"noise=0\.2\b"))
    idle(page)
    expect(noise).to_have_value(there)
    shown = page.get_by_role("radiogroup", name="Samples").get_by_role("radio", checked=True)
    page.get_by_role("combobox", name="Run").click()
    page.get_by_role("option", name="cascade-faces · every λ").click()
    page.wait_for_timeout(600)
    page.get_by_role("radiogroup", name="Samples").get_by_role("radio", checked=False).nth(3).click()  # of the former network
    page.wait_for_url(lambda url: "run=reference%2Fcascade-faces" in url and "sample=" in url)
    idle(page)
    expect(page.get_by_role("combobox", name="Run")).to_have_value("reference/cascade-faces · every λ")
    expect(shown).to_have_count(1)


@pytest.mark.long
def test_the_address_is_that_of_the_run_that_is_chosen(page: Page, server: str) -> None:
    page.goto(f"{server}/?run=digits&noise=0.4&lam=0.20")
    expect(page.locator(".gate-graph output")).to_have_text("λ = 0.20")
    page.get_by_role("combobox", name="Run").click()
    page.get_by_role("option", name="cascade-faces · every λ").click()
    page.wait_for_url(lambda url: "run=reference%2Fcascade-faces" in url and "sample=" in url)
    expect(page.locator(".gate-graph .node.on").first).to_be_visible()
    put(page, 0.35)
    page.get_by_role("link", name="Runs").click()
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    page.get_by_role("link", name="Explore").click()
    expect(page.locator(".gate-graph output")).to_have_text("λ = 0.35")
    put(page, 0.85)
    page.wait_for_url(lambda url: "run=reference%2Fcascade-faces" in url and "lam=0.85" in url)
    page.reload()
    expect(page.locator(".gate-graph .node.on").first).to_be_visible()
    expect(page.get_by_role("combobox", name="Run")).to_have_value("reference/cascade-faces · every λ")
    expect(page.locator(".gate-graph output")).to_have_text("λ = 0.85")
    page.goto(server)
    expect(page.locator(".gate-graph output")).to_have_text("λ = 0.50")  # a new visit


@pytest.mark.long
def test_the_marked_sample_is_the_one_that_is_seen(page: Page, server: str, tmp_path: Path) -> None:
    open_explore(page, server)
    marked = page.get_by_role("radiogroup", name="Samples").get_by_role("radio", checked=True)
    expect(marked).to_have_count(1)
    expect(page.locator(".gate-graph .verdict")).to_be_visible()
    Image.new("L", (64, 64), 200).save(tmp_path / "grey.png")
    page.locator("input[type=file]").set_input_files(tmp_path / "grey.png")
    expect(page.get_by_text(CROPPED, exact=True)).to_be_visible()
    expect(marked).to_have_count(0)
    expect(page.locator(".gate-graph .verdict")).to_have_count(0)
    page.get_by_role("radiogroup", name="Samples").get_by_role("radio").nth(2).click()
    expect(page.get_by_text(CROPPED, exact=True)).to_have_count(0)
    expect(marked).to_have_count(1)


@pytest.mark.long
def test_a_digit_is_drawn(page: Page, server: str) -> None:
    open_explore(page, server)
    page.get_by_text("Draw", exact=True).click()
    sheet = page.locator(".sketch canvas")
    expect(sheet).to_be_visible()
    settled(page)
    box = sheet.bounding_box()
    assert box
    x, y, side = box["x"], box["y"], box["width"]
    page.mouse.move(x + 0.5 * side, y + 0.15 * side)
    page.mouse.down()
    page.mouse.move(x + 0.5 * side, y + 0.85 * side, steps=8)
    page.mouse.up()
    expect(page.get_by_text("Your picture", exact=True)).to_be_visible()
    page.locator(".sketch").get_by_role("button", name="Clear").click()
    expect(page.get_by_text("Your picture", exact=True)).to_have_count(0)


@pytest.mark.long
def test_a_picture_is_taken_with_the_camera(browser: Browser, server: str) -> None:
    """With the browser's own stand-in for a camera, a moving pattern."""
    pretended = [*ARGUMENTS, "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    seeing = visited(browser.browser_type.launch(executable_path=chromium(), args=pretended))
    try:
        page = seeing.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(90_000)
        open_explore(page, server)
        page.get_by_text("Camera", exact=True).click()
        page.wait_for_function("() => document.querySelector('video')?.readyState === 4")
        page.get_by_role("button", name="Take Photo").click()
        expect(page.get_by_text(CROPPED, exact=True)).to_be_visible()
        expect(page.locator(".gate-graph .node.on").first).to_be_visible()
        page.get_by_role("button", name="Clear photo").click()
        expect(page.get_by_text(CROPPED, exact=True)).to_have_count(0)
    finally:
        seeing.close()


def test_a_photograph_of_twelve_megapixels_is_uploaded(page: Page, server: str, tmp_path: Path) -> None:
    open_explore(page, server)
    file = tmp_path / "astronaut.jpg"
    Image.fromarray(astronaut()).resize((4000, 3000)).save(file, "JPEG")
    page.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_text(CROPPED, exact=True)).to_be_visible()
    settled(page)
    page.get_by_role("button", name="Copy a link that reopens this view").click()
    expect(page.get_by_text("Your own picture stays private")).to_be_visible()


@pytest.mark.long
def test_a_picture_is_pasted(page: Page, server: str) -> None:
    open_explore(page, server)
    page.get_by_text("Draw", exact=True).click()
    expect(page.locator(".sketch canvas")).to_be_visible()
    page.evaluate("""async () => {
        const sheet = new OffscreenCanvas(64, 64);
        const ink = sheet.getContext("2d");
        ink.fillStyle = "white";
        ink.fillRect(20, 8, 24, 48);
        const blob = await sheet.convertToBlob({ type: "image/png" });
        const data = new DataTransfer();
        data.items.add(new File([blob], "pasted.png", { type: "image/png" }));
        document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
    }""")
    expect(page.get_by_text("Your picture", exact=True)).to_be_visible()


def test_views_are_pinned_beside_the_explored_one_and_move_with_it(page: Page, server: str) -> None:
    open_explore(page, server)
    put(page, 0.0)
    cheapest = lit(page)
    page.get_by_role("button", name="Pin this view to compare it with the next one").click()
    stands = page.locator(".gate-graph .stand")
    expect(stands).to_have_count(2)
    expect(stands.last.locator(".view-figures")).to_contain_text("λ = 0.00")
    put(page, 1.0)
    names = "nodes => nodes.map((node) => node.dataset.node)"
    assert set(stands.last.locator(".node.on").evaluate_all(names)) == cheapest
    dearest = set(stands.first.locator(".node.on").evaluate_all(names)) | {None}
    differing = [set(stand.locator(".node.differs").evaluate_all(names)) for stand in stands.all()]
    assert differing[0] == differing[1] == dearest ^ (cheapest | {None}) != set()
    boxes = [stand.locator(".canvas").bounding_box() for stand in stands.all()]
    assert all(box and boxes[0] and abs(box[side] - boxes[0][side]) < 2 for box in boxes for side in ("width", "height"))
    page.get_by_role("button", name="Make the graph larger").click()
    assert len({stand.locator(".canvas svg").evaluate("svg => svg.style.width") for stand in stands.all()}) == 1
    page.get_by_role("button", name="Let the slider move this network too").click()
    expect(stands.last.locator(".view-figures")).to_contain_text("λ = 1.00")
    expect(page.locator(".gate-graph .node.differs")).to_have_count(0)
    page.get_by_role("button", name="Remove digits from the comparison").click()
    expect(stands).to_have_count(1)


@pytest.mark.long
def test_back_and_forward_walk_samples_and_nodes(page: Page, server: str) -> None:
    open_explore(page, server)
    shown = page.get_by_role("radiogroup", name="Samples").get_by_role("radio", checked=True)
    first = shown.get_attribute("data-index")
    settled(page)
    page.get_by_role("radiogroup", name="Samples").get_by_role("radio", checked=False).nth(3).click()
    expect(shown).not_to_have_attribute("data-index", first or "")
    second = shown.get_attribute("data-index") or ""
    settled(page)
    page.locator('.gate-graph [data-node="N3"]').click()
    page.wait_for_url(lambda url: "node=N3" in url)
    page.locator('.gate-graph [data-node="Q1"]').click()
    page.wait_for_url(lambda url: "node=Q1" in url)
    panel = page.locator(".gate-graph .inspector")
    page.go_back()
    expect(panel).to_have_attribute("aria-label", "Details of N3")
    page.go_back()
    expect(panel).to_be_hidden()
    page.go_back()
    expect(shown).to_have_attribute("data-index", first or "")
    page.go_forward()
    expect(shown).to_have_attribute("data-index", second)
    page.go_forward()
    expect(panel).to_have_attribute("aria-label", "Details of N3")


@pytest.mark.long
def test_the_factor_of_a_gate_is_written_in_its_node(page: Page, server: str) -> None:
    page.goto(f"{server}/?run={SCALING}&lam=0.20")
    expect(page.locator(".gate-graph .legend").get_by_text("Factor by which the gate scales the output")).to_be_visible()
    expect(page.locator(".gate-graph .node.on").first).to_be_visible()
    script = "nodes => nodes.map((node) => [node.classList.contains('on'), node.querySelector('.scale').textContent])"

    def told(view: Locator) -> list[list[object]]:
        return list(view.locator(".node:has(.scale)").evaluate_all(script))

    first = told(page.locator(".gate-graph"))
    assert {on for on, _ in first} == {True, False}
    assert all(bool(re.fullmatch(r"×\d+\.\d\d", scale)) == on for on, scale in first)
    put(page, 0.9)
    assert told(page.locator(".gate-graph")) != first
    put(page, 0.2)
    page.get_by_role("button", name="Pin this view to compare it with the next one").click()
    expect(page.locator(".gate-graph .stand")).to_have_count(2)
    assert told(page.locator(".gate-graph .stand").last) == first
    open_explore(page, server)
    expect(page.locator(".gate-graph .legend").get_by_text("scales the output")).to_have_count(0)


@pytest.mark.long
def test_scores_of_independent_gates_have_two_digits(page: Page, server: str) -> None:
    """More are shown only where they distinguish the highest score from the next."""
    page.goto(f"{server}/?run=reference/l-net-cifar10&lam=0.50")
    scores = page.locator(".gate-graph .choice").filter(has_text=re.compile(r"\d\.\d"))
    expect(scores).to_have_count(9)  # one of each gate network
    assert all(re.search(r" -?\d+\.\d\d$", text) for text in scores.all_text_contents())


def test_a_link_reopens_the_view(page: Page, server: str) -> None:
    page.goto(f"{server}/?run=digits&sample=3&noise=0.4&hold=N3:off&lam=0.80")
    expect(page.get_by_text("N3 is forced off")).to_be_visible()
    expect(page.locator(".gate-graph output")).to_have_text("λ = 0.80")
    expect(page.get_by_text(", distorted")).to_be_visible()
    label = page.locator(".gate-graph .label").inner_text()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy a link that reopens this view").click()
    expect(page.get_by_text("Link copied")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == f"{server}/?run=digits&sample=3&noise=0.4&force=N3%3Aoff&lam=0.80"
    page.locator('.gate-graph [data-node="Q2"]').click()
    page.get_by_role("button", name="Copy a link that reopens this view").click()
    page.wait_for_function("async (link) => (await navigator.clipboard.readText()) !== link", arg=link)
    link = page.evaluate("navigator.clipboard.readText()")
    assert link.endswith("&lam=0.80&node=Q2")
    page.goto("about:blank")
    page.goto(link)
    expect(page.get_by_text("N3 is forced off")).to_be_visible()
    expect(page.locator(".gate-graph .label")).to_have_text(label)
    expect(page.locator('.gate-graph [data-node="Q2"].selected')).to_be_visible()
    expect(page.get_by_text("Force this controller’s choice")).to_be_visible()


@pytest.mark.long
def test_the_choice_of_a_controller_is_forced(page: Page, server: str) -> None:
    open_explore(page, server)
    put(page, 1.0)
    page.locator('.gate-graph [data-node="Q1"]').click()
    expect(page.locator(".inspector").get_by_text("It chooses “stop” at first, then “go on” from λ = ")).to_be_visible()
    page.get_by_role("radiogroup", name="Force this controller’s choice").get_by_role("radio", name="stop", exact=True).click()
    expect(page.get_by_text("N3 is forced off")).to_be_visible()
    expect(page.locator('.gate-graph [data-node="N3"].on')).to_have_count(0)
    expect(page.locator(".gate-graph .headline")).to_contain_text("With N3 forced off: ")
    expect(page.get_by_role("radio", name="automatic", exact=True)).to_have_count(1)  # the previous inspector may still be there
    page.get_by_role("radio", name="automatic", exact=True).click()
    expect(page.locator('.gate-graph [data-node="N3"].on')).to_be_visible()


@pytest.mark.long
def test_a_picture_of_ones_own_has_no_link(page: Page, server: str, tmp_path: Path) -> None:
    open_explore(page, server)
    page.get_by_text("Draw", exact=True).click()
    box = page.locator(".sketch canvas").bounding_box()
    assert box
    settled(page)
    page.locator(".sketch canvas").click()
    expect(page.get_by_text("Your picture", exact=True)).to_be_visible()
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
    page.wait_for_timeout(1500)
    page.get_by_role("button", name="Copy a link that reopens this view").click()
    expect(page.get_by_text("stays private")).to_be_visible()


@pytest.mark.long
def test_the_graph_is_saved_as_svg_and_png(page: Page, server: str) -> None:
    open_explore(page, server)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save the picture as SVG").click()
    drawn = text_of(saved.value)
    assert drawn.startswith("<svg")
    assert "Q1" in drawn
    assert ">off<" not in drawn
    assert drawn.count("display:none") == page.locator(".gate-graph .flag").count()  # marks of modules that are not forced
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save the picture as PNG").click()
    assert Path(saved.value.path()).read_bytes().startswith(b"\x89PNG")


def test_the_trace_and_a_page_without_a_server(page: Page, server: str, browser: Browser, tmp_path: Path) -> None:
    open_explore(page, server)
    put(page, 1.0)
    dearest, label = lit(page), page.locator(".gate-graph .label").inner_text()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download trace (JSON)").click()
    trace = json.loads(text_of(saved.value))
    assert trace["run"] == "digits"
    assert set(trace["intervals"][-1]["executed"]) == dearest
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download page (HTML)").click()
    saved.value.save_as(tmp_path / "page.html")
    context = browser.new_context(offline=True)
    complaints: list[str] = []
    alone = context.new_page()
    alone.on("pageerror", lambda error: complaints.append(str(error)))
    alone.goto((tmp_path / "page.html").as_uri())
    alone.locator("input[type=range]").focus()
    alone.keyboard.press("End")
    names = "nodes => nodes.map((node) => node.dataset.node)"
    assert set(alone.locator(".node.on").evaluate_all(names)) == dearest
    assert alone.locator(".label").inner_text() == label
    alone.locator('[data-node="Q1"]').click()
    expect(alone.locator(".inspector").get_by_text("Scores of its options for this image")).to_be_visible()
    context.close()
    assert complaints == []


@pytest.mark.long
def test_lambda_plays_to_its_end_and_can_be_stopped(page: Page, server: str) -> None:
    open_explore(page, server)
    put(page, 0.9)
    page.get_by_role("button", name="Play λ from 0 to 1").click()
    expect(page.locator(".gate-graph output")).to_have_text("λ = 1.00")
    expect(page.get_by_role("button", name="Play λ from 0 to 1")).to_have_text("▶ Play")
    page.get_by_role("button", name="Play λ from 0 to 1").click()
    expect(page.get_by_role("button", name="Play λ from 0 to 1")).to_have_text("■ Stop")
    page.get_by_role("button", name="Play λ from 0 to 1").click()
    stopped = page.locator(".gate-graph output").inner_text()
    page.wait_for_timeout(600)
    assert page.locator(".gate-graph output").inner_text() == stopped


@pytest.mark.long
def test_an_execution_is_played_in_its_order(page: Page, server: str) -> None:
    open_explore(page, server)
    put(page, 1.0)
    whole = lit(page)
    page.get_by_role("button", name="Play the execution node by node").click()
    expect(page.locator(".gate-graph .node.current")).to_have_count(1)
    assert lit(page) < whole
    expect(page.locator(".gate-graph .node.current")).to_have_count(0)
    assert lit(page) == whole


@pytest.mark.long
def test_a_group_of_blocks_opens_and_folds_again(page: Page, server: str) -> None:
    page.goto(f"{server}/?run=long")
    settled(page)
    folded = page.locator('.gate-graph [data-node="block 9 … 13"]')
    folded.click()
    expect(page.locator('.gate-graph [data-node="block 10"]')).to_be_visible()
    expect(folded).to_have_count(0)
    page.get_by_role("button", name="Fold repeated blocks again").click()
    expect(folded).to_be_visible()


@pytest.mark.long
def test_a_node_is_found_and_the_graph_grows_and_fits(page: Page, server: str) -> None:
    open_cascade(page, server)
    page.get_by_label("Find a node").fill("answer")
    expect(page.locator(".gate-graph .node.found")).to_have_count(2)
    for notice in ("1 of 2 nodes: answer 0", "2 of 2 nodes: answer 1", "1 of 2 nodes: answer 0"):
        expect(page.get_by_text(notice)).to_be_visible()
        page.keyboard.press("Enter")
    page.get_by_label("Find a node").fill("zzz")
    expect(page.get_by_text("No node has this name.")).to_be_visible()
    page.get_by_label("Find a node").fill("exit 1")
    expect(page.locator('.gate-graph [data-node="exit 1"].found')).to_be_visible()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.shadowRoot.activeElement.dataset.node") == "exit 1"
    settled(page)
    graph = page.locator(".gate-graph .canvas svg")
    width = graph.bounding_box()["width"]  # type: ignore[index]
    page.get_by_role("button", name="Make the graph larger").click()
    assert graph.bounding_box()["width"] == pytest.approx(1.25 * width, rel=0.04)  # type: ignore[index]  # a scroll bar may take some
    page.get_by_role("button", name="Show the whole graph").click()
    room, whole = page.locator(".gate-graph .canvas").bounding_box(), graph.bounding_box()
    assert room
    assert whole
    assert whole["height"] <= room["height"] + 1
    assert whole["width"] <= room["width"] + 1
