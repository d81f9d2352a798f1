"""The page that computes: its file, and its JavaScript against the Python that it repeats."""

import gzip
import hashlib
import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from app.graph_view import computing_page as page_file
from app.graph_view.computing_page import COMPUTING, RUNTIME, PageTooLargeError, computing_page, recipe
from app.graph_view.facts import facts
from app.graph_view.folding import costs, fold
from app.graph_view.view import Subject, ViewOptions, view_of
from app.javascript import joined
from app.offline import weights_form
from core.datasets import normalised
from core.datasets.sources.picture import to_tensor
from core.explain.model import Model, load
from core.explain.predict import sweep_lam
from core.graph.cost import cost
from core.graph.execution import execute
from core.graph.policy import Greedy
from core.scale import SLIDER_STEPS, lam_at
from tests.test_javascript import node

NOT_ALIKE = ("time", "time_range", "time_comparison", "probabilities", "headline", "cost")  # compared otherwise, or not at all


def in_node(script: str, given: object, folder: Path) -> Any:
    """What a script prints as JSON. It finds the modules of the page by name, and `given`."""
    (folder / "given.json").write_text(json.dumps(given), encoding="utf-8")
    head = "\n".join(f'import * as {file.stem} from "{file.as_uri()}";' for file in sorted(COMPUTING.parent.glob("*.mjs")))
    read = f'import {{ readFileSync }} from "node:fs";\nconst given = JSON.parse(readFileSync({json.dumps(str(folder / "given.json"))}));\n'
    (folder / "script.mjs").write_text(f"{head}\n{read}\n{script}\n", encoding="utf-8")
    run = subprocess.run([node(), str(folder / "script.mjs")], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.parametrize("shape", [(1, 48, 48), (3, 32, 32), (3, 20, 30)])
def test_pictures_are_scaled_to_the_same_pixels(shape: tuple[int, int, int], tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    sizes = [(shape[2], shape[1]), (1, 1), (7, 300), (301, 40), (97, 133), (31, 64), (32, 64), (64, 96), (65, 99), (120, 250)]
    pictures = [Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8)) for width, height in sizes]
    given = [{"width": one.width, "height": one.height, "data": list(one.convert("RGBA").tobytes())} for one in pictures]
    script = "console.log(JSON.stringify(given.pictures.map((one) => [...resampling.fitted(one, given.shape)])));"
    found = in_node(script, {"pictures": given, "shape": shape}, tmp_path)
    for values, picture in zip(found, pictures, strict=True):
        assert values == to_tensor(picture, shape).flatten().tolist()


@pytest.mark.parametrize("share", [0, 0.0004, 0.001, 0.0994, 0.0996, 0.5555, 1.234])
def test_figures_are_written_alike(share: float, tmp_path: Path) -> None:
    from app.wording import counted, percent, scaled

    macs = [share * size for size in (1e2, 1e4, 1e6, 1e8, 1e10)]
    script = "console.log(JSON.stringify([given.macs.map(wording.counted), wording.percent(given.share), wording.scaled(given.share)]));"
    assert in_node(script, {"macs": macs, "share": share}, tmp_path) == [list(map(counted, macs)), percent(share), scaled(share)]


@torch.no_grad()
def outputs(model: Model, image: torch.Tensor) -> list[dict[str, Any]]:
    """What the program of a network returns for an image at each step of the slider, or at its only λ, by the executor."""
    graph = model.graph
    lams = [lam_at(step) for step in range(SLIDER_STEPS)] if graph.tradeoff.every_lam else [model.lam]
    copies = normalised(image[None]).expand(len(lams), *image.shape)
    done = execute(graph, copies, Greedy(), lam=torch.tensor(lams) if graph.tradeoff.every_lam else None)
    used, ran = cost(graph, done).used, torch.stack(list(done.ran.values()), dim=1)
    gates = torch.cat([done.gates[control.name] for control in graph.controls], dim=1) if graph.controls else torch.zeros(len(lams), 0)
    rows = zip(done.output.tolist(), used.tolist(), ran.tolist(), gates.tolist(), strict=True)
    return [{"logits": one, "macs": macs, "ran": runs, "gates": opened} for one, macs, runs, opened in rows]


