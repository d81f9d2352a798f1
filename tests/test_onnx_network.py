"""ONNX classifiers as members: made by other libraries, measured, run, and refused where they cannot serve."""

import io
import json
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier
from test_cli import call, refused, told
from torch import nn

from core.architectures.model_cascade import MemberNetwork
from core.explain.incoming import check_programs
from core.modules.onnx_check import OnnxError
from core.modules.onnx_network import OnnxNetwork, count_macs, read_signature, recognise_output, start_session


def mlp(hidden: int) -> bytes:
    """Return scikit-learn's perceptron, trained on digits, as ONNX: 64 values from 0 to 16 to probabilities."""
    from skl2onnx import to_onnx

    bunch = load_digits()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is not trained to the end
        model = MLPClassifier((hidden,), max_iter=60, random_state=0).fit(bunch.data[:1000], bunch.target[:1000])
        program: bytes = to_onnx(model, bunch.data[:1].astype(np.float32), options={"zipmap": False}).SerializeToString()
    return program


def network(classes: int = 10, channels: int = 1, images: int | None = None) -> bytes:
    """Return a small convolutional network, exported by PyTorch for so many images at a time, any number if None."""
    torch.manual_seed(0)
    part = nn.Sequential(nn.Conv2d(channels, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 64, classes)).eval()
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        axes = {"x": {0: "n"}} if images is None else {}
        given = torch.randn(images or 1, channels, 8, 8)
        torch.onnx.export(part, (given,), file, dynamo=False, input_names=["x"], output_names=["y"], dynamic_axes=axes)
    return file.getvalue()


def test_the_cost_of_other_libraries_networks_is_counted() -> None:
    assert count_macs(network(), (1, 8, 8)) == 64 * 4 * 9 + 256 * 10
    assert count_macs(mlp(20), (1, 8, 8)) == 64 * 20 + 20 * 10


def test_outputs_are_recognised() -> None:
    assert recognise_output(mlp(20), (1, 8, 8)) == "probabilities"
    assert recognise_output(network(), (1, 8, 8)) == "logits"
    assert recognise_output(with_last(network(), "LogSoftmax"), (1, 8, 8)) == "log-probabilities"


def test_a_file_that_takes_one_image_at_a_time_answers_as_one_that_takes_any_number() -> None:
    single, any_number = network(images=1), network()
    assert (read_signature(single).single, read_signature(any_number).single) == (True, False)
    assert count_macs(single, (1, 8, 8)) == count_macs(any_number, (1, 8, 8))
    assert recognise_output(single, (1, 8, 8)) == "logits"
    x = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(imported(single)(x), imported(any_number)(x), atol=1e-6)


def with_last(program: bytes, operator: str) -> bytes:
    """Return a classifier with another operator behind its output."""
    model = onnx.load_from_string(program)
    model.graph.node.append(helper.make_node(operator, [model.graph.output[0].name], ["last"], axis=1))
    model.graph.output[0].name = "last"
    return model.SerializeToString()


def test_a_network_answers_as_its_library_does() -> None:
    program, bunch = mlp(20), load_digits()
    part = OnnxNetwork(len(program), 1, 10, 0.0, 16.0, "probabilities")
    part.program.copy_(torch.frombuffer(bytearray(program), dtype=torch.uint8))
    images = torch.from_numpy(bunch.images[1000:1100] / 8 - 1).float()[:, None]  # from [0, 16] to [−1, 1]
    predicted = part(images).argmax(dim=1)
    assert float((predicted == torch.from_numpy(bunch.target[1000:1100])).float().mean()) > 0.8
    assert torch.allclose(part(images).exp().sum(dim=1), torch.ones(100), atol=1e-3)


def test_two_classifiers_of_other_libraries_form_a_cascade(scratch_database: str, tmp_path: Path) -> None:
    (tmp_path / "small.onnx").write_bytes(mlp(8))
    (tmp_path / "large.onnx").write_bytes(mlp(80))
    words = [
        "cascade",
        tmp_path / "large.onnx",
        tmp_path / "small.onnx",
        "--dataset",
        "digits",
        "--high",
        "16",
        "--name",
        "onnx",
        "--epochs",
        "2",
    ]
    done = call(*words)
    assert done.returncode == 0, done.stderr
    run = told("describe", "onnx")
    macs = {node["name"]: node["macs"] for node in run["nodes"]}
    assert macs["small"] == 8 * 74
    assert macs["large"] == 80 * 74
    test = told("evaluate", "onnx", "--split", "test", "--lam", "1")[0]
    assert test["accuracy"] > 0.85


