"""A network as one ONNX program answers as the executor does, spends the same multiply-adds, and computes nothing that is skipped."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from graphs import Affine, graphs, images
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from interpreter import Interpretation
from test_members import OWN, cascade, from_onnx, pictures
from test_residual import awake
from test_segments import d2nn, lc_net, mixed_graphs
from torch import Generator, Tensor, nn

from core.config import run_config
from core.datasets import normalised
from core.explain.model import Model, load
from core.graph.cost import computed_shares
from core.graph.execution import Execution, execute
from core.graph.graph import Graph
from core.graph.policy import Greedy
from core.graph.static import static_network
from core.graph.tradeoff import WeightCurve
from core.program.file import program, written
from core.program.modules import writes
from core.program.operators import NotWrittenError, Operators
from core.program.session import Program, ProgramError, session_options
from core.store.references import shipped

CLOSE = 1e-4
LAMS = (0.0, 0.3, 0.5, 0.8, 1.0)


@writes(Affine)
def _affine(part: Affine, to: Operators, inputs: list[str], shapes: object) -> str:
    value = to.add("Gemm", to.add("Concat", *inputs, axis=1), to.constant(part.matrix), to.constant(part.bias), transB=1)
    return to.add("Clip", value, *(to.constant(np.array(bound, np.float32)) for bound in (-3, 3)))


def runs(graph: Graph) -> onnxruntime.InferenceSession:
    """Return a graph as a program that takes images as the graph does."""
    made = written(graph, pixels=False)
    onnx.checker.check_model(made, full_check=True)
    return onnxruntime.InferenceSession(made.SerializeToString(), session_options(), providers=["CPUExecutionProvider"])


def alike(graph: Graph, session: onnxruntime.InferenceSession, image: Tensor, lam: float | None) -> None:
    """The program and the executor agree on an image, (1, …): answer, route, gates and multiply-adds."""
    given = {"image": image.numpy()} | ({} if lam is None else {"lam": np.array(lam, np.float32)})
    logits, macs, ran, gates = session.run(None, given)
    with torch.no_grad():
        expected = execute(graph, image, Greedy(), lam=lam)
    _same(graph, expected, logits, macs, ran, gates)


def _same(graph: Graph, expected: Execution, logits: object, macs: object, ran: object, gates: object) -> None:
    near(expected.output, torch.as_tensor(logits))
    assert torch.as_tensor(ran)[0].tolist() == [bool(expected.ran[node.name]) for node in graph.nodes]
    each = torch.tensor([graph.macs[node.name] for node in graph.nodes], dtype=torch.float64)
    assert float(torch.as_tensor(macs)) == pytest.approx(float(computed_shares(graph, expected, graph.nodes)[0] @ each), abs=1e-3)
    if graph.controls:
        near(torch.cat([expected.gates[control.name] for control in graph.controls], dim=1), torch.as_tensor(gates))


def near(expected: Tensor, found: Tensor) -> None:
    """Equal but for rounding, against the largest of the numbers; not-a-number in the same places."""
    assert torch.equal(expected.isnan(), found.isnan())
    scale = expected.nan_to_num().abs().max().clamp(min=1)
    assert float((expected - found).nan_to_num().abs().max() / scale) < CLOSE


@settings(max_examples=30, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(graph=graphs(), seed=st.integers(0, 999))
def test_random_graphs_answer_as_the_executor_and_the_interpreter_do(graph: Graph, seed: int) -> None:
    session = runs(graph.eval())
    for image in images(3, seed):
        alike(graph, session, image[None], None)
        answer = Interpretation(graph, image).answer
        (logits, *_) = session.run(None, {"image": image[None].numpy()})
        assert np.isnan(logits).all() if answer is None else torch.equal(answer, torch.from_numpy(logits[0]))


@settings(max_examples=10, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(graph=mixed_graphs(), seed=st.integers(0, 99), lam=st.sampled_from(LAMS))
def test_random_networks_answer_as_the_executor_does(graph: Graph, seed: int, lam: float) -> None:
    session = runs(graph)
    for number in range(3):
        x = torch.randn(1, 3, 6, 6, generator=Generator().manual_seed(seed + number))
        alike(graph, session, x, lam if graph.tradeoff.every_lam else None)


@pytest.mark.long
@settings(max_examples=300, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(graph=mixed_graphs(), seed=st.integers(0, 99), lam=st.sampled_from(LAMS))
def test_many_random_networks_answer_as_the_executor_does(graph: Graph, seed: int, lam: float) -> None:
    alike(graph, runs(graph), torch.randn(1, 3, 6, 6, generator=Generator().manual_seed(seed)), lam if graph.tradeoff.every_lam else None)


def bottleneck() -> Graph:
    torch.manual_seed(2)
    config = run_config(
        architecture={"name": "lc_resnet", "depth": 50, "images": "imagenet", "width": 2}, dataset="cifar10", method="lcnet"
    )
    graph = awake(config.architecture.build((3, 64, 64), 4, every_lam=True))
    for control in graph.controls:
        nn.init.normal_(graph.parts[control.name].head.weight, std=2.0)
        nn.init.zeros_(graph.parts[control.name].head.bias)
    return graph


@pytest.mark.parametrize(
    "graph",
    [
        *(lc_net(**options) for options in ({}, {"gates_of": "group"}, {"layers": False}, {"channels": False})),
        lc_net(width=16, channel_order="nested", granule=8),
        lc_net(width=16, channel_order="nested", granule=8, gates_see="answer", scout_exit=True, layers=False),
        *(d2nn(name) for name in ("cascade", "chain", "dcn", "hierarchy", "high_low", "msdnet", "resnet_cascade")),
        bottleneck(),
        static_network(d2nn("chain")),
    ],
    ids=range(15),
)
def test_every_architecture_is_one_program(graph: Graph) -> None:
    session, shape = runs(graph), graph.shapes[graph.input.name]
    for seed, lam in enumerate(LAMS if graph.tradeoff.every_lam else [None]):
        alike(graph, session, torch.randn(1, *shape, generator=Generator().manual_seed(seed)), lam)


@pytest.mark.parametrize("combine", ["last", "mean", "geometric"])
def test_a_cascade_of_whole_networks_is_one_program(combine: str) -> None:
    graph = cascade(OWN, combine)
    session = runs(graph)
    for image in pictures(6):
        for lam in LAMS:
            alike(graph, session, image[None], lam)


def test_a_member_from_an_onnx_file_is_refused_by_name() -> None:
    with pytest.raises(NotWrittenError, match="'onnx' is an ONNX file itself"):
        written(cascade((OWN[0], from_onnx())))


def test_a_weight_curve_serves_every_lam() -> None:
    graph = d2nn("chain")
    graph.tradeoff = WeightCurve()
    graph.tradeoff.curve.copy_(torch.linspace(0, 1, 101) ** 3)
    session = runs(graph)
    for number, lam in enumerate((0.0, 0.123, 0.555, 0.9999, 1.0)):
        alike(graph, session, torch.randn(1, 3, 32, 32, generator=Generator().manual_seed(number)), lam)


@pytest.mark.parametrize("kind", ["blind", "table"])
def test_gates_that_ignore_the_image_are_written(kind: str) -> None:
    graph = lc_net()
    for control in graph.controls:
        part = graph.parts[control.name]
        part.blind = kind == "blind"
        if kind == "table":
            part.table = torch.randn(21, len(control.options), generator=Generator().manual_seed(1))
    session = runs(graph)
    for lam in LAMS:
        alike(graph, session, torch.randn(1, 3, 32, 32, generator=Generator().manual_seed(4)), lam)


@pytest.mark.parametrize("name", ["high_low", "lc_resnet"])
def test_what_is_skipped_is_not_computed(name: str) -> None:
    """Weights of the skipped part are not numbers, which would be seen in every answer that they have part in."""
    graph = d2nn(name) if name == "high_low" else lc_net()
    part = graph.parts["high" if name == "high_low" else "block 1-2"]
    for module in part.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data.fill_(torch.nan)
    for control in graph.controls:
        head = graph.parts[control.name].head
        nn.init.zeros_(head.weight)
        if name == "lc_resnet" and control.name == "Q1-2":
            head.bias.data.fill_(-1.0)
    logits, _, ran, _ = runs(graph).run(None, {"image": np.zeros((1, 3, 32, 32), np.float32), "lam": np.array(0.0, np.float32)})
    skipped = [node.name for node, runs_here in zip(graph.nodes, ran[0], strict=True) if not runs_here]
    assert ("high" if name == "high_low" else "block 1-2") in skipped
    assert np.isfinite(logits).all()


QUICK = {"cascade-digits", "chain-digits", "lc-digits", "high-low-faces", "cascade-faces-static", "resnet38-cascade-cifar10"}


@pytest.mark.parametrize("run", [pytest.param(run, marks=[] if run.rpartition("/")[2] in QUICK else pytest.mark.long) for run in shipped()])
def test_the_networks_that_ship_answer_as_the_executor_does(run: str) -> None:
    model = load(run)
    made = program(model)
    onnx.checker.check_model(made, full_check=True)
    ready = Program(made.SerializeToString())
    for number in range(3):
        image = smooth(model.image, number)
        for lam in LAMS if model.graph.tradeoff.every_lam else (None,):
            found = ready(image.numpy(), lam)
            expected = execute(model.graph, normalised(image[None]), Greedy(), lam=lam)
            _same(model.graph, expected, found.logits[None], [found.macs], found.ran[None], found.gates[None])


def smooth(shape: tuple[int, int, int], seed: int) -> Tensor:
    """A picture of soft spots, (C, H, W) uint8."""
    coarse = torch.rand(1, shape[0], 4, 4, generator=Generator().manual_seed(seed)) * 255
    return nn.functional.interpolate(coarse, shape[1:], mode="bicubic").clamp(0, 255).to(torch.uint8)[0]


def test_a_file_says_what_it_takes_and_returns() -> None:
    model = load("reference/cascade-digits")
    made = program(model)
    said = {one.key: one.value for one in made.metadata_props}
    assert json.loads(said["classes"]) == list(model.classes)
    assert json.loads(said["image"]) == [1, 48, 48]
    assert json.loads(said["nodes"]) == [node.name for node in model.graph.nodes]
    assert json.loads(said["gates"])[:2] == ["Q1: stop", "Q1: go on"]
    assert "grey, uint8 from 0 to 255, (1, 1, 48, 48)" in said["input"]
    assert said["lam"].startswith("Input lam: one float from 0 (cheap) to 1 (accurate)")
    assert [one.name for one in made.graph.output] == ["logits", "macs", "ran", "gates"]
    assert {node.name.rpartition("/")[0] for node in made.graph.node} >= {"x", "Q1"}


@pytest.mark.parametrize("weights", ["float16", "int8"])
def test_fewer_bits_make_a_smaller_file_and_nearly_the_same_answer(weights: str) -> None:
    model = load("reference/cascade-digits")
    whole, small = (program(model, form).SerializeToString() for form in ("float32", weights))
    assert len(small) < 0.6 * len(whole)
    onnx.checker.check_model(onnx.load_from_string(small), full_check=True)
    image, ready = smooth(model.image, 3).numpy(), (Program(whole), Program(small))
    expected, found = (one(image, 0.8) for one in ready)
    assert float(np.abs(expected.logits - found.logits).max()) < 0.1 * float(np.abs(expected.logits).max())


def test_images_and_lam_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    ready = Program(program(load("reference/cascade-digits")).SerializeToString())
    with pytest.raises(ProgramError, match=r"does not fit\. One image: grey"):
        ready(np.zeros((3, 48, 48), np.uint8), 0.5)
    with pytest.raises(ProgramError, match="serves every λ"):
        ready(np.zeros((1, 48, 48), np.uint8))
    (tmp_path / "no.onnx").write_bytes(b"no program")
    with pytest.raises(ProgramError, match=r"no.onnx: it is not an ONNX file"):
        Program.read(tmp_path / "no.onnx")
    with pytest.raises(ProgramError, match="cannot be read"):
        Program.read(tmp_path / "none.onnx")
    (tmp_path / "other.onnx").write_bytes(written(d2nn("high_low")).SerializeToString())
    with pytest.raises(ProgramError, match="was not written by"):
        Program.read(tmp_path / "other.onnx")


def test_a_module_without_a_form_is_named() -> None:
    graph = d2nn("high_low")
    graph.replace("high", nn.Sequential(graph.parts["high"], nn.Softplus()))
    with pytest.raises(NotWrittenError, match="node 'high': Softplus has no form"):
        program(
            Model("odd", run_config(architecture="high_low", dataset="cifar10", method="d2nn"), graph, (3, 32, 32), tuple("0123456789"))
        )
