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
    """The graph is there."""
    expect(page.locator(".gate-graph .node.on").first).to_be_visible()


def inspected(page: Page) -> None:
    """The details of a controller, down to the pixels in favour of an option."""
    lit(page)
    page.locator('.gate-graph [data-node="Q2"]').click()
    expect(page.get_by_text("Pixels in favour of", exact=True)).to_be_visible()
    page.get_by_role("button", name="Download trace (JSON)").last.scroll_into_view_if_needed()


def charted(page: Page) -> None:
    """The charts are there."""
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()


PICTURES = (
    Picture("explore", CHAIN, (1400, 1180), before=lit),
    Picture("dark", CHAIN, (1400, 1700), dark=True, before=inspected),
    Picture("phone", CHAIN, (390, 1240), before=lit),
    Picture("cascade", "?run=reference/resnet38-cascade-cifar10&lam=0.50", (1400, 960), before=lit),
    Picture("lc", "?run=reference/lc-digits&lam=0.30", (1400, 1060), before=lit),
    Picture("sweep", "sweep?show=reference/chain-digits", (1400, 1317), before=charted),
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
