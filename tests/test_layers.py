"""What is inside a module: layers as they run, the blocks of a cascade's members, and the histogram of the weights."""

import math
from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto, helper
from test_predict import fresh
from torch import nn

from app.inside import inside_of
from core.explain.layers import BINS, inside
from core.graph.builder import Builder
from core.graph.graph import Graph
from core.graph.measure import measure
from core.modules.onnx_network import OnnxNetwork, read_operators

WEIGHTED = (nn.Conv2d, nn.Linear)


@pytest.mark.parametrize("shape", [{"name": "cascade"}, {"name": "lc_resnet", "depth": 8, "width": 4}, {"name": "hierarchy"}])
def test_layers_have_the_shapes_and_parameters_with_which_they_run(shape: dict[str, object]) -> None:
    graph = fresh(shape, method="lcnet" if shape["name"] == "lc_resnet" else "d2nn").graph
    for node in graph.nodes[1:]:
        part, found = graph.parts[node.name], inside(graph, node.name)
        (whole,) = found.blocks
        assert sum(layer.parameters for layer in whole.layers) == sum(values.numel() for values in part.parameters())
        assert {layer.name for layer in whole.layers} == {name for name, one in part.named_modules() if not list(one.children())}
        if node.kind == "regular" and whole.layers:
            assert whole.layers[-1].shape == graph.shapes[node.name], "the last layer gives the module's output"
        weights = [one.weight for one in part.modules() if isinstance(one, WEIGHTED)]
        assert (found.histogram is None) == (not weights)
        if found.histogram:
            values = torch.cat([one.detach().flatten() for one in weights])
            assert sum(found.histogram.counts) == len(values)
            assert len(found.histogram.counts) == BINS
            assert found.histogram.limit == pytest.approx(float(values.abs().max()))
            assert found.histogram.mean == pytest.approx(float(values.mean()), abs=1e-6)


def test_kernels_strides_and_groups_are_those_of_the_convolution() -> None:
    g = Builder((3, 8, 8))
    sent = g.add("thin", nn.Sequential(nn.Conv2d(3, 6, (1, 5), (2, 1), (0, 2), groups=3), nn.MaxPool2d(2)), g.input)
    g.output("y", nn.Sequential(nn.Flatten(), nn.Linear(48, 2)), sent)
    (block,) = inside(g.build(), "thin").blocks
    assert [(one.kind, one.kernel, one.stride, one.groups, one.shape) for one in block.layers] == [
        ("Conv2d", (1, 5), (2, 1), 3, (6, 4, 8)),
        ("MaxPool2d", (2, 2), (2, 2), 1, (6, 2, 4)),
    ]


def test_a_member_of_a_cascade_shows_the_blocks_of_its_own_network() -> None:
    graph = fresh({"name": "model_cascade"}).graph
    before = {name: values.clone() for name, values in graph.state_dict().items()}
    found = inside(graph, "large")
    network = graph.parts["large"].network
    assert isinstance(network, Graph)
    assert [block.name for block in found.blocks] == [node.name for node in network.nodes[1:]]
    assert [block.macs for block in found.blocks] == [network.macs[block.name] for block in found.blocks]
    assert all(block.layers for block in found.blocks)
    assert sum(layer.parameters for block in found.blocks for layer in block.layers) == sum(v.numel() for v in network.parameters())
    assert all(torch.equal(values, before[name]) for name, values in graph.state_dict().items())
    assert not any(one._forward_hooks for one in graph.modules())


def test_the_operators_of_an_onnx_network_are_its_layers(tmp_path: Path) -> None:
    weights = [
        helper.make_tensor("w", TensorProto.FLOAT, [4, 1, 3, 3], [0.5] * 36),
        helper.make_tensor("v", TensorProto.FLOAT, [144, 2], [1.0] * 288),
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], "first", kernel_shape=[3, 3], strides=[1, 1]),
        helper.make_node("Flatten", ["c"], ["f"]),
        helper.make_node("MatMul", ["f", "v"], ["y"], "last"),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in (("x", [1, 1, 8, 8]), ("y", [1, 2]))]
    program = helper.make_model(
        helper.make_graph(nodes, "g", ends[:1], ends[1:], weights), opset_imports=[helper.make_opsetid("", 13)], ir_version=8
    )
    onnx.checker.check_model(program)
    content = program.SerializeToString()
    assert [(one.name, one.kind, one.kernel, one.shape, one.parameters) for one in read_operators(content)] == [
        ("first", "Conv", (3, 3), (4, 6, 6), 36),
        ("last", "MatMul", (), (2,), 288),
    ]
    part = OnnxNetwork(len(content), 1, 2, 0.0, 1.0, "logits")
    part.program.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
    g = Builder((1, 8, 8))
    part.measure = lambda: ((2,), 1)  # type: ignore[attr-defined]
    assert measure(part, [(1, 8, 8)]) == ((2,), 1)
    g.output("y", part, g.input)
    found = inside(g.build(), "y")
    assert [layer.name for layer in found.blocks[0].layers] == ["first", "last"]
    assert found.histogram is not None
    assert sum(found.histogram.counts) == 36 + 288


def test_a_module_is_described_in_words() -> None:
    model = fresh({"name": "model_cascade"})
    words = inside_of(model, "sha", "large")
    assert words["title"].startswith(f"Inside: {len(words['blocks'])} blocks, ")
    assert math.isclose(sum(block["cost_share"] for block in words["blocks"]), 1)
    assert "of the module" in words["blocks"][0]["summary"]
    assert words["blocks"][0]["layers"][0]["what"] == "Conv2d 3×3, stride 2"
    assert words["weights"] is not None
    alone = inside_of(model, "sha", "y1")
    assert (alone["title"], alone["weights"]) == ("Inside: 1 layer", None)
