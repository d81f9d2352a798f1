"""Draw pages of a checkout and print as JSON what they show. It runs as a script of its own, with the modules of the checkout.

Steps: {"query": {…}} opens an address, {"page": name} a page, {"upload": name} gives a file that is no picture, {"press": key} clicks,
{"set": {key: number}} fills in, {"break": true} makes the database fail in a way that nobody has foreseen.
"""

import json
import sys
from pathlib import Path
from typing import Any

TEXTS = ("caption", "markdown", "info", "error", "warning", "success", "title", "header", "subheader")
PATIENCE = 290  # seconds of one drawing
SECRET = "/home/someone/secret"


def main(tree: Path, steps: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Return the errors, the texts that are read as Markdown, the charts, and the errors' tracebacks."""
    from streamlit.testing.v1 import AppTest

    app = AppTest.from_file(str(tree / "app/main.py"), default_timeout=PATIENCE)
    shown: dict[str, list[str]] = {"errors": [], "texts": [], "charts": [], "tracebacks": []}
    for step in steps:
        if step.get("break"):
            import core.store

            def fail(self: object, *words: object) -> None:
                raise KeyError(SECRET)

            core.store.Store.__init__ = fail  # type: ignore[method-assign]
        for name, value in step.get("query", {}).items():
            app.query_params[name] = value
        for key, value in step.get("set", {}).items():
            app.number_input(key=key).set_value(value)
        if "page" in step:
            app.switch_page(f"screens/{step['page']}.py")
        if "upload" in step:
            app.file_uploader(key="upload").upload(step["upload"], b"no picture", "image/png")
        if "press" in step:
            tabs = [one for one in app.get("button_group") if getattr(one, "key", "") == "train-view"]
            if tabs and not any(one.key == step["press"] for one in app.button):
                app.segmented_control(key="train-view").set_value("new").run()
            app.button(key=step["press"]).click()
        app.run()
        shown["errors"] += [str(one.message) for one in app.exception]
        shown["tracebacks"] += ["\n".join(one.stack_trace) + str(one.message) for one in app.exception]
        shown["texts"] += [str(one.value) for kind in TEXTS for one in app.get(kind)]
        shown["charts"] += [str(one.proto.spec) for one in app.get("plotly_chart")]
    return shown


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), json.loads(sys.argv[2]))))
