"""The weights of a program in fewer bits.

float32  as they are
float16  half as many bytes; they become float32 as the program is loaded, so that it computes in float32
int8     by ONNX Runtime's quantiser: convolutions and products compute in integers, with scales that each image sets

Control nodes stay in float32: their weights are few, and a rounded score may send an image along another route.
"""

import logging
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from core.program.operators import UNCOUNTED, module_of

WeightsForm = Literal["float32", "float16", "int8"]
FEW = 64  # numbers of a constant that stays in float32


def in_precision(model: ModelProto, weights: WeightsForm, controls: Collection[str]) -> ModelProto:
    """Return a program with its weights in another form. `controls`: the control nodes."""
    if weights == "float16":
        for graph in graphs(model.graph):
            _halve(graph, controls)
    return _quantised(model, controls) if weights == "int8" else model


def graphs(graph: GraphProto) -> Iterator[GraphProto]:
    """Yield a graph and those of the branches inside it."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from graphs(attribute.g)


def _halve(graph: GraphProto, controls: Collection[str]) -> None:
    """Hold the weights of a graph as float16, each behind an operator that makes float32 of it."""
    casts: list[NodeProto] = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size > FEW and module_of(tensor.name) not in controls:
            name = tensor.name
            held = np.clip(values, np.finfo(np.float16).min, np.finfo(np.float16).max).astype(np.float16)
            tensor.CopyFrom(numpy_helper.from_array(held, f"{name}.float16"))
            casts.append(helper.make_node("Cast", [tensor.name], [name], name=f"{name}.float32", to=TensorProto.FLOAT))
    operators = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(operators)


def _quantised(model: ModelProto, controls: Collection[str]) -> ModelProto:
    """Return what ONNX Runtime's quantiser makes of a program."""
    from onnxruntime.quantization import quantize_dynamic

    excluded = []
    for graph in graphs(model.graph):
        held = {tensor.name for tensor in graph.initializer}
        for node in graph.node:
            chosen = node.op_type == "Conv" and node.input[1] not in held  # filters that each image chooses
            if chosen or UNCOUNTED in node.name or module_of(node.name) in controls:
                excluded += [node.name, f"{node.name}_MatMul"]  # the quantiser makes a MatMul of a Gemm first
    with _quiet(), tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "int8.onnx"
        quantize_dynamic(model, file, nodes_to_exclude=excluded, extra_options={"EnableSubgraph": True})
        return onnx.load(file)


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out the advice that the quantiser logs."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