def scores_only(operator: str = "Identity", domain: str = "", inputs: int = 1, kind: int = TensorProto.FLOAT) -> bytes:
    """Return a program of one operator from (N, 64) to (N, 10), valid or not."""
    values = [helper.make_tensor_value_info(f"x{number}", kind, ["n", 64]) for number in range(inputs)]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 10])
    options = {"to": TensorProto.FLOAT} if operator == "Cast" else {}
    node = helper.make_node(operator, ["x0"], ["y"], domain=domain, **options)
    imports = [helper.make_opsetid("", 17)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    graph = helper.make_graph([node], "g", values, [output])
    return helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString()


def damaged() -> bytes:
    """Return a network one of whose weights is no number."""
    model = onnx.load_from_string(network())
    weights = numpy_helper.to_array(model.graph.initializer[0]).copy()
    weights.flat[0] = np.nan
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(weights, model.graph.initializer[0].name))
    return model.SerializeToString()


def one_inside() -> bytes:
    """Return a program that says it takes any number of images, and takes one."""
    nodes = [helper.make_node("Reshape", ["x", "s"], ["one"]), helper.make_node("MatMul", ["one", "w"], ["y"])]
    weights = [numpy_helper.from_array(np.array([1, 64]), "s"), numpy_helper.from_array(np.ones((64, 10), np.float32), "w")]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", side]) for name, side in (("x", 64), ("y", 10))]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


@pytest.mark.parametrize(
    ("program", "says"),
    [
        (b"not a program", "it is not an ONNX file"),
        (scores_only("Unheard", "nowhere"), "the operator Unheard is none of a plain classifier"),
        (scores_only(inputs=2), "it must take one input of floats"),
        (scores_only("Cast", kind=TensorProto.INT64), "it must take one input of floats"),
        (network(classes=7), "it has 7 classes, but the dataset has 10"),
        (network(channels=2), "it takes images of 2 channels"),
        (network(images=3), "it takes exactly 3 images at a time: export it with an open batch size"),
        (one_inside(), "fails on 2 images at once"),
        (damaged(), "it returns scores that are not finite numbers"),
    ],
    ids=["text", "operator", "inputs", "integers", "classes", "channels", "three", "one inside", "damaged"],
)
def test_what_is_no_classifier_is_refused_in_one_line(program: bytes, says: str, tmp_path: Path) -> None:
    file = tmp_path / "strange.onnx"
    file.write_bytes(program)
    error = refused("cascade", file, file, "--dataset", "digits", "--output", "logits")
    assert says in error
    assert str(file) in error


def test_black_and_white_are_two_values(tmp_path: Path) -> None:
    file = tmp_path / "fine.onnx"
    file.write_bytes(network())
    assert "black and white would both be 16" in refused("cascade", file, file, "--dataset", "digits", "--low", "16", "--high", "16")


def made(size: list[int], *nodes: onnx.NodeProto, declared: int | None = None) -> bytes:
    """Return a classifier that adds the sum of a tensor of this size, which it makes, to its scores."""
    image, scores = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 10]) for name in "xy")
    shape = helper.make_tensor("s", TensorProto.INT64, [len(size)], size)
    steps = nodes or (helper.make_node("ConstantOfShape", ["s"], ["big"]),)
    last = [helper.make_node("ReduceSum", ["big"], ["sum"], keepdims=0), helper.make_node("Add", ["x", "sum"], ["y"])]
    graph = helper.make_graph([*steps, *last], "g", [image], [scores], [shape])
    if declared:
        graph.value_info.append(helper.make_tensor_value_info("big", TensorProto.FLOAT, [declared]))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def looping() -> bytes:
    inner = helper.make_graph([helper.make_node("Identity", ["c"], ["d"])], "inner", [], [])
    return made([8], helper.make_node("Loop", ["s", "", "x"], ["big"], body=inner))


def sparse(size: list[int]) -> bytes:
    """Return a classifier with one weight of a size, of which the file holds one number."""
    values, place = helper.make_tensor("big", TensorProto.FLOAT, [1], [1.0]), helper.make_tensor("at", TensorProto.INT64, [1], [0])
    model = onnx.load_from_string(made([8], helper.make_node("Identity", ["weight"], ["big"])))
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, place, size))
    return model.SerializeToString()


