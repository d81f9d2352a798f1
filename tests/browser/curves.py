"""Draws fronts from stored figures: of the networks that ship into assets/curves.png, or of the README's other runs into another picture.

`python tests/browser/curves.py`, `python tests/browser/curves.py cifar10`, and with a store that holds the runs
`python tests/browser/curves.py mnist sqlite:///runs.db`.
"""

import math
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # as a script it would not find the project

from conftest import ARGUMENTS, chromium, visited
from playwright.sync_api import sync_playwright

from app.charts.tradeoff import BASELINES, Series, front_chart
from core.store import Store
from core.store.references import load_references

ASSETS = Path(__file__).parents[2] / "assets"
WIDTH, HEIGHT = 1240, 400  # pixels of a row of charts
LEGEND = {"orientation": "h", "y": -0.2, "x": 0, "font": {"size": 11}}
PAGE = "<body style='margin:0;display:grid;grid-template-columns:repeat({0},1fr);font-family:sans-serif;background:white'>{1}</body>"


@dataclass(frozen=True)
class Panel:
    """One chart: its title, the name of a network, how the names of static networks begin, and the highest cost that is shown."""

    title: str
    network: str
    statics: tuple[str, ...] = ()
    highest: float | None = None


def shipped(name: str, title: str, static: str | None = None, highest: float | None = None) -> Panel:
    """The chart of a network that ships, beside its static one."""
    return Panel(title, f"reference/{name}", (f"reference/{static or f'{name}-static'}",), highest)


SHEETS = {
    "curves": (
        shipped("high-low-digits", "High-low, cluttered digits"),
        shipped("cascade-digits", "Cascade, cluttered digits"),
        shipped("chain-digits", "Chain, cluttered digits"),
        shipped("hierarchy-cifar10", "Hierarchy, CIFAR-10"),
        shipped("resnet38-cascade-cifar10", "ResNet-38 cascade, CIFAR-10", "resnet38-cifar10-static"),
        shipped("lc-wide-cifar10", "LC-Net, CIFAR-10"),
    ),
    "cifar10": (
        shipped("model-cascade-cifar10", "Model cascade, CIFAR-10", highest=8.2e7),
        shipped("lc-mobile-cifar10", "LC-Net with a scout, CIFAR-10", "mobile-33m-cifar10", highest=3.8e7),
    ),
    "mnist": (
        Panel("High-low, cluttered MNIST, seed 0", "high-low-begun/every/0", ("high-low-static/",)),
        Panel("Cascade, cluttered MNIST, seed 0", "cascade-begun/every/0", ("cascade-static/",)),
        Panel("Chain of length 4, cluttered MNIST 100×100, seed 0", "chain-100/every/0"),
    ),
}


LEFT = (
    "RANet",
    "CondenseNet-74",
    "ManiDP, ResNet-20",
    "FBS, ResNet-20",
    "ManiDP, ResNet-56",
)  # names that would lie on other points at the right
ACROSS = {"cifar10": 1}  # charts in a row where they are not two: names of published networks take room


def drawn(panel: Panel, store: Store, width: float, *, first: bool) -> str:
    """A chart as HTML: a network beside static ones of the same seed and what it has to beat."""
    run = store.runs.get(panel.network)
    statics = [other for other in store.runs.all() if not other.gated and other.seed == run.seed and other.name.startswith(panel.statics)]
    chart = front_chart([Series(run.name, (run,))], statics, list(BASELINES), published_on=run.dataset)
    chart.for_each_trace(lambda trace: trace.update(name=trace.name.removeprefix(f"{run.name}: ").replace(run.name, "its own gates")))
    for trace in chart.select_traces({"name": "published networks"}):  # a picture answers no pointer, so names stand beside the points
        names = [about.partition(" (")[0] for about in trace.text]
        names = [name if name not in names[place + 1 :] else "" for place, name in enumerate(names)]  # of several points, at the last
        sides = [
            "middle left" if macs > 0.9 * (panel.highest or math.inf) or name in LEFT else "middle right"
            for name, macs in zip(names, trace.x, strict=True)
        ]
        trace.update(mode="markers+text", text=names, textposition=sides, textfont={"size": 10})
    chart.update_layout(
        template="plotly_white", width=width, height=HEIGHT, title=panel.title, margin={"l": 60, "r": 16, "t": 48, "b": 8}, legend=LEGEND
    )
    seen = [row["accuracy"] for one in (run, *statics) for row in one.figures["test"]]
    seen += [accuracy for trace in chart.data if trace.name == "published networks" for accuracy in trace.y]
    chart.update_yaxes(range=[min(seen) - 0.03, max(seen) + 0.015])  # random gates of an LC-Net are far below
    if panel.highest:
        chart.update_xaxes(range=[0, panel.highest])
    return chart.to_html(full_html=False, include_plotlyjs=first, config={"staticPlot": True})


def main() -> None:
    """Draws one sheet."""
    name, url = sys.argv[1] if len(sys.argv) > 1 else "curves", sys.argv[2] if len(sys.argv) > 2 else None
    with tempfile.TemporaryDirectory() as folder:
        store = Store(url or f"sqlite:///{folder}/runs.db")
        load_references(store)
        across = ACROSS.get(name, 2)
        panels = [drawn(panel, store, WIDTH / across, first=not number) for number, panel in enumerate(SHEETS[name])]
        page = Path(folder) / "curves.html"
        page.write_text(PAGE.format(across, "".join(panels)), encoding="utf-8")
        with sync_playwright() as playwright:
            browser = visited(playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS)))
            sheet = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT * -(-len(panels) // across)})
            sheet.goto(page.as_uri())
            sheet.wait_for_function(f"document.querySelectorAll('.main-svg .legend').length >= {len(panels)}")
            sheet.screenshot(path=ASSETS / ("curves.png" if name == "curves" else f"curves-{name}.png"))
            browser.close()


if __name__ == "__main__":
    main()
