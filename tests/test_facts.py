"""The facts in the details of a node."""

import re
from itertools import pairwise

from test_predict import IMAGES, fresh

from app.graph_view.facts import facts
from core.explain.model import Model
from core.explain.predict import predict, sweep_lam

PARAMETERS = {"N1": 1234567}


def told(model: Model, rows: list[dict[str, object]]) -> dict[str, dict[str, object]]:
    graph = model.graph
    return facts(graph.nodes, set(graph.by_name), graph.shapes, PARAMETERS, graph.macs, rows, sweep_lam(model, IMAGES[0]))


def row(model: Model, lam: float | None, share: float) -> dict[str, object]:
    return {"lam": lam, "execution_rates": {node.name: share if node.gates else 1.0 for node in model.graph.nodes}}


def test_every_node_has_its_shape_parameters_and_cost() -> None:
    model = fresh()
    known = told(model, [])
    assert set(known) == {node.name for node in model.graph.nodes}
    figures = dict(known["N1"]["figures"])
    assert figures["Output shape"] == "×".join(map(str, model.graph.shapes["N1"]))
    assert figures["Parameters"] == "1,234,567"
    share = model.graph.macs["N1"] / sweep_lam(model, IMAGES[0]).reference.macs_static
    assert abs(float(figures["Share of the static network"].rstrip("%")) / 100 - share) < 0.01
    assert dict(known["Q1"]["figures"])["Parameters"] == "0"


def test_nodes_that_some_images_skip_have_execution_rates_along_lam() -> None:
    model = fresh()
    known = told(model, [row(model, 0.0, 0.25), row(model, 1.0, 0.75)])
    gated = next(node.name for node in model.graph.nodes if node.gates)
    always = next(node.name for node in model.graph.nodes if not node.gates)
    assert known[gated]["rates"] == [(0.0, 0.25), (1.0, 0.75)]
    assert known[always]["rates"] == []
    single = fresh(lam=0.3)
    assert told(single, [row(single, 0.3, 0.5)])[gated]["rates"] == [(0.3, 0.5)]


def test_when_it_runs_is_what_predict_says_at_each_lam() -> None:
    model = fresh()
    known = told(model, [])
    ran = [set(predict(model, IMAGES[:1], lam=step / 100)[0].executed) for step in range(101)]
    told_of_spans = 0
    for node in model.graph.nodes:
        (words,) = [line for line in known[node.name]["lines"] if line.startswith("For this image")]
        spans = [(float(first), float(last or 1)) for first, last in re.findall(r"from λ = (\d\.\d\d)(?: to (\d\.\d\d))?", words)]
        told_of_spans += len(spans)
        for step in range(101):
            expected = any(first <= step / 100 + 1e-9 and step / 100 - 1e-9 <= last for first, last in spans)
            expected |= words == "For this image it runs at every λ."
            assert (node.name in ran[step]) == expected, (node.name, step, words)
    assert told_of_spans, "every node does the same at every λ: the test shows nothing"


def test_what_a_controller_chooses_is_what_predict_says_at_each_lam() -> None:
    model = fresh()
    known = told(model, [])
    took = [predict(model, IMAGES[:1], lam=step / 100)[0].controls for step in range(101)]
    switched = 0
    for control in model.graph.controls:
        asked = [(step, one[control.name].chosen) for step, one in enumerate(took) if one[control.name].chosen is not None]
        switches = [(step, after) for (_, before), (step, after) in pairwise(asked) if before != after]
        assert known[control.name]["switches"] == [step / 100 for step, _ in switches]
        lines = [line for line in known[control.name]["lines"] if line.startswith("It chooses")]
        assert len(lines) == bool(switches)
        assert all(f"“{option}” from λ = {step / 100:.2f}" in lines[0] for step, option in switches)
        switched += len(switches)
    assert switched, "no control node switches: the test shows nothing"


def test_what_opens_a_node_and_what_a_controller_opens_agree() -> None:
    model = fresh()
    known = told(model, [])
    for node in model.graph.nodes:
        for gate in node.gates:
            option = model.graph.by_name[gate.control].options[gate.column]
            assert any(
                line.startswith("Runs if") and f"{gate.control} chooses" in line and option in line for line in known[node.name]["lines"]
            )
            assert any(line.startswith(f"“{option}” opens") and node.name in line for line in known[gate.control]["lines"])


def test_channels_have_a_line_of_their_own() -> None:
    model = fresh({"name": "lc_resnet", "depth": 8, "layers": False}, method="lcnet")
    lines = told(model, [])["block 1-1"]["lines"]
    assert not any(line.startswith("Runs if") for line in lines)
    assert any("inner channels" in line for line in lines)


def test_only_the_named_nodes_have_facts() -> None:
    graph, sweep = (model := fresh()).graph, sweep_lam(model, IMAGES[0])
    assert set(facts(graph.nodes, {"N1"}, graph.shapes, {}, graph.macs, [], sweep)) == {"N1"}
