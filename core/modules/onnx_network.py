"""A classifier from an ONNX file, run by ONNX Runtime: a fixed module whose cost is counted from its graph.

Multiply-adds of convolutions and matrix products (Conv, Gemm, MatMul) count; all other operators are free, as for PyTorch modules.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper, shape_inference
from torch import Tensor, nn

from core.modules.onnx_check import OnnxError, check_program
from core.modules.onnx_memory import bounded_options

Output = Literal["logits", "log-probabilities", "probabilities"]
FLOATS = ("tensor(float)", "tensor(double)", "tensor(float16)")
PROBES = 16  # random images by which the kind of output is recognised
TOLERANCE = 1e-3
SMALLEST = 1e-7  # probabilities below it count as it, so that their logarithm is finite


@dataclass(frozen=True)
class Signature:
    """What an ONNX classifier takes and returns.

    input    the name of its input
    shape    (C, H, W), None for each side that the file leaves open; (values,) where it takes flattened images
    output   the name of its scores, (N, classes)
    classes  the number of classes
    names    the classes' names in the file's metadata, empty if it has none
    single   whether it takes one image at a time, as files do that were exported with a fixed batch
    """

    input: str
    shape: tuple[int | None, ...]
    output: str
    classes: int
    names: tuple[str, ...] = ()
    single: bool = False


@dataclass(frozen=True)
class OnnxOperator:
    """An operator with weights: its name and kind, the kernel, stride and groups of a convolution, the shape of its output for one image
    (empty where it is unknown), the number of its parameters, and its weights without the bias.
    """

    name: str
    kind: str
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    groups: int
    shape: tuple[int, ...]
    parameters: int
    weights: NDArray[Any]


class OnnxNetwork(nn.Module):
    """Class scores of an ONNX classifier: images (B, C, H, W) in [−1, 1] to logits (B, classes).

    The file is a buffer, so it travels with the weights. Gradients do not pass through.
    """

    def __init__(self, size: int, macs: int, classes: int, low: float, high: float, output: Output) -> None:
        """`size`: bytes of the file, which the weights bring. `macs`: its multiply-adds for one image.

        `low` and `high`: the values that it expects for black and white. `output`: what its scores are.
        """
        super().__init__()
        self.macs, self.classes, self.low, self.high, self.output = macs, classes, low, high, output
        self.program: Tensor
        self.register_buffer("program", torch.zeros(size, dtype=torch.uint8))

    def __getstate__(self) -> dict[str, Any]:
        """Copy and pickle without the running sessions."""
        return {name: value for name, value in self.__dict__.items() if name not in ("sessions", "signature")}

    @cached_property
    def sessions(self) -> dict[int, onnxruntime.InferenceSession]:
        """The file, ready to run, for each number of threads on which it ran."""
        return {}

    @cached_property
    def signature(self) -> Signature:
        """What the file takes and returns."""
        return read_signature(self.program.cpu().numpy().tobytes())

    @property
    def session(self) -> onnxruntime.InferenceSession:
        """The file, ready to run on as many threads as PyTorch uses."""
        threads = torch.get_num_threads()
        if threads not in self.sessions:
            self.sessions[threads] = start_session(self.program.cpu().numpy().tobytes())
        return self.sessions[threads]

    def forward(self, x: Tensor) -> Tensor:
        values = x if (self.low, self.high) == (-1, 1) else (x + 1) / 2 * (self.high - self.low) + self.low
        values = values.flatten(1) if len(self.signature.shape) == 1 else values
        session = self.session
        given = np.ascontiguousarray(values.detach().cpu().numpy(), dtype=_dtype(session))
        found = np.asarray(_scores(session, self.signature, given), dtype=np.float32)
        if found.shape != (len(x), self.classes):
            raise OnnxError(f"the ONNX classifier returns scores of shape {found.shape} for {len(x)} images of {self.classes} classes")
        scores = torch.from_numpy(found).to(x.device)
        return scores.clamp(min=SMALLEST).log() if self.output == "probabilities" else scores


def start_session(program: bytes) -> onnxruntime.InferenceSession:
    """Load an ONNX file. Raises OnnxError if it is no plain classifier or ONNX Runtime cannot run it."""
    check_program(program)
    try:
        return onnxruntime.InferenceSession(program, bounded_options(torch.get_num_threads()), providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises classes of its own that share no base
        raise OnnxError(f"ONNX Runtime cannot run it: {' '.join(str(error).split())[:200]}") from None


def read_signature(program: bytes) -> Signature:
    """Read what a classifier takes and returns. Raises OnnxError if the file is not a classifier of images."""
    session = start_session(program)
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type not in FLOATS or len(inputs[0].shape) not in (2, 4):
        found = ", ".join(f"{one.name} {one.type} {one.shape}" for one in inputs)
        raise OnnxError(f"it must take one input of floats, (N, C, H, W) or (N, values), but it takes {found}")
    scores = [one for one in session.get_outputs() if one.type in FLOATS and len(one.shape) == 2]
    if len(scores) != 1 or not isinstance(scores[0].shape[1], int) or scores[0].shape[1] < 2:
        found = ", ".join(f"{one.name} {one.type} {one.shape}" for one in session.get_outputs())
        raise OnnxError(f"it must return one score per class, floats (N, classes), but it returns {found}")
    images, *sides = (side if isinstance(side, int) else None for side in inputs[0].shape)
    if images not in (None, 1):
        raise OnnxError(f"it takes exactly {images} images at a time: export it with an open batch size, or with a batch of 1")
    names = _names(session, scores[0].shape[1])
    return Signature(inputs[0].name, tuple(sides), scores[0].name, scores[0].shape[1], names, single=images == 1)


def recognise_output(program: bytes, image: tuple[int, int, int]) -> Output:
    """Recognise from random images whether a classifier returns probabilities, their logarithms, or logits.

    Raises OnnxError if it fails on one image or on two at once, or returns scores that are not numbers.
    """
    signature, session = read_signature(program), start_session(program)
    shape = (math.prod(image),) if len(signature.shape) == 1 else image
    batch = np.random.default_rng(0).random((PROBES, *shape)).astype(_dtype(session))
    some = [batch[:1], *(batch[at : at + 2] for at in range(1, PROBES, 2))]
    scores = np.concatenate([_scores(session, signature, images) for images in some]).astype(np.float64)
    if not np.isfinite(scores).all():
        raise OnnxError("it returns scores that are not finite numbers: its weights are damaged, or its training diverged")
    if (scores >= -TOLERANCE).all() and np.allclose(scores.sum(axis=1), 1, atol=TOLERANCE):
        return "probabilities"
    if (scores <= TOLERANCE).all() and np.allclose(np.exp(scores).sum(axis=1), 1, atol=TOLERANCE):
        return "log-probabilities"
    return "logits"


def _scores(session: onnxruntime.InferenceSession, signature: Signature, given: NDArray[Any]) -> NDArray[Any]:
    """Return the scores for some images. Raises OnnxError where they cannot be computed, as where they would take too much memory."""
    found: list[NDArray[Any]] = []
    for some in np.split(given, len(given)) if signature.single and len(given) else [given]:
        try:
            outcome: Any = session.run([signature.output], {signature.input: some})
        except Exception as error:  # of classes that share no base
            advice = "" if len(some) < 2 else ". If it was exported for one image at a time, export it with an open batch size"
            count = "1 image" if len(some) == 1 else f"{len(some)} images at once"
            raise OnnxError(f"the ONNX classifier fails on {count}: {' '.join(str(error).split())[:200]}{advice}") from None
        found.append(np.asarray(outcome[0]))
    return np.concatenate(found)


def read_operators(program: bytes) -> list[OnnxOperator]:
    """Return the operators of an ONNX file that hold weights, in the order of the file."""
    model = shape_inference.infer_shapes(onnx.load_from_string(program), data_prop=True)
    shapes = dict(_shapes(model))
    held = {tensor.name: tensor for tensor in model.graph.initializer}
    found = []
    for node in model.graph.node:
        own = [numpy_helper.to_array(held[name]) for name in node.input if name in held]
        if node.op_type not in ("Conv", "Gemm", "MatMul") or not own:
            continue
        attributes = {one.name: one for one in node.attribute}
        kernel, stride = (tuple(attributes[name].ints) if name in attributes else () for name in ("kernel_shape", "strides"))
        groups = attributes["group"].i if "group" in attributes else 1
        parameters = sum(one.size for one in own)
        found.append(OnnxOperator(node.name, node.op_type, kernel, stride, groups, shapes.get(node.output[0], ())[1:], parameters, own[0]))
    return found


def count_macs(program: bytes, image: tuple[int, int, int]) -> int:
    """Count the multiply-adds of one image (C, H, W). Raises OnnxError if shapes are unknown or nothing can be counted."""
    model = onnx.load_from_string(program)
    weights = {tensor.name for tensor in model.graph.initializer}  # older files list them among the inputs
    taken = next(one.type.tensor_type.shape.dim for one in model.graph.input if one.name not in weights)
    sides = (1, math.prod(image)) if len(taken) == 2 else (1, *image)
    for dimension, side in zip(taken, sides, strict=True):
        dimension.dim_value = side
    try:
        model = shape_inference.infer_shapes(model, data_prop=True)
    except Exception as error:  # of a class of its own, too
        raise OnnxError(f"its shapes cannot be inferred: {' '.join(str(error).split())[:200]}") from None
    shapes = dict(_shapes(model))
    total = sum(_macs(node, shapes) for node in model.graph.node)
    if not total:
        raise OnnxError("it has no convolution or matrix product, so its cost cannot be counted")
    return total


def _macs(node: NodeProto, shapes: dict[str, tuple[int, ...]]) -> int:
    if node.op_type not in ("Conv", "Gemm", "MatMul"):
        return 0
    wanted = [node.input[0], node.input[1], node.output[0]]
    if any(not all(shapes.get(name, (0,))) for name in wanted):
        raise OnnxError(f"its cost cannot be counted: the shapes of the operator {node.op_type} {node.name!r} are unknown")
    first, weights, result = (shapes[name] for name in wanted)
    if node.op_type == "Conv":  # weights (filters, channels / groups, ...)
        return math.prod(result[1:]) * math.prod(weights[1:])
    transposed = node.op_type == "Gemm" and any(one.name == "transA" and one.i for one in node.attribute)
    return math.prod(result) * (first[0] if transposed else first[-1])


def _shapes(model: ModelProto) -> Iterator[tuple[str, tuple[int, ...]]]:
    for value in [*model.graph.input, *model.graph.value_info, *model.graph.output]:
        yield value.name, tuple(side.dim_value for side in value.type.tensor_type.shape.dim)
    for tensor in model.graph.initializer:
        yield tensor.name, tuple(tensor.dims)
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].type == onnx.AttributeProto.TENSOR:
            yield node.output[0], tuple(_dims(node.attribute[0].t))


def _dims(tensor: TensorProto) -> Sequence[int]:
    return numpy_helper.to_array(tensor).shape


def _dtype(session: onnxruntime.InferenceSession) -> np.dtype[Any]:
    kinds = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16"}
    return np.dtype(kinds[session.get_inputs()[0].type])


def _names(session: onnxruntime.InferenceSession, classes: int) -> tuple[str, ...]:
    """The names of the classes in the metadata of the file, under `classes` or `names`: a list, or a mapping from numbers."""
    held = session.get_modelmeta().custom_metadata_map
    for key in ("classes", "names"):
        try:
            names = json.loads(held.get(key, "").replace("'", '"'))
        except (json.JSONDecodeError, RecursionError):  # brackets may be nested deeper than Python reads
            continue
        listed = list(names.values()) if isinstance(names, dict) else names
        if isinstance(listed, list) and len(listed) == classes:
            return tuple(map(str, listed))
    return ()
