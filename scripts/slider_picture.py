"""Film the λ slider of Explore into assets/slider.webp: `python scripts/slider_picture.py`.

Serves the app on a scratch database with the networks that ship, drags the slider in a headless browser, and joins the screenshots.
"""

import io
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a script's own folder is on the path, the project's root is not

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from tests.browser.conftest import ARGUMENTS, chromium, served, visited

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "assets" / "slider.webp"
ADDRESS = "?run=reference/chain-digits&lam=0.00"
WINDOW = {"width": 1440, "height": 900}
WIDTH = 880  # pixels of the picture
MARGIN = 8  # pixels of the page around the slider, the graph and the answer
STEP = 2  # hundredths of λ between two frames
FRAME, HOLD = 70, 1500  # milliseconds that a frame is shown, and that either end of the slider is
QUIET = 2000  # milliseconds in which the page comes to rest
LARGEST = 1_500_000  # bytes
MOVE = "(slider, step) => { slider.value = String(step); slider.dispatchEvent(new Event('input', { bubbles: true })); }"


def film(page: Page) -> tuple[list[Image.Image], list[int]]:
    """Return the frames from λ = 0 to 1 and back, and the milliseconds that each is shown."""
    slider = page.locator(".gate-graph input[type=range]")
    stage = page.locator(".gate-graph .stage").bounding_box()
    assert stage
    corner, size = {side: stage[side] - MARGIN for side in ("x", "y")}, {side: stage[side] + 2 * MARGIN for side in ("width", "height")}
    clip = {"x": corner["x"], "y": corner["y"], "width": size["width"], "height": min(size["height"], WINDOW["height"] - corner["y"])}
    there: list[Image.Image] = []
    for step in range(0, 101, STEP):
        slider.evaluate(MOVE, step)
        page.wait_for_timeout(30)
        picture = Image.open(io.BytesIO(page.screenshot(clip=clip, animations="disabled"))).convert("RGB")
        there.append(picture.resize((WIDTH, round(picture.height * WIDTH / picture.width)), Image.Resampling.LANCZOS))
    back = there[-2:0:-1]
    times = [FRAME] * (len(there) + len(back))
    times[0] = times[len(there) - 1] = HOLD
    return [*there, *back], times


def main() -> None:
    """Film the slider and write the picture."""
    with (
        tempfile.TemporaryDirectory() as folder,
        served(f"sqlite:///{folder}/runs.db", Path(folder)) as address,
        sync_playwright() as playwright,
    ):
        browser = visited(playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS)))
        page = browser.new_page(viewport=WINDOW)
        page.goto(f"{address}/{ADDRESS}")
        expect(page.locator(".gate-graph .node.on").first).to_be_visible()
        page.wait_for_timeout(QUIET)
        frames, times = film(page)
        browser.close()
    frames[0].save(PICTURE, save_all=True, append_images=frames[1:], duration=times, loop=0, quality=60, method=4)
    size = PICTURE.stat().st_size
    if size > LARGEST:
        raise SystemExit(f"{PICTURE} has {size:,} bytes, more than {LARGEST:,}: lower WIDTH or raise STEP")
    print(f"{PICTURE.relative_to(ROOT)}: {len(frames)} frames, {size:,} bytes")


if __name__ == "__main__":
    main()
