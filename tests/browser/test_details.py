"""What the inspector shows of gates and modules, what stands beside the run's name, and the frame over one's own picture."""

from pathlib import Path

import pytest
from conftest import idle
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from test_one_screen import TEXTS, box, inside, opened

DESKTOP = (1440, 900)
PHONE = (390, 844)
PANEL = ".gate-graph .inspector"


def select(page: Page, node: str) -> None:
    page.locator(f'.gate-graph [data-node="{node}"]').click()
    expect(page.locator(f"{PANEL} .computed figure").first).to_be_attached()


def test_the_gates_of_a_block_follow_the_slider(browser: Browser, server: str) -> None:
    page = opened(browser, server, "reference/lc-wide-cifar10", DESKTOP)
    select(page, "block 2-1")
    cells = page.locator(f"{PANEL} .cells i")
    expect(cells).to_have_count(40)
    page.locator(f"{PANEL} summary", has_text="All values as a table").click()
    values = page.locator(f"{PANEL} .gates tbody td")
    expect(values).to_have_count(40)
    shown = f"{PANEL} .gates > .row b"
    scale = page.locator('.gate-graph [data-node="block 2-1"] .scale')
    seen = []
    for key in ("Home", "End"):
        page.locator(".gate-graph input[type=range]").focus()
        page.keyboard.press(key)
        expect(page.locator(shown)).to_have_text(scale.text_content() or "closed")
        written = values.all_inner_texts()
        levels = [float(one) for one in cells.evaluate_all("cells => cells.map(cell => cell.style.getPropertyValue('--level'))")]
        assert [text == "closed" for text in written] == [level == 0 for level in levels]
        opening = sum(text != "closed" for text in written)
        expect(page.locator(f"{PANEL} .gates > .cap").first).to_contain_text(f"{opening} of 40 channels")
        seen.append(written)
    assert seen[0] != seen[1], "the channels of this image change along λ"
    idle(page)  # what is drawn anew under the mouse is not pointed at
    cells.nth(6).hover()
    expect(page.locator(f"{PANEL} .pointed")).to_have_text(f"Channel 7: {seen[1][6]}")
    page.context.close()


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pixels_in_favour_of_a_gate_have_a_scale_and_say_what_they_mean(browser: Browser, server: str, scheme: str) -> None:
    page = opened(browser, server, "reference/lc-wide-cifar10", DESKTOP, scheme)
    select(page, "Q2-1")
    ends = page.locator(f"{PANEL} .colours span").all_inner_texts()
    assert len(ends) == 2
    against, favour = (end.partition(" ") for end in ends)
    assert (against[0], favour[0]) == ("against", "for")
    assert float(against[2].replace("−", "-")) == -float(favour[2]) < 0
    meaning = page.locator(f"{PANEL} .computed")
    expect(meaning).to_contain_text("the gate is open")
    expect(meaning).to_contain_text("An average training image scores")
    expect(page.locator(f"{PANEL} .gates figcaption")).to_have_text("Gates of block 2-1")
    page.context.close()


@pytest.mark.parametrize("size", [pytest.param(DESKTOP, id="desktop"), pytest.param(PHONE, id="phone", marks=pytest.mark.long)])
def test_a_member_of_a_cascade_shows_its_blocks_and_they_stay_open(browser: Browser, server: str, size: tuple[int, int]) -> None:
    page = opened(browser, server, "reference/model-cascade-cifar10", size)
    select(page, "mobile-7m-cifar10")
    page.locator(f"{PANEL} .computed > details > summary").click()
    block = page.locator(f"{PANEL} .inside details").nth(1)
    block.locator("summary").click()
    expect(block.locator("tbody tr").first).to_contain_text("Conv2d 1×1")
    expect(block).to_contain_text("depthwise.conv Conv2d 3×3, stride 2")
    expect(page.locator(f"{PANEL} .inside figure svg .value-bar").first).to_be_attached()
    page.locator(".gate-graph input[type=range]").focus()
    page.keyboard.press("Home")  # the server draws the inspector again
    page.wait_for_timeout(2500)
    expect(block.locator("tbody tr").first).to_be_visible()
    panel = page.locator(PANEL)
    assert panel.evaluate("panel => panel.scrollWidth <= panel.clientWidth"), "tables fit the panel"
    assert page.evaluate(TEXTS)[0][0] >= (11 if size == DESKTOP else 11.99), page.evaluate(TEXTS)
    page.context.close()


