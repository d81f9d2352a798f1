"""Checks an ONNX file before ONNX Runtime sees it: its operators are those of classifiers, and what they make is of bounded size.

A file of a few hundred bytes could otherwise loop without end, or make tensors of any size as soon as it is loaded.
Sizes that other operators compute while a program runs cannot be told beforehand: ONNX Runtime's memory is bounded for them
(core/modules/onnx_memory.py).
"""

import math
from collections.abc import Iterator, Mapping

import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, shape_inference

from core.errors import UserError

MAX_VALUES = 64_000_000  # of one tensor, for one image
MAX_TOTAL = 2_000_000_000  # values of all tensors, for one image
MAX_MACS = 1_000_000_000_000  # multiply-adds for one image
OPEN_SIDE = 224  # stands for a side of the image that the file leaves open
DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
MAKERS = {"ConstantOfShape", "Range"}  # those of Expand, Pad, Resize and Tile often cannot be told in sound files
OF_CLASSIFIERS = """
    Abs Add And ArgMax ArgMin ArrayFeatureExtractor Attention AveragePool BatchNormalization BitShift Cast CastLike Ceil Celu Clip Concat
    Constant Conv ConvInteger ConvTranspose Cos CumSum DepthToSpace DequantizeLinear Div Dropout DynamicQuantizeLinear Einsum Elu Equal
    Erf Exp Flatten Floor FusedMatMul Gather GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual
    GroupNormalization HardSigmoid HardSwish Hardmax Identity InstanceNormalization LRN LabelEncoder LayerNormalization LeakyRelu Less
    LessOrEqual LinearClassifier LinearRegressor Log LogSoftmax LpNormalization MatMul MatMulInteger Max MaxPool Mean
    MeanVarianceNormalization Min Mish Mod Mul Neg Normalizer Not Or PRelu Pow QLinearConv QLinearMatMul QuantizeLinear RMSNormalization
    Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu
    Reshape Round SVMClassifier Scaler ScatterElements ScatterND Selu Shape Sigmoid Sign Sin Size Slice Softmax Softplus Softsign
    SpaceToDepth Split Sqrt Squeeze Sub Sum Tan Tanh ThresholdedRelu TopK Transpose TreeEnsembleClassifier Trilu Unsqueeze Where Xor ZipMap
    Compress Expand Pad Resize Tile Upsample
"""
ALLOWED = MAKERS | set(OF_CLASSIFIERS.split())

Shape = tuple[int | None, ...] | None  # None for each side that is unknown, and where even their number is


class OnnxError(UserError):
    """Raised when an ONNX file cannot serve as a classifier. The text is one line that says why."""


def check_program(program: bytes, *, branches: bool = False) -> None:
    """Raise OnnxError unless a file has only operators of classifiers, its weights in it, and tensors of bounded size.

    `branches`: whether it may compute one of two branches, as programs written by `export` do.
    """
    try:
        model = onnx.load_from_string(program)
    except Exception as error:  # of a class of its own
        raise OnnxError(f"it is not an ONNX file: {_line(error)}") from None
    for node in _nodes(model.graph):
        inner = any(one.HasField("g") or one.graphs for one in node.attribute)
        allowed = node.op_type == "If" if inner else node.op_type in ALLOWED
        if not allowed or node.domain not in DOMAINS or (inner and not branches):
            raise OnnxError(f"the operator {' '.join(node.op_type.split())[:50]} is none of a plain classifier: export it without it")
    if model.functions:
        raise OnnxError("it defines operators of its own: export it with the standard ones")
    if any(graph.sparse_initializer for graph in _graphs(model.graph)) or any(
        one.HasField("sparse_tensor") or one.sparse_tensors for one in _attributes(model)
    ):
        raise OnnxError("it has sparse weights, which may fill any memory once they are loaded: save them dense")
    if any(one.data_location == TensorProto.EXTERNAL for one in _tensors(model)):
        raise OnnxError("its weights are in another file: save them in the ONNX file")
    _check_sizes(model)


