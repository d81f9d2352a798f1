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
<title>%(title)s</title>
<style>
:root { color-scheme: light dark; }
body { --above: 104px; margin: 12px auto; max-width: 1440px; padding: 0 16px; font: 14px/1.45 system-ui, sans-serif; }
header { display: flex; gap: 16px; align-items: center; margin-bottom: 10px; }
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
<header><img src="%(image)s" alt="the image as the network sees it"><p><b>%(title)s</b><br>%(description)s</p></header>
<main><div class="gate-graph"></div></main>
<script>%(viz)s</script>
<script type="module">
%(js)s
component({ data: %(data)s, parentElement: document.querySelector("main"), setStateValue() {} });
</script>
</html>
"""


def standalone(run: str, description: str, view: View, image_url: str) -> str:
    """Return the page of a view, with a description of its image."""
    script = joined(ENTRY).replace("export default function", "const component = function")
    viz = VIZ.read_text(encoding="utf-8")
    saved: View = {**view, "link": None, "live": False}
    parts = {
        "title": html.escape(f"{run} · Gatescope"),
        "description": html.escape(description),
        "image": html.escape(image_url),
        "css": styles(GRAPH_FOLDER),
        "viz": viz,
        "js": script.replace("</", "<\\/"),
        "data": json.dumps(saved).replace("<", "\\u003c"),
    }
    return PAGE % parts
