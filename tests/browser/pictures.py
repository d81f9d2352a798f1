"""Takes the README's pictures of the app into assets/ from the networks that ship: `python tests/browser/pictures.py`."""

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # as a script it would not find the project

from conftest import ARGUMENTS, chromium, served, visited
from playwright.sync_api import Browser, Page, expect, sync_playwright

ASSETS = Path(__file__).parents[2] / "assets"
CHAIN = "?run=reference/chain-digits&lam=0.70"
QUIET = 1500  # ms in which a page comes to rest


@dataclass(frozen=True)
class Picture:
    """One picture: what it is called, the page's address, its size in pixels, whether it is dark, and what is done before it is taken."""

    name: str
    address: str
    size: tuple[int, int]
    dark: bool = False
    before: Callable[[Page], None] = lambda page: None


def lit(page: Page) -> None:
    """The graph is there, and all that is measured of it."""
    expect(page.locator(".gate-graph .node.on").first).to_be_visible()
    expect(page.locator(".gate-graph .time b").first).to_be_visible()


def inspected(page: Page) -> None:
    """The details of a controller, down to the pixels in favour of an option."""
    lit(page)
    page.locator('.gate-graph [data-node="Q2"]').click()
    expect(page.locator(".gate-graph .inspector .computed figure").first).to_be_visible()


def charted(page: Page) -> None:
    """The charts are there."""
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()


def mapped(page: Page) -> None:
    """All images of the Atlas are on its map, and the charts are there."""
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
    expect(page.get_by_text("Running the test images")).to_have_count(0)
    page.wait_for_timeout(QUIET)


PICTURES = (
    Picture("explore", CHAIN, (1440, 900), before=lit),
    Picture("dark", CHAIN, (1440, 900), dark=True, before=inspected),
    Picture("phone", CHAIN, (390, 1240), before=lit),
    Picture("cascade", "?run=reference/model-cascade-cifar10&lam=0.50", (1440, 900), before=lit),
    Picture("lc", "?run=reference/lc-digits&lam=0.30", (1440, 900), before=lit),
    Picture("sweep", "sweep?show=reference/model-cascade-cifar10", (1440, 1320), before=charted),
    Picture("atlas", "atlas?run=reference/chain-digits", (1440, 1200), before=mapped),
)


def take(picture: Picture, browser: Browser, address: str) -> None:
    """Takes one picture."""
    width, height = picture.size
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="dark" if picture.dark else "light")
    page = context.new_page()
    page.goto(f"{address}/{picture.address}")
    picture.before(page)
    page.wait_for_timeout(QUIET)
    page.screenshot(path=ASSETS / f"{picture.name}.png")
    context.close()


def main() -> None:
    """Takes those that are named, or all."""
    with (
        tempfile.TemporaryDirectory() as folder,
        served(f"sqlite:///{folder}/runs.db", Path(folder)) as address,
        sync_playwright() as playwright,
    ):
        browser = visited(playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS)))
        for picture in PICTURES:
            if picture.name in (sys.argv[1:] or [picture.name]):
                take(picture, browser, address)
        browser.close()


if __name__ == "__main__":
    main()
