"""Blocks of channels as ONNX Runtime's convolutions take them: their size on this processor, and filters that fit them."""

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from core.program.session import session_options

BLOCKED = "com.microsoft.nchwc"  # the domain of operators on blocks
SIZES = (16, 8)  # of blocks, on x86 with and without AVX-512
Weight = NDArray[np.float32]


@cache
def block_size() -> int | None:
    """Return how many channels a block has on this processor, None where ONNX Runtime uses none: seen in what it makes of a convolution."""
    width = max(SIZES) * 2
    weight = np.arange(width * width, dtype=np.float32).reshape(width, width, 1, 1)
    shape = [1, width, 4, 4]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", "y")]
    held = [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(np.zeros(width, np.float32), "b")]
    graph = helper.make_graph([helper.make_node("Conv", ["x", "w", "b"], ["y"])], "one", ends[:1], ends[1:], held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with tempfile.TemporaryDirectory() as folder:
        options = session_options()
        options.optimized_model_filepath = str(Path(folder) / "made.onnx")
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        made = onnx.load(options.optimized_model_filepath).graph
    for node in made.node:
        if node.domain == BLOCKED and node.op_type == "Conv":
            seen = next(numpy_helper.to_array(one) for one in made.initializer if one.name == node.input[1])
            return next((size for size in SIZES if np.array_equal(reordered(weight, size), seen)), None)
    return None


def reordered(weight: Weight, size: int) -> Weight:
    """Return filters (O, I, height, width) for maps in blocks: by blocks of O, blocks of I, place, I within its block, O within its."""
    filters, channels, *sides = weight.shape
    apart = weight.reshape(filters // size, size, channels // size, size, *sides)
    return np.ascontiguousarray(apart.transpose(0, 2, 4, 5, 3, 1)).reshape(weight.shape)


def reordered_apart(weight: Weight, size: int) -> Weight:
    """Return filters (O, I, height, width) that read channels one by one: by blocks of O, I, place, O within its block."""
    filters, channels, *sides = weight.shape
    return np.ascontiguousarray(weight.reshape(filters // size, size, channels, *sides).transpose(0, 2, 3, 4, 1)).reshape(weight.shape)
