"""Write a page that needs no server: one image, one network and the live slider. Loads without torch and without streamlit."""

import html
import json
from pathlib import Path

from app.graph_view.payload import View
from app.javascript import ENTRY, GRAPH_FOLDER, joined, styles

VIZ = Path(__file__).parents[1] / "static" / "viz" / "viz-global.js"
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
%(policy)s<title>%(title)s</title>
<style>
:root { color-scheme: light dark; }
body { --above: 104px; margin: 12px auto; max-width: 1440px; padding: 0 16px; font: 14px/1.45 system-ui, sans-serif; }
header { display: flex; flex-wrap: wrap; gap: 16px; align-items: center; margin-bottom: 10px; }
header img { width: 60px; border-radius: 8px; image-rendering: pixelated; }
header p { margin: 0; }
@media (prefers-color-scheme: dark) {
  body { background: #10151c; color: #e8edf4; }
  .gate-graph {
    --st-primary-color: #2dd4bf; --st-background-color: #10151c; --st-secondary-background-color: #1a222d; --st-text-color: #e8edf4;
    --st-border-color: #334155; --st-orange-color: #f59e0b;
  }
}
%(css)s
</style>
<header><img id="seen" src="%(image)s" alt="the image as the network sees it"><p><b>%(title)s</b><br>
<span id="description">%(description)s</span></p>%(controls)s</header>
<main><div class="gate-graph"></div></main>
<script>%(viz)s</script>
%(scripts)s
</html>
"""
GRAPH_SCRIPT = """<script type="module">
%(graph)s
component({ data: %(data)s, parentElement: document.querySelector("main"), setStateValue() {} });
</script>"""


def standalone(run: str, description: str, view: View, image_url: str) -> str:
    """Return the page of a view, with a description of its image."""
    return page(run, description, image_url, GRAPH_SCRIPT % {"graph": graph_script(), "data": in_script(saved(view))})


def page(run: str, description: str, image_url: str, scripts: str, *, controls: str = "", policy: str = "") -> str:
    """Return a page with the room for a graph, Graphviz and these scripts. `controls` stand beside the image, `policy` in the head."""
    parts = {
        "title": html.escape(f"{run} · Gatescope"),
        "description": html.escape(description),
        "image": html.escape(image_url),
        "css": styles(GRAPH_FOLDER),
        "viz": VIZ.read_text(encoding="utf-8"),
        "scripts": scripts,
        "controls": controls,
        "policy": policy,
    }
    return PAGE % parts


def saved(view: View) -> View:
    """Return a view without what needs a server."""
    return {**view, "link": None, "live": False}


def graph_script() -> str:
    """Return the modules of the graph as a script that defines `component`."""
    return joined(ENTRY).replace("export default function", "const component = function").replace("</", "<\\/")


def in_script(data: object) -> str:
    """Return data as a literal that no script can be left by."""
    return json.dumps(data).replace("<", "\\u003c")
