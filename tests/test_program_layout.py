"""Maps in blocks of channels: a program computes what it did before, and seldom reorders its maps."""

from collections import Counter
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import ModelProto, TensorProto

from core.architectures.lc_resnet import LCResNet
from core.fast.whole import WholeProgram
from core.program import layout
from core.program.layout import block_size, in_blocks
from core.program.operators import Operators
from core.program.precision import graphs
from core.program.session import session_options

SIDE = 6
blocked = pytest.mark.skipif(block_size() is None, reason="ONNX Runtime keeps no maps in blocks on this processor")


def run(model: ModelProto, given: dict[str, Any]) -> list[np.ndarray[Any, Any]]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), session_options(), providers=["CPUExecutionProvider"])
    found: list[np.ndarray[Any, Any]] = session.run(None, given)
    return found


def operators(model: ModelProto) -> Counter[str]:
    return Counter(node.op_type for graph in graphs(model.graph) for node in graph.node)


class Draft:
    """A program of random operators on maps, with branches inside branches."""

    def __init__(self, seed: int) -> None:
        self.random, self.flags = np.random.default_rng(seed), 0
        self.to = Operators()
        self.to.given("x", (1, 3, SIDE, SIDE))
        self.scale = self.to.add("Reshape", self.to.given("scale", (1, 1)), self.to.integers(-1, 1, 1, 1))

    def weights(self, to: Operators, *shape: int) -> str:
        return to.constant(self.random.standard_normal(shape).astype(np.float32) / np.sqrt(np.prod(shape[1:], dtype=np.float32)))

    def convolution(self, to: Operators, x: str, reads: int, filters: int, group: int = 1) -> str:
        side = int(self.random.choice([1, 3]))
        given = [self.weights(to, filters, reads // group, side, side)]
        given += [self.weights(to, filters)] if self.random.random() < 0.7 else []
        return to.add("Conv", x, *given, pads=[side // 2] * 4, group=group)

    def step(self, to: Operators, x: str, channels: int, depth: int) -> str:
        """Write one operator that keeps the shape of the maps."""
        kind = str(self.random.choice(["relu", "clip", "conv", "deep", "add", "twice", "mul", "by channel", "pool", "if", "fill", "shift"]))
        if kind == "relu":
            return to.add("Relu", x)
        if kind == "clip":
            return to.add("Clip", x, *(to.constant(np.array(bound, dtype=np.float32)) for bound in (-0.3, 0.4)))
        if kind == "conv":
            return self.convolution(to, x, channels, channels)
        if kind == "deep":
            return self.convolution(to, x, channels, channels, group=channels)
        if kind == "add":
            return to.add("Add", *([self.convolution(to, x, channels, channels), x][:: int(self.random.choice([1, -1]))]))
        if kind == "twice":
            return to.add("Add", x, x)
        if kind == "mul":
            return to.add("Mul", x, self.scale)
        if kind == "by channel":
            return to.add("Mul", x, self.weights(to, 1, channels, 1, 1))
        if kind == "pool":
            return to.add("MaxPool", x, kernel_shape=[3, 3], pads=[1] * 4, strides=[1, 1])
        if kind == "shift" or depth > 1:
            return to.add("Add", x, self.weights(to, 1, channels, 1, 1))
        flag = to.given(f"flag{self.flags}", (1,), TensorProto.BOOL)
        self.flags += 1

        def filled(inner: Operators) -> list[str]:
            return [inner.add("Expand", inner.number(0.5), inner.integers(1, channels, SIDE, SIDE))]

        def several(inner: Operators) -> list[str]:
            return [self.steps(inner, x, channels, depth + 1)]

        return to.either(flag, several, filled if kind == "fill" else several)[0]

    def steps(self, to: Operators, x: str, channels: int, depth: int) -> str:
        for _ in range(int(self.random.integers(0, 5))):
            x = self.step(to, x, channels, depth)
        return x

    def model(self) -> ModelProto:
        x, reads = "x", 3
        for filters in self.random.choice([8, 16, 24, 32, 40], size=3).tolist():
            x = self.steps(self.to, self.convolution(self.to, x, reads, filters), filters, 0)
            reads = filters
        last = self.to.either(
            self.to.given("last", (1,), TensorProto.BOOL),
            lambda inner: [self.convolution(inner, x, reads, 32)],
            lambda inner: [inner.add("Identity", inner.constant(np.zeros((1, 1), np.float32)))],
        )[0]
        pooled = self.to.add("GlobalAveragePool", last)
        sent = {"pooled": (pooled, 1, (1, 32, 1, 1)), "maps": (x, 1, (1, reads, SIDE, SIDE))}
        return self.to.model(sent)  # type: ignore[arg-type]


@blocked
@pytest.mark.parametrize("seed", range(60))
def test_random_programs_compute_what_they_did(seed: int) -> None:
    draft = Draft(seed)
    before = draft.model()
    random = np.random.default_rng(seed)
    after = in_blocks(before)
    assert any(node.domain == layout.BLOCKED for graph in graphs(after.graph) for node in graph.node)
    for _ in range(3):
        given: dict[str, Any] = {"x": random.standard_normal((1, 3, SIDE, SIDE)).astype(np.float32), "last": np.array([True])}
        given |= {f"flag{number}": random.random(1) < 0.5 for number in range(draft.flags)}
        given["scale"] = random.random((1, 1), dtype=np.float32)
        for one, other in zip(run(before, given), run(after, given), strict=True):
            np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5 * max(1.0, float(np.abs(one).max())))


@blocked
def test_gated_blocks_of_a_resnet_never_reorder_their_maps() -> None:
    graph = LCResNet(depth=20, channels=False).build((3, 32, 32), 10).eval()
    written: list[ModelProto] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("core.fast.whole.in_blocks", lambda model: written.append(model) or model)
        WholeProgram(graph)
    before, after = written[0], in_blocks(written[0])
    kinds = operators(after)
    assert kinds["If"] == operators(before)["If"] > 0
    assert kinds["ReorderInput"] == 0
    inside = Counter(node.op_type for graph in list(graphs(after.graph))[1:] for node in graph.node)
    assert inside["ReorderOutput"] == inside["ReorderInput"] == 0
    assert inside["Conv"] >= 18


def test_a_program_without_branches_stays_as_it_is() -> None:
    to = Operators()
    x = to.given("x", (1, 16, 4, 4))
    model = to.model({"y": (to.add("Conv", x, to.constant(torch.ones(16, 16, 1, 1))), 1, (1, 16, 4, 4))})
    assert in_blocks(model) is model


def test_a_processor_without_blocks_keeps_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "block_size", lambda: None)
    model = Draft(0).model()
    assert in_blocks(model) is model