def _check_sizes(model: ModelProto) -> None:
    """Raise OnnxError if tensors are too large for one image, or the size of one that is made from numbers cannot be told."""
    for value in model.graph.input:
        for place, side in enumerate(value.type.tensor_type.shape.dim):
            if side.dim_value < 1:  # negative sides are open ones, too
                side.dim_value = OPEN_SIDE if place else 1
    for graph in _graphs(model.graph):
        graph.ClearField("value_info")  # what the file says of its own tensors may be wrong
    for value in model.graph.output:
        if value.type.HasField("tensor_type"):
            value.type.tensor_type.ClearField("shape")
    try:
        inferred = shape_inference.infer_shapes(model, data_prop=True).graph
    except Exception as error:  # of a class of its own
        raise OnnxError(f"its shapes cannot be inferred: {_line(error)}") from None
    shapes: dict[str, Shape] = {}
    for graph in _graphs(inferred):
        shapes |= {value.name: _shape(value) for value in [*graph.input, *graph.value_info, *graph.output]}
        shapes |= {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    total, macs = 0, 0
    for node in _nodes(inferred):
        for name in node.output:
            shape = shapes.get(name)
            if node.op_type in MAKERS and (shape is None or None in shape):
                raise OnnxError(f"the operator {node.op_type} makes a tensor whose size cannot be told: fix the size of its images")
            values = _values(shape)
            total += values
            macs += values * _depth(node, shapes)
            if values > MAX_VALUES or total > MAX_TOTAL:
                raise OnnxError(f"its tensors are too large: the operator {node.op_type} makes {values:,} values for one image")
    if macs > MAX_MACS:
        raise OnnxError(f"it takes {macs:,} multiply-adds for one image; {MAX_MACS:,} are possible: choose a smaller network")


def _depth(node: NodeProto, shapes: Mapping[str, Shape]) -> int:
    """Return how many multiply-adds each value takes that a convolution or product makes, as far as shapes are known; else 0."""
    first, second = ([*(shapes.get(name) or () for name in node.input), (), ()])[:2]
    if "MatMul" in node.op_type or node.op_type == "Gemm":
        transposed = node.op_type == "Gemm" and any(one.name == "transA" and one.i for one in node.attribute)
        return _values(first[:1] if transposed else first[-1:])
    if "Conv" in node.op_type:
        return _values(second[1:])
    return min(_values(first), _values(second)) if node.op_type == "Einsum" else 0


def _values(shape: Shape) -> int:
    """Return the number of values of a tensor, with one for each side that is unknown."""
    return math.prod(1 if side is None else side for side in shape or ())


def _shape(value: ValueInfoProto) -> Shape:
    """Return the sides of a tensor, None for each that is unknown; None where even their number is."""
    if not value.type.tensor_type.HasField("shape"):
        return None
    return tuple(side.dim_value if side.HasField("dim_value") else None for side in value.type.tensor_type.shape.dim)


def _tensors(model: ModelProto) -> Iterator[TensorProto]:
    for graph in _graphs(model.graph):
        yield from graph.initializer
    for one in _attributes(model):
        yield from [one.t, *one.tensors]


def _attributes(model: ModelProto) -> Iterator[AttributeProto]:
    for node in _nodes(model.graph):
        yield from node.attribute


def _graphs(graph: GraphProto) -> Iterator[GraphProto]:
    """Yield a graph and those inside it. Files that nest them too deep for Python cannot be parsed in the first place."""
    yield graph
    for node in graph.node:
        for one in node.attribute:
            for inner in [one.g] * one.HasField("g") + list(one.graphs):
                yield from _graphs(inner)


def _nodes(graph: GraphProto) -> Iterator[NodeProto]:
    for inner in _graphs(graph):
        yield from inner.node


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
