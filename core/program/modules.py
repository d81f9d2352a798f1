"""Writes the modules of nodes as ONNX operators.

Batch norm is folded into the convolution before it. Additions and activations follow the convolution, where ONNX Runtime fuses them.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from core.architectures.hierarchy import SideBySide
from core.architectures.model_cascade import MemberNetwork, fit_image
from core.graph.graph import Graph
from core.modules.answers import WeightedMean
from core.modules.dense import DenseScale
from core.modules.halting import Halt, HaltedMean, HaltingSum
from core.modules.inverted_residual import ConvNorm, InvertedResidual
from core.modules.layers import Add, Constant, Join, Norm, Refined, Residual, Shortcut, Stem
from core.modules.residual import Branch, folded
from core.program.operators import NotWrittenError, Operators

Shape = tuple[int, ...]
Writer = Callable[[Any, Operators, Sequence[str], Sequence[Shape]], str]
WriterType = TypeVar("WriterType", bound=Writer)

WRITERS: dict[type[nn.Module], Writer] = {}  # by exact type, since a subclass may compute something else


def writes(*kinds: type[nn.Module]) -> Callable[[WriterType], WriterType]:
    """Register a function that writes modules of these types: given the module, the program, its inputs' names and their shapes for one
    image, it returns the output's name.
    """

    def register(writer: WriterType) -> WriterType:
        WRITERS.update(dict.fromkeys(kinds, writer))
        return writer

    return register


def write(part: nn.Module, to: Operators, inputs: Sequence[str], shapes: Sequence[Shape]) -> str:
    """Write a module in evaluation mode and return the name of its output. Raises NotWrittenError."""
    if type(part) not in WRITERS:
        of = f"node {to.module!r}: " if to.module else ""
        raise NotWrittenError(f"{of}{type(part).__name__} has no form in ONNX operators: use other layers, or register one by `writes`")
    return WRITERS[type(part)](part, to, inputs, shapes)


def convolve(to: Operators, x: str, convolution: nn.Module, norm: nn.Module | None = None, activation: str = "none") -> str:
    """Write a convolution with the batch norm and the activation (relu, relu6 or none) behind it. Raises NotWrittenError."""
    if type(convolution) is not nn.Conv2d or convolution.padding_mode != "zeros" or isinstance(convolution.padding, str):
        raise NotWrittenError(f"node {to.module!r}: a convolution of this kind has no form in ONNX operators: pad it with zeros")
    weight, bias = convolution.weight.detach(), None if convolution.bias is None else convolution.bias.detach()
    if isinstance(norm, nn.BatchNorm2d):
        scale, shift = (one.detach() for one in folded(norm))
        weight = weight * scale[:, None, None, None]
        bias = shift if bias is None else shift + bias * scale
    given = [to.constant(weight), *([] if bias is None else [to.constant(bias)])]
    x = to.add("Conv", x, *given, **sizes(convolution))
    if activation == "relu6":
        return to.add("Clip", x, *(to.constant(np.array(bound, dtype=np.float32)) for bound in (0, 6)))
    return to.add("Relu", x) if activation == "relu" else x


def sizes(convolution: nn.Conv2d) -> dict[str, Any]:
    """Return the attributes of a convolution's operator."""
    assert not isinstance(convolution.padding, str)
    sides = {"strides": list(convolution.stride), "dilations": list(convolution.dilation)}
    return {"pads": list(convolution.padding) * 2, "group": convolution.groups} | sides