def parts(name: str, image: torch.Tensor) -> dict[str, Any]:
    """The view of an image by Python, and all that the page's JavaScript makes the same of."""
    model = load(f"reference/{name}")
    graph, sweep = model.graph, sweep_lam(model, image)
    shown, every = fold(graph.nodes), graph.tradeoff.every_lam
    counts = dict.fromkeys((node.name for node in graph.nodes), 0)
    names = {one.name for one in shown}

    def told(along: Any) -> Mapping[str, Any]:
        return facts(graph.nodes, names, graph.shapes, counts, graph.macs, [], along, {}, along)

    subject = Subject(name, "an image", "data:,")
    view = view_of(graph.nodes, shown, costs(shown, graph.macs), sweep, None, model.lam, every, told(sweep), subject, ViewOptions())
    meaning = recipe(graph.nodes, shown, model.classes, model.image, sweep.reference, told(replace(sweep, computed=())), every_lam=every)
    return {"view": view, "recipe": meaning, "outputs": outputs(model, image), "thresholds": sweep.thresholds}


@pytest.mark.parametrize("name", ["cascade-digits", "high-low-digits", "lc-digits", "chain-digits", "cascade-digits-static"])
def test_a_view_made_in_the_browser_is_that_of_the_studio(name: str, tmp_path: Path) -> None:
    image = torch.randint(0, 256, load(f"reference/{name}").image, generator=torch.Generator().manual_seed(2), dtype=torch.uint8)
    given = parts(name, image)
    script = """
const known = new Map(given.outputs.map((one, step) => [step, trace.traceOf(given.recipe, one, step / 100)]));
console.log(JSON.stringify(viewing.viewOf(given.view, given.recipe, "data:,", "an image", known, given.thresholds)));
"""
    found, wanted = in_node(script, given, tmp_path), json.loads(json.dumps(given["view"]))
    assert found["starts"] == wanted["starts"]
    assert found["along"] == wanted["along"]
    assert found["facts"] == wanted["facts"]
    for made, one in zip(found["intervals"], wanted["intervals"], strict=True):
        assert {key: value for key, value in made.items() if key not in NOT_ALIKE} == {
            key: value for key, value in one.items() if key not in NOT_ALIKE
        }
        assert made["headline"][:2] == one["headline"][:2]
        assert made["cost"] == pytest.approx(one["cost"])
        assert [row[0] for row in made["probabilities"]] == [row[0] for row in one["probabilities"]]
        assert [row[1] for row in made["probabilities"]] == pytest.approx([row[1] for row in one["probabilities"]], abs=1e-6)
    assert {**found, **dict.fromkeys(("intervals", "scores", "facts", "starts", "along", "timing_note"))} == {
        **wanted,
        **dict.fromkeys(("intervals", "scores", "facts", "starts", "along", "timing_note")),
    }


def test_nodes_may_have_names_that_objects_of_javascript_know(tmp_path: Path) -> None:
    names = ["constructor", "__proto__", "toString"]
    nodes: list[dict[str, Any]] = [
        {"name": name, "kind": "regular", "options": [], "gates": [["choose", 0]] if name == "__proto__" else [], "channels": None}
        for name in names
    ]
    nodes.append({"name": "choose", "kind": "control", "options": ["on"], "gates": [], "channels": None})
    recipe = {"nodes": nodes, "classes": ["a", "b"], "macs_static": 4}
    given = {"recipe": recipe, "output": {"logits": [1, 0], "macs": 2, "ran": [True] * 4, "gates": [0.5]}, "names": names}
    script = """const found = trace.traceOf(given.recipe, given.output, 0);
    console.log(JSON.stringify(given.names.map((name) => [name in found.chosen, found.open[name] ?? null, found.scales[name] ?? null])));"""
    assert in_node(script, given, tmp_path) == [[False, None, None], [False, 0.5, 0.5], [False, None, None]]


