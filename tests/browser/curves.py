"""Draws the fronts of the networks that ship into assets/curves.png, from their stored figures: `python tests/browser/curves.py`."""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # run by itself it would not find the project

from conftest import ARGUMENTS, chromium
from playwright.sync_api import sync_playwright

from app.fronts import BASELINES, Series, front_chart
from core.references import load_references
from core.store import Run, Store

PICTURE = Path(__file__).parents[2] / "assets" / "curves.png"
SHOWN = {
    "high-low-digits": "High-low, cluttered digits",
    "cascade-digits": "Cascade, cluttered digits",
    "chain-digits": "Chain, cluttered digits",
    "hierarchy-cifar10": "Hierarchy, CIFAR-10",
    "resnet38-cascade-cifar10": "ResNet-38 cascade, CIFAR-10",
    "lc-cifar10": "LC-Net on ResNet-20, CIFAR-10",
}
STATIC = {"resnet38-cascade-cifar10": "resnet38-cifar10-static"}  # where it is not called after its gated network
WIDTH, HEIGHT = 620, 400
LEGEND = {"orientation": "h", "y": -0.2, "x": 0, "font": {"size": 11}}
PAGE = "<body style='margin:0;display:grid;grid-template-columns:repeat(2,{0}px);font-family:sans-serif;background:white'>{1}</body>"


def panel(network: Run, static: Run, title: str, *, first: bool) -> str:
    """The chart of one network beside its static one and what it has to beat, as HTML."""
    chart = front_chart([Series(network.name, (network,))], [static], list(BASELINES))
    chart.for_each_trace(
        lambda trace: trace.update(name=trace.name.removeprefix(f"{network.name}: ").replace(network.name, "its own gates"))
    )
    chart.update_layout(
        template="plotly_white", width=WIDTH, height=HEIGHT, title=title, margin={"l": 60, "r": 16, "t": 48, "b": 8}, legend=LEGEND
    )
    seen = [row["accuracy"] for run in (network, static) for row in run.figures["test"]]
    chart.update_yaxes(range=[min(seen) - 0.03, max(seen) + 0.015])  # random gates of an LC-Net are far below
    return chart.to_html(full_html=False, include_plotlyjs=first, config={"staticPlot": True})


def main() -> None:
    """Draws them."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{folder}/runs.db")
        load_references(store)
        panels = [
            panel(store.run(f"reference/{name}"), store.run(f"reference/{STATIC.get(name, f'{name}-static')}"), title, first=not number)
            for number, (name, title) in enumerate(SHOWN.items())
        ]
        page = Path(folder) / "curves.html"
        page.write_text(PAGE.format(WIDTH, "".join(panels)), encoding="utf-8")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS))
            sheet = browser.new_page(viewport={"width": 2 * WIDTH, "height": HEIGHT * -(-len(panels) // 2)})
            sheet.goto(page.as_uri())
            sheet.wait_for_function(f"document.querySelectorAll('.main-svg .legend').length >= {len(panels)}")
            sheet.screenshot(path=PICTURE)
            browser.close()


if __name__ == "__main__":
    main()