def shortcut(part: Shortcut, to: Operators, x: str) -> str:
    """Write the shortcut of a residual block."""
    if part.idle:
        return x
    if part.downsample is not None:
        return write(part.downsample, to, [x], [()])
    kept = torch.eye(part.channels)[:, :, None, None]  # a convolution stays in the layout of the convolutions around it
    kept = F.pad(kept, (0, 0, 0, 0, 0, 0, part.more // 2, part.more - part.more // 2))
    return to.add("Conv", x, to.constant(kept), strides=[part.stride] * 2, counted=False)


def join(part: Shortcut, to: Operators, x: str, sent: str | None) -> str:
    """Write the end of a residual block: ReLU of the sum of its shortcut and what its branch sent, if anything."""
    short = shortcut(part, to, x)
    return to.add("Relu", short if sent is None else to.add("Add", sent, short))


@writes(nn.Sequential)
def _sequential(part: nn.Sequential, to: Operators, inputs: Sequence[str], shapes: Sequence[Shape]) -> str:
    (x,), leaves = inputs, list(_leaves(part))
    while leaves:
        leaf = leaves.pop(0)
        if isinstance(leaf, nn.Conv2d):
            norm = leaves.pop(0) if leaves and type(leaves[0]) in (nn.BatchNorm2d, Norm) else None
            activation = {nn.ReLU: "relu", nn.ReLU6: "relu6"}.get(type(leaves[0]), "none") if leaves else "none"
            leaves = leaves[activation != "none" :]
            x = convolve(to, x, leaf, norm, activation)
        else:
            x = write(leaf, to, [x], [()])
    return x


def _leaves(part: nn.Module) -> Iterator[nn.Module]:
    """Yield the modules of a sequence, and those of sequences inside it."""
    if type(part) is nn.Sequential:
        for child in part:
            yield from _leaves(child)
    else:
        yield part


@writes(nn.Conv2d)
def _convolution(part: nn.Conv2d, to: Operators, inputs: Sequence[str], shapes: Sequence[Shape]) -> str:
    return convolve(to, inputs[0], part)


@writes(nn.Linear)
def _linear(part: nn.Linear, to: Operators, inputs: Sequence[str], shapes: Sequence[Shape]) -> str:
    x = to.add("MatMul", *inputs, to.constant(part.weight.t()))
    return x if part.bias is None else to.add("Add", x, to.constant(part.bias))


@writes(nn.BatchNorm2d, Norm)
def _norm(part: nn.BatchNorm2d, to: Operators, inputs: Sequence[str], shapes: Sequence[Shape]) -> str:
    scale, shift = (to.constant(one[:, None, None]) for one in folded(part))
    return to.add("Add", to.add("Mul", *inputs, scale), shift)


@writes(nn.ReLU)
def _relu(part: nn.ReLU, to: Operators, inputs: Sequence[str], shapes: Sequence[Shape]) -> str:
    return to.add("Relu", *inputs)


@writes(nn.Identity, nn.Dropout, nn.Dropout2d)
def _identity(part: nn.Module, to: Operators, inputs: Sequence[str], shapes: Sequence[Shape]) -> str:
    return to.add("Identity", *inputs)


@writes(nn.MaxPool2d)
def _max_pool(part: nn.MaxPool2d, to: Operators, inputs: Sequence[str], shapes: Sequence[Shape]) -> str:
    size, step, padding, dilation = (
        [one] * 2 if isinstance(one, int) else list(one) for one in (part.kernel_size, part.stride, part.padding, part.dilation)
    )
    ceil = int(part.ceil_mode)
    return to.add("MaxPool", *inputs, kernel_shape=size, strides=step, pads=padding * 2, dilations=dilation, ceil_mode=ceil)


@writes(nn.AdaptiveAvgPool2d)
def _mean(part: nn.AdaptiveAvgPool2d, to: Operators, inputs: Sequence[str], shapes: Sequence[Shape]) -> str:
    if part.output_size not in (1, (1, 1)):
        raise NotWrittenError(f"node {to.module!r}: an average over parts of a map has no form here: use AdaptiveAvgPool2d(1)")
    return to.add("GlobalAveragePool", *inputs)


@writes(nn.AdaptiveMaxPool2d)
def _maximum(part: nn.AdaptiveMaxPool2d, to: Operators, inputs: Sequence[str], shapes: Sequence[Shape]) -> str:
    if part.output_size not in (1, (1, 1)):
        raise NotWrittenError(f"node {to.module!r}: a maximum over parts of a map has no form here: use AdaptiveMaxPool2d(1)")
    return to.add("GlobalMaxPool", *inputs)


@writes(nn.ZeroPad2d)
def _pad(part: nn.ZeroPad2d, to: Operators, inputs: Sequence[str], shapes: Sequence[Shape]) -> str:
    left, right, top, bottom = part.padding
    return to.add("Pad", *inputs, to.integers(0, 0, top, left, 0, 0, bottom, right))


@writes(nn.Flatten)
def _flatten(part: nn.Flatten, to: Operators, inputs: Sequence[str], shapes: Sequence[Shape]) -> str:
    if (part.start_dim, part.end_dim) != (1, -1):
        raise NotWrittenError(f"node {to.module!r}: Flatten of some dimensions has no form here: flatten all of them")
    return to.add("Flatten", *inputs)


@writes(Add)
def _sum(part: Add, to: Operators, inputs: Sequence[str], shapes: Sequence[Shape]) -> str:
    return to.add("Sum", *inputs)


@writes(Constant)
def _constant(part: Constant, to: Operators, inputs: Sequence[str], shapes: Sequence[Shape]) -> str:
    return to.add("Identity", to.constant(part.value))


@writes(Branch)
def _branch(part: Branch, to: Operators, inputs: Sequence[str], shapes: Sequence[Shape]) -> str:
    (x,), (*layers, last) = inputs, part.layers
    for layer in layers:
        x = convolve(to, x, *layer, activation="relu")
    return convolve(to, x, *last)


@writes(Join)
def _join(part: Join, to: Operators, inputs: Sequence[str], shapes: Sequence[Shape]) -> str:
    return join(part, to, *inputs)


@writes(Residual)
def _residual(part: Residual, to: Operators, inputs: Sequence[str], shapes: Sequence[Shape]) -> str:
    return join(part, to, inputs[0], write(part.second, to, [write(part.first, to, inputs, shapes)], [()]))


@writes(Stem)
def _stem(part: Stem, to: Operators, inputs: Sequence[str], shapes: Sequence[Shape]) -> str:
    x = convolve(to, inputs[0], part.conv1, part.bn1, "relu")
    return write(nn.MaxPool2d(3, 2, 1), to, [x], [()]) if part.large else x


@writes(ConvNorm)
def _conv_norm(part: ConvNorm, to: Operators, inputs: Sequence[str], shapes: Sequence[Shape]) -> str:
    return convolve(to, inputs[0], part.conv, part.bn, part.activation)


@writes(InvertedResidual)
def _inverted(part: InvertedResidual, to: Operators, inputs: Sequence[str], shapes: Sequence[Shape]) -> str:
    (x,) = inputs
    for layer in (part.expand, part.depthwise, part.project):
        x = x if layer is None else write(layer, to, [x], [()])
    return to.add("Add", x, *inputs) if part.adds else x


@writes(Refined)
def _refined(part: Refined, to: Operators, inputs: Sequence[str], shapes: Sequence[Shape]) -> str:
    features, earlier = inputs
    return to.add("Add", write(part.classifier, to, [features], shapes[:1]), earlier)


@writes(DenseScale)
def _dense_scale(part: DenseScale, to: Operators, inputs: Sequence[str], shapes: Sequence[Shape]) -> str:
    features, *finer = inputs
    for number, same in enumerate(part.same):
        added = [write(same, to, [features], [()])]
        for one in finer:
            visible = to.add("Slice", one, to.integers(0), to.integers(part.visible[number]), to.integers(1))
            added.insert(0, write(part.down[number], to, [visible], [()]))
        features = to.add("Concat", features, *added, axis=1)
    return features


@writes(SideBySide)
def _side_by_side(part: SideBySide, to: Operators, inputs: Sequence[str], shapes: Sequence[Shape]) -> str:
    scores, *groups = inputs
    together = to.add("Concat", *groups, axis=1)
    return to.add("Add", scores, to.add("Gather", together, to.constant(part.order), axis=1))


@writes(WeightedMean)
def _weighted_mean(part: WeightedMean, to: Operators, inputs: Sequence[str], shapes: Sequence[Shape]) -> str:
    logs = [to.add("LogSoftmax", one, axis=1) for one in inputs]
    if part.geometric:
        weighted = [to.add("Mul", log, to.constant(weight)) for log, weight in zip(logs, part.weights, strict=True)]
        return to.add("LogSoftmax", to.add("Sum", *weighted), axis=1)
    weighted = [to.add("Add", log, to.constant(weight.log())) for log, weight in zip(logs, part.weights, strict=True)]
    apart = [to.add("Unsqueeze", one, to.integers(2)) for one in weighted]
    return to.add("ReduceLogSumExp", to.add("Concat", *apart, axis=2), axes=[2], keepdims=0)


@writes(MemberNetwork)
def _member(part: MemberNetwork, to: Operators, inputs: Sequence[str], shapes: Sequence[Shape]) -> str:
    """Write a member of a cascade, its images brought to its own size and colours first."""
    network = part.network
    if not isinstance(network, Graph):
        raise NotWrittenError(f"node {to.module!r} is an ONNX file itself: cascades of networks of this project can be written")
    values = {network.input.name: _fitted(part.image, to, inputs[0], shapes[0])}
    for node in network.nodes[1:]:
        given = [values[edge.source] for edge in node.inputs]
        values[node.name] = write(network.parts[node.name], to, given, network.input_shapes(node))
    return values[network.outputs[-1].name]


def _fitted(image: Sequence[int], to: Operators, x: str, shape: Shape) -> str:
    """Write what `fit_image` does to images of this shape, (C, H, W), as products by channel, row and column."""
    (channels, height, width), (own, rows, columns) = image, shape
    if channels != own:
        by_channel = fit_image(torch.eye(own)[:, :, None, None], (channels, 1, 1))[:, :, 0, 0].t()  # (channels, own)
        x = to.add("Conv", x, to.constant(by_channel[:, :, None, None]), counted=False)
    if height != rows:
        by_row = fit_image(torch.eye(rows)[None, None], (1, height, rows))[0, 0]  # (height, rows)
        x = to.add("MatMul", to.constant(by_row), x, counted=False)
    if width != columns:
        by_column = fit_image(torch.eye(columns)[None, None], (1, columns, width))[0, 0]  # (columns, width)
        x = to.add("MatMul", x, to.constant(by_column), counted=False)
    return x


@writes(HaltingSum)
def _halting_sum(part: HaltingSum, to: Operators, inputs: Sequence[str], shapes: Sequence[Shape]) -> str:
    state, *earlier = inputs
    means = to.add("Flatten", to.add("GlobalAveragePool", state))
    score = to.add("Sigmoid", to.add("Gemm", means, to.constant(part.score.weight), to.constant(part.score.bias), transB=1))
    total = to.add("Add", score, *earlier) if earlier else score
    return to.add("Where", to.add("GreaterOrEqual", total, to.number(part.threshold)), to.number(1), total)


@writes(Halt)
def _halt(part: Halt, to: Operators, inputs: Sequence[str], shapes: Sequence[Shape]) -> str:
    (total,) = inputs
    threshold = to.add("Add", to.add("Mul", total, to.number(0)), to.number(part.threshold))
    return to.add("Concat", total, threshold, axis=1)


@writes(HaltedMean)
def _halted_mean(part: HaltedMean, to: Operators, inputs: Sequence[str], shapes: Sequence[Shape]) -> str:
    count = len(inputs) // 2 + 1
    ends = [to.number(0), *inputs[count:], to.number(1)]
    weighted = ""
    for state, (before, after) in zip(inputs[:count], pairwise(ends), strict=True):
        weight = to.add("Reshape", to.add("Sub", after, before), to.integers(-1, 1, 1, 1))
        product = to.add("Mul", state, weight)
        weighted = to.add("Add", weighted, product) if weighted else product
    return weighted