def test_all_values_of_lam_are_computed_the_sliders_first_and_changes_located(tmp_path: Path) -> None:
    script = """
const order = [], stages = [];
let last = null;
await sweep.sweep({
  trace: async (lam) => (order.push(lam), { executed: lam < 0.4567 ? ["a"] : ["a", "b"] }),
  lastStep: 100,
  wanted: () => (order.length < 10 ? 50 : 33),
  stopped: () => false,
  onProgress(share) { last = share; },
  onKnown(known, thresholds) { stages.push([known.size, thresholds]); },
});
console.log(JSON.stringify({ order, stages, last }));
"""
    found = in_node(script, None, tmp_path)
    assert found["order"][0] == 0.5
    assert 0.33 in found["order"][10:12]
    assert found["stages"][0] == [1, None]
    assert found["stages"][-1] == [101, [pytest.approx(0.4567, abs=1e-4)]]
    assert found["last"] == 1
    assert sorted(set(found["order"])) == sorted(found["order"])


def test_a_new_picture_stops_the_one_before(tmp_path: Path) -> None:
    script = """
let count = 0;
const calls = { trace: async () => (count += 1, { executed: [] }), lastStep: 100, wanted: () => 50, onProgress() {}, onKnown() {} };
await sweep.sweep({ ...calls, stopped: () => count >= 5 });
console.log(JSON.stringify(count));
"""
    assert in_node(script, None, tmp_path) == 5


@pytest.fixture(scope="module")
def saved_page() -> str:
    given = parts("cascade-digits", torch.zeros(1, 48, 48, dtype=torch.uint8))
    return computing_page("</script><b>", "<i>", given["view"], 'data:,"><script>', given["recipe"], b"</script>" * 10)


def test_the_page_is_one_file_that_loads_nothing(saved_page: str) -> None:
    assert saved_page.count("</script>") == 6  # Graphviz, the runtime's bytes, the program, ONNX Runtime, the graph, and what answers
    assert "connect-src" not in saved_page
    assert "default-src 'none'" in saved_page
    assert not re.search(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="(?!data:)', saved_page)
    assert "eval(" not in (RUNTIME / "ort.wasm.bundle.min.mjs").read_text(encoding="utf-8")
    assert "globalThis.gatescopeRuntime = { InferenceSession: " in saved_page
    assert len(saved_page) < 8_000_000


def test_a_page_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    given = parts("cascade-digits-static", torch.zeros(1, 48, 48, dtype=torch.uint8))
    monkeypatch.setattr(page_file, "MAX_PAGE_BYTES", 1_000_000)
    with pytest.raises(PageTooLargeError, match="too many weights"):
        computing_page("run", "", given["view"], "data:,", given["recipe"], b"")


def test_whether_a_network_fits_is_known_before_the_page_is_made() -> None:
    weights = [torch.nn.Parameter(torch.empty(1000, 1000))]
    of = lambda count: SimpleNamespace(graph=SimpleNamespace(parameters=lambda: weights * count))  # noqa: E731
    assert [weights_form(of(count)) for count in (2, 3, 5, 6)] == ["float32", "float16", "float16", None]


def test_the_runtime_is_the_one_that_its_text_names() -> None:
    data = gzip.decompress((RUNTIME / "ort-wasm-simd-threaded.wasm.gz").read_bytes())
    assert hashlib.sha256(data).hexdigest()[:16] in (RUNTIME / "README.md").read_text(encoding="utf-8")
    assert "MIT License" in (RUNTIME / "LICENSE").read_text(encoding="utf-8")


def test_the_modules_are_joined_into_one(tmp_path: Path) -> None:
    text = joined(COMPUTING)
    assert all(file.read_text(encoding="utf-8").splitlines()[0] in text for file in COMPUTING.parent.glob("*.mjs"))
    (tmp_path / "joined.mjs").write_text(text, encoding="utf-8")
    run = subprocess.run([node(), "--check", tmp_path / "joined.mjs"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
