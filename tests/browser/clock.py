"""Draws what `bench` measured, time against multiply-adds, into clock.png.

`python -m core bench … --json > NAME.json` for each network, then `python tests/browser/clock.py NAME.json …`; a file's name is its legend.
"""

import json
import sys
import tempfile
from itertools import cycle
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # as a script it would not find the project

import plotly.graph_objects as go
from conftest import ARGUMENTS, chromium, visited
from playwright.sync_api import sync_playwright
from plotly.subplots import make_subplots

WIDTH, HEIGHT = 1240, 520
COLOURS = ("#2a6fdb", "#e07b00", "#1b9e77", "#a33ea1", "#6b6b6b")
SYMBOLS = {1: "circle", 2: "diamond-open"}


def drawn(timings: dict[str, list[dict[str, Any]]]) -> go.Figure:
    """One panel per size of batch: a point per case, below the diagonal where time falls faster than cost."""
    batches = sorted({row["batch"] for rows in timings.values() for row in rows}, reverse=True)
    titles = ["one image" if batch == 1 else f"{batch} images at once" for batch in batches]
    chart = make_subplots(cols=len(batches), subplot_titles=titles, shared_yaxes=True, horizontal_spacing=0.04)
    for column, batch in enumerate(batches, start=1):
        chart.add_scatter(
            x=[0, 1.2], y=[0, 1.2], name="time follows cost", mode="lines", line={"color": "#999", "dash": "dot"}, col=column, row=1
        )
        chart.add_hline(y=1, line={"color": "#999", "width": 1}, col=column, row=1)
        for (name, rows), colour in zip(timings.items(), cycle(COLOURS)):
            for threads, symbol in SYMBOLS.items():
                some = [row for row in rows if (row["batch"], row["threads"]) == (batch, threads)]
                chart.add_scatter(
                    x=[row["macs_ratio"] for row in some],
                    y=[row["time_ratio"] for row in some],
                    name=f"{name}, {threads} thread{'s' if threads > 1 else ''}",
                    mode="markers",
                    marker={"color": colour, "symbol": symbol, "size": 10, "line": {"width": 2, "color": colour}},
                    col=column,
                    row=1,
                )
    named: set[str] = set()
    for trace in chart.data:
        trace.showlegend = trace.name not in named
        named.add(trace.name)
    chart.update_xaxes(range=[0, 1.2], tickformat=".0%", title="multiply-adds, of the static network's")
    chart.update_yaxes(rangemode="tozero", tickformat=".0%")
    chart.update_yaxes(title="time, of the static network's", col=1)
    chart.update_layout(template="plotly_white", width=WIDTH, height=HEIGHT, margin={"l": 70, "r": 16, "t": 40, "b": 60})
    return chart


def main() -> None:
    """Draws the files named on the command line."""
    chart = drawn({Path(name).stem: json.loads(Path(name).read_text(encoding="utf-8")) for name in sys.argv[1:]})
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page = Path(folder) / "clock.html"
        page.write_text(f"<body style='margin:0'>{chart.to_html(full_html=False, config={'staticPlot': True})}</body>", encoding="utf-8")
        browser = visited(playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS)))
        sheet = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        sheet.goto(page.as_uri())
        sheet.wait_for_selector(".main-svg .legend")
        sheet.screenshot(path="clock.png")
        browser.close()


if __name__ == "__main__":
    main()
