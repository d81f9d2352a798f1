"""Write a page that computes: it holds a network and ONNX Runtime, and answers pictures without a server. Loads without torch."""

import base64
import gzip
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from app.graph_view.drawing import strip_cells
from app.graph_view.facts import NodeFacts
from app.graph_view.folding import Folded
from app.graph_view.payload import View
from app.graph_view.standalone import graph_script, in_script, page, saved
from app.javascript import joined
from core.errors import UserError
from core.graph.node import Node
from core.scale import SLIDER_STEPS

if TYPE_CHECKING:
    from core.explain.predict import Trace

RUNTIME = Path(__file__).parents[1] / "static" / "ort"
COMPUTING = Path(__file__).parents[1] / "components" / "computing" / "main.mjs"
MAX_PAGE_BYTES = 20_000_000
TOO_LARGE = f"This network has too many weights for a page of {MAX_PAGE_BYTES // 1_000_000} MB."
EXPORTED = re.compile(r"export\{([^}]*)\};\s*//# sourceMappingURL=.*\s*$")
POLICY = """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval';
style-src 'unsafe-inline'; img-src data: blob:">
"""
CONTROLS = """<p><label>Picture <input id="picture" type="file" accept="image/*" disabled></label>
<progress id="progress" value="0" aria-label="Values of λ that are known" hidden></progress><br>
<span id="status" role="status">Starting the network…</span></p>"""
SCRIPTS = """<script id="runtime" type="text/plain">%(runtime)s</script>
<script id="program" type="text/plain">%(program)s</script>
<script type="module">
%(ort)s
</script>
<script type="module">
%(graph)s
globalThis.gatescopeGraph = component;
</script>
<script type="module">
%(computing)s
compute({ ort: globalThis.gatescopeRuntime, component: globalThis.gatescopeGraph, view: %(view)s, recipe: %(recipe)s });
</script>"""


class PageTooLargeError(UserError):
    """Raised for a network whose page would be larger than MAX_PAGE_BYTES."""


class RecipeNode(TypedDict):
    """A node of the network: its gates as pairs of controller and column, and the columns of its channels' gates."""

    name: str
    kind: str
    decides: str
    options: list[str]
    gates: list[tuple[str, int]]
    channels: dict[str, str | int] | None


class ShownNode(TypedDict):
    """A node as it is drawn. It is lit where its last member ran; `blocks` are the members that its strip shows."""

    name: str
    last_member: str
    blocks: list[str]
    strip_cells: int


class OutputRecipe(TypedDict):
    """What the outputs of a network's program mean.

    image        shape (C, H, W) of its images
    reference    the nodes that run on the route with the largest capacity
    scaling      the nodes that show the factor of their gate
    facts        the details of each node that hold for every image
    """

    classes: list[str]
    image: list[int]
    every_lam: bool
    last_step: int
    macs_static: int
    nodes: list[RecipeNode]
    shown: list[ShownNode]
    reference: list[str]
    scaling: list[str]
    facts: dict[str, NodeFacts]


def recipe(
    nodes: Sequence[Node],
    shown: Sequence[Node],
    classes: Sequence[str],
    image: Sequence[int],
    reference: "Trace",
    facts: Mapping[str, NodeFacts],
    *,
    every_lam: bool,
) -> OutputRecipe:
    """Return what the outputs of a network's program mean. `shown` are the nodes as they are drawn, some folded."""
    return {
        "classes": list(classes),
        "image": list(image),
        "every_lam": every_lam,
        "last_step": SLIDER_STEPS - 1,
        "macs_static": reference.macs_static,
        "nodes": [_node(node) for node in nodes],
        "shown": [_shown(node) for node in shown],
        "reference": reference.executed,
        "scaling": [node.name for node in shown if not isinstance(node, Folded) and node.name in reference.scales],
        "facts": dict(facts),
    }


def computing_page(run: str, description: str, view: View, image_url: str, recipe: OutputRecipe, program: bytes) -> str:
    """Return the page of a view that answers pictures by a network's ONNX program. Raises PageTooLargeError."""
    scripts = SCRIPTS % {
        "runtime": base64.b64encode((RUNTIME / "ort-wasm-simd-threaded.wasm.gz").read_bytes()).decode(),
        "program": base64.b64encode(gzip.compress(program, 6, mtime=0)).decode(),
        "ort": _runtime(),
        "graph": graph_script(),
        "computing": joined(COMPUTING).replace("export default function", "const compute = function").replace("</", "<\\/"),
        "view": in_script(saved(view)),
        "recipe": in_script(recipe),
    }
    whole = page(run, description, image_url, scripts, controls=CONTROLS, policy=POLICY)
    if len(whole.encode()) > MAX_PAGE_BYTES:
        raise PageTooLargeError(TOO_LARGE)
    return whole


def _runtime() -> str:
    """Return ONNX Runtime's module as a script that keeps what it exports where the page finds it."""
    text = (RUNTIME / "ort.wasm.bundle.min.mjs").read_text(encoding="utf-8")
    found = EXPORTED.search(text)
    assert found is not None
    names = ", ".join(f"{name}: {inner}" for inner, _, name in (one.partition(" as ") for one in found[1].split(",")) if name != "default")
    return f"{text[: found.start()]}globalThis.gatescopeRuntime = {{ {names} }};"


def _node(node: Node) -> RecipeNode:
    channels = node.channels
    return {
        "name": node.name,
        "kind": node.kind,
        "decides": node.decides,
        "options": list(node.options),
        "gates": [(gate.control, gate.column) for gate in node.gates],
        "channels": None if channels is None else {"control": channels.control, "first": channels.first, "count": channels.count},
    }


def _shown(node: Node) -> ShownNode:
    members = node.members if isinstance(node, Folded) else (node.name,)
    blocks = node.blocks if isinstance(node, Folded) else ()
    return {"name": node.name, "last_member": members[-1], "blocks": list(blocks), "strip_cells": strip_cells(node)}
