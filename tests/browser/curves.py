"""Draws fronts from stored figures: of the networks that ship into assets/curves.png, or of the README's other runs into another picture.

`python tests/browser/curves.py`, and `python tests/browser/curves.py mnist sqlite:///runs.db` with a store that holds these runs.
"""

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # run by itself it would not find the project

from conftest import ARGUMENTS, chromium
from playwright.sync_api import sync_playwright

from app.fronts import BASELINES, Series, front_chart
from core.references import load_references
from core.store import Run, Store

ASSETS = Path(__file__).parents[2] / "assets"
WIDTH, HEIGHT = 620, 400
LEGEND = {"orientation": "h", "y": -0.2, "x": 0, "font": {"size": 11}}
PAGE = "<body style='margin:0;display:grid;grid-template-columns:repeat(2,{0}px);font-family:sans-serif;background:white'>{1}</body>"


@dataclass(frozen=True)
class Panel:
    """One chart: its title, the names of networks with what each is called there, and how the names of static networks begin."""

    title: str
    networks: dict[str, str]
    statics: tuple[str, ...] = ()


def shipped(name: str, title: str, static: str | None = None) -> Panel:
    """The chart of a network that ships, beside its static one."""
    return Panel(title, {f"reference/{name}": "its own gates"}, (f"reference/{static or f'{name}-static'}",))


SHEETS = {
    "curves": (
        shipped("high-low-digits", "High-low, cluttered digits"),
        shipped("cascade-digits", "Cascade, cluttered digits"),
        shipped("chain-digits", "Chain, cluttered digits"),
        shipped("hierarchy-cifar10", "Hierarchy, CIFAR-10"),
        shipped("resnet38-cascade-cifar10", "ResNet-38 cascade, CIFAR-10", "resnet38-cifar10-static"),
        shipped("lc-cifar10", "LC-Net on ResNet-20, CIFAR-10"),
    ),
    "mnist": (
        Panel("High-low, cluttered MNIST, seed 0", {"high-low-begun/every/0": "its own gates"}, ("high-low-static/",)),
        Panel("Cascade, cluttered MNIST, seed 0", {"cascade-begun/every/0": "its own gates"}, ("cascade-static/",)),
        Panel("Chain of length 4, cluttered MNIST 100×100, seed 0", {"chain-100": "its own gates"}),
    ),
    "rivals": (
        Panel(
            "LC-Net and its rivals, CIFAR-10, seed 0",
            {"lc/every/0": "layers and channels", "lc/L/every/0": "layers", "lc/C/every/0": "channels", "lc-fixed/every/0": "fixed gates"},
            ("lc-static", "lc-narrow/"),
        ),
    ),
}


def drawn(panel: Panel, store: Store, *, first: bool) -> str:
    """A chart as HTML: networks beside static ones of the same seed, and for one alone what it has to beat."""
    networks = {name: store.run(name) for name in panel.networks}
    seeds = {run.seed for run in networks.values()}
    statics = [run for run in store.runs() if run.method == "static" and run.seed in seeds and run.name.startswith(panel.statics)]
    shown = [Series(name, (run,)) for name, run in networks.items()]
    chart = front_chart(shown, statics, list(BASELINES) if len(shown) == 1 else [])
    chart.for_each_trace(lambda trace: trace.update(name=_called(trace.name, panel)))
    chart.update_layout(
        template="plotly_white", width=WIDTH, height=HEIGHT, title=panel.title, margin={"l": 60, "r": 16, "t": 48, "b": 8}, legend=LEGEND
    )
    chart.update_yaxes(range=_range([*networks.values(), *statics]))
    return chart.to_html(full_html=False, include_plotlyjs=first, config={"staticPlot": True})


def _called(name: str, panel: Panel) -> str:
    """What a trace is called in the legend: without the name of its run."""
    for network, called in panel.networks.items():
        if name == network:
            return called
        if name.startswith(f"{network}: "):
            return name.removeprefix(f"{network}: ")
    return name


def _range(runs: Sequence[Run]) -> list[float]:
    """The accuracies to show: random gates of an LC-Net are far below."""
    seen = [row["accuracy"] for run in runs for row in run.figures["test"]]
    return [min(seen) - 0.03, max(seen) + 0.015]


def main() -> None:
    """Draws one sheet."""
    name, url = sys.argv[1] if len(sys.argv) > 1 else "curves", sys.argv[2] if len(sys.argv) > 2 else None
    with tempfile.TemporaryDirectory() as folder:
        store = Store(url or f"sqlite:///{folder}/runs.db")
        load_references(store)
        panels = [drawn(panel, store, first=not number) for number, panel in enumerate(SHEETS[name])]
        page = Path(folder) / "curves.html"
        page.write_text(PAGE.format(WIDTH, "".join(panels)), encoding="utf-8")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS))
            across = min(len(panels), 2)
            sheet = browser.new_page(viewport={"width": across * WIDTH, "height": HEIGHT * -(-len(panels) // across)})
            sheet.goto(page.as_uri())
            sheet.wait_for_function(f"document.querySelectorAll('.main-svg .legend').length >= {len(panels)}")
            sheet.screenshot(path=ASSETS / ("curves.png" if name == "curves" else f"curves-{name}.png"))
            browser.close()


if __name__ == "__main__":
    main()