@pytest.mark.long
def test_warnings_stand_beside_the_name_and_the_classes_below_the_picture(browser: Browser, server: str) -> None:
    page = opened(browser, server, "reference/cascade-faces", DESKTOP)
    short = page.locator(".st-key-cautions summary")
    expect(short).to_contain_text("No gain over fixed routes")
    assert box(page, ".st-key-cautions")["y"] < box(page, "figure img")["y"]
    expect(page.locator(".classes")).to_have_text("It knows 2 classes: background, face")
    short.click()
    expect(page.get_by_text("Q2 always opens N5, whatever the image.")).to_be_visible()
    page.context.close()


@pytest.mark.long
def test_a_picture_of_none_of_the_classes_is_called_that(browser: Browser, server: str) -> None:
    page = opened(browser, server, "reference/model-cascade-cifar10&sample=11", DESKTOP)
    expect(page.locator(".gate-graph .claim")).to_contain_text("A cup of coffee is none of its classes")
    page.context.close()


@pytest.mark.parametrize("size", [pytest.param(DESKTOP, id="desktop"), pytest.param(PHONE, id="phone", marks=pytest.mark.long)])
def test_the_frame_over_a_picture_is_moved_and_sized(browser: Browser, server: str, size: tuple[int, int], tmp_path: Path) -> None:
    halves = Image.new("RGB", (600, 300), "red")
    halves.paste("blue", (300, 0, 600, 300))
    halves.save(tmp_path / "halves.png")
    page = opened(browser, server, "reference/model-cascade-cifar10", size)
    page.locator("input[type=file]").set_input_files(tmp_path / "halves.png")
    frame, seen = page.locator(".crop .frame"), page.locator("figure img")
    expect(frame).to_be_visible()
    page.wait_for_timeout(1500)
    assert inside(box(page, ".crop .frame"), box(page, ".crop img"))

    def colours() -> list[int]:
        """The first and the last pixel of what the network sees: red and blue of each."""
        drawn = """image => {
            const sheet = document.createElement("canvas");
            [sheet.width, sheet.height] = [32, 32];
            const ink = sheet.getContext("2d");
            ink.drawImage(image, 0, 0, 32, 32);
            const at = (x) => [...ink.getImageData(x, 16, 1, 1).data];
            return [at(1)[0], at(1)[2], at(30)[0], at(30)[2]];
        }"""
        found: list[int] = seen.evaluate(drawn)
        return found

    assert colours() == [255, 0, 0, 255], "the middle: half red, half blue"
    before = seen.get_attribute("src")
    at = box(page, ".crop .frame")
    page.mouse.move(at["x"] + at["width"] / 2, at["y"] + at["height"] / 2)
    page.mouse.down()
    page.mouse.move(at["x"] - 200, at["y"] + at["height"] / 2, steps=6)
    page.mouse.up()
    expect(seen).not_to_have_attribute("src", before or "")
    page.wait_for_timeout(500)
    assert colours() == [255, 0, 255, 0], "the left half is red"
    assert inside(box(page, ".crop .frame"), box(page, ".crop img"))
    whole = box(page, ".crop .frame")["width"]
    frame.focus()
    for _ in range(5):
        page.keyboard.press("-")
    page.wait_for_timeout(1500)
    assert box(page, ".crop .frame")["width"] == pytest.approx(0.8 * whole, abs=2)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.context.close()