def squared(side: int, times: int = 1, images: int | str = "n") -> bytes:
    """Return a classifier that makes a matrix of an image and multiplies it with itself. `images`: how many it says that it takes."""
    if times == 1:
        steps = [helper.make_node("MatMul", ["x", "w"], ["wide"]), helper.make_node("Transpose", ["wide"], ["tall"])]
        steps.append(helper.make_node("MatMul", ["tall", "wide"], ["big"]))
    else:
        steps = [helper.make_node("MatMul", ["v", "w"], ["big0"])]
        steps += [helper.make_node("MatMul", [f"big{number}"] * 2, [f"big{number + 1}"]) for number in range(times)]
        steps.append(helper.make_node("Identity", [f"big{times}"], ["big"]))
    model = onnx.load_from_string(made([8], *steps))
    model.graph.input[0].type.tensor_type.shape.dim[0].CopyFrom(
        onnx.TensorShapeProto.Dimension(dim_value=images) if isinstance(images, int) else onnx.TensorShapeProto.Dimension(dim_param=images)
    )
    shapes = {"w": (10 if times == 1 else 1, side), "v": (side, 1)}
    model.graph.initializer.extend(numpy_helper.from_array(np.zeros(shape, np.float32), name) for name, shape in shapes.items())
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("program", "says"),
    [
        (looping(), "the operator Loop is none"),
        (made([400_000_000]), "ConstantOfShape makes 400,000,000 values for one image"),
        (made([400_000_000], declared=8), "ConstantOfShape makes 400,000,000 values for one image"),
        (
            made([9], helper.make_node("Pow", ["s", "s"], ["p"]), helper.make_node("ConstantOfShape", ["p"], ["big"])),
            "ConstantOfShape makes a tensor whose size cannot be told",
        ),
        (sparse([10_000_000_000]), "it has sparse weights"),
        (squared(30_000, images=-1), "MatMul makes 900,000,000 values for one image"),
        (squared(7_000, times=3), "multiply-adds for one image; 1,000,000,000,000 are possible"),
    ],
    ids=["loop", "large", "declared", "unknown", "sparse", "negative", "work"],
)
def test_programs_that_would_stop_the_studio_are_refused_before_they_are_loaded(program: bytes, says: str) -> None:
    with pytest.raises(OnnxError, match=says):
        start_session(program)
    with pytest.raises(OnnxError, match=says):
        check_programs(torch.nn.Sequential(imported(program)))
    start_session(made([8]))


def imported(program: bytes, macs: int = 1) -> OnnxNetwork:
    """Return a classifier of 10 classes inside an exported run."""
    held = OnnxNetwork(len(program), macs, 10, 0.0, 1.0, "logits")
    held.program.copy_(torch.frombuffer(bytearray(program), dtype=torch.uint8))
    return held


def expanding(size: int) -> bytes:
    """Return a classifier that computes while it runs that it makes a tensor of this size."""
    steps = [
        helper.make_node("Cast", ["x"], ["whole"], to=TensorProto.INT64),
        helper.make_node("ReduceSum", ["whole"], ["none"], keepdims=0),
    ]
    steps += [helper.make_node("Add", ["none", "s"], ["size"]), helper.make_node("Cast", ["none"], ["number"], to=TensorProto.FLOAT)]
    return made([size], *steps, helper.make_node("Expand", ["number", "size"], ["big"]))


def test_a_tensor_whose_size_is_computed_takes_bounded_memory() -> None:
    assert imported(expanding(1000))(torch.zeros(1, 10)).shape == (1, 10)
    with pytest.raises(OnnxError, match="the ONNX classifier fails on 1 image:"):
        imported(expanding(10**13))(torch.zeros(1, 10))


def test_scores_of_another_shape_are_refused_in_a_line() -> None:
    one = made([1], helper.make_node("ReduceSum", ["x"], ["big"]))
    assert imported(one)(torch.zeros(2, 10)).shape == (2, 10)
    model = onnx.load_from_string(one)
    model.graph.node[-1].output[0] = "z"
    model.graph.node.append(helper.make_node("Concat", ["z", "z"], ["y"], axis=0))
    with pytest.raises(OnnxError, match=r"scores of shape \(4, 10\) for 2 images"):
        imported(model.SerializeToString())(torch.zeros(2, 10))


def test_multiply_adds_that_a_description_claims_are_counted() -> None:
    shape, macs = (1, 8, 8), count_macs(network(), (1, 8, 8))
    check_programs(MemberNetwork(shape, imported(network(), macs), macs, 10))
    with pytest.raises(OnnxError, match=f"it takes {macs:,} multiply-adds, but its description says 1"):
        check_programs(MemberNetwork(shape, imported(network(), 1), 1, 10))


def test_weights_among_the_inputs_and_names_in_deep_brackets_are_read() -> None:
    model = onnx.load_from_string(network())
    model.graph.input.insert(0, helper.make_tensor_value_info(model.graph.initializer[0].name, TensorProto.FLOAT, [4, 1, 3, 3]))
    helper.set_model_props(model, {"classes": "[" * 100_000})
    assert count_macs(model.SerializeToString(), (1, 8, 8)) == count_macs(network(), (1, 8, 8))
    assert read_signature(model.SerializeToString()).names == ()


def test_classes_are_compared_by_name_where_they_have_names(tmp_path: Path) -> None:
    model = onnx.load_from_string(network())
    helper.set_model_props(model, {"classes": json.dumps([str(digit) for digit in reversed(range(10))])})
    assert read_signature(model.SerializeToString()).names == tuple("9876543210")
    file = tmp_path / "reversed.onnx"
    file.write_bytes(model.SerializeToString())
    assert "its classes are 9, 8, 7" in refused("cascade", file, file, "--dataset", "digits")
