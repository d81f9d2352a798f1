"""Writes a closer look at the most salient places of an image as ONNX operators, for any number of images."""

from collections.abc import Sequence

import torch
from onnx import TensorProto

from core.graph.measure import measure
from core.modules.patches import EachPatch, EntropyGradient, Patches, Replace
from core.program.modules import Shape, write, writes
from core.program.operators import Operators


@writes(EntropyGradient)
def _entropy_gradient(part: EntropyGradient, to: Operators, inputs: Sequence[str], shapes: Sequence[Shape]) -> str:
    (evidence, answer), (_, height, width) = inputs, shapes[0]
    logs = to.add("LogSoftmax", answer, axis=1)
    chances = to.add("Exp", logs)
    negative_entropy = to.add("ReduceSum", to.add("Mul", chances, logs), to.integers(1), keepdims=1)
    backwards = to.add("Mul", chances, to.add("Sub", negative_entropy, logs))
    backwards = to.add("MatMul", backwards, to.constant(part.head.weight))
    flat = to.add("Reshape", evidence, to.integers(0, 0, -1))
    first = to.add("Equal", to.add("ArgMax", flat, axis=2, keepdims=1), to.constant(torch.arange(height * width)))
    opened = to.add("Greater", to.add("ReduceMax", flat, axes=[2], keepdims=1), to.number(0))
    place = to.add("Cast", to.add("And", first, opened), to=TensorProto.FLOAT)
    sent = to.add("Mul", place, to.add("Unsqueeze", backwards, to.integers(2)))
    sent = to.add("Reshape", sent, to.integers(0, 0, height, width))
    weight, strides = to.constant(part.detector.weight), [part.stride] * 2
    gradient = to.add("ConvTranspose", sent, weight, strides=strides, output_padding=part.output_padding)
    return to.add("ReduceL2", gradient, axes=[1], keepdims=1)


@writes(Patches)
def _patches(part: Patches, to: Operators, inputs: Sequence[str], shapes: Sequence[Shape]) -> str:
    (images, saliency), ((channels, _, width), (_, _, columns)) = inputs, shapes
    (before, after), side, count = part.margin, part.side, part.count
    across = before + width + after
    framed = to.add("Pad", images, to.integers(0, 0, before, before, 0, 0, after, after))
    pixels = to.add("Transpose", to.add("Reshape", framed, to.integers(0, 0, -1)), perm=[0, 2, 1])  # (images, pixels, C)
    places = _most_salient(to, saliency, count)
    down = to.add("Mul", to.add("Div", places, to.integers(columns)), to.integers(part.step * across))
    corners = to.add("Add", down, to.add("Mul", to.add("Mod", places, to.integers(columns)), to.integers(part.step)))
    within = (torch.arange(side)[:, None] * across + torch.arange(side)).flatten()
    chosen = to.add("Add", to.add("Unsqueeze", corners, to.integers(2)), to.constant(within))  # (images, count, side · side)
    chosen = to.add("Reshape", chosen, to.integers(0, count * side * side, 1))
    cut = to.add("GatherND", pixels, chosen, batch_dims=1)  # (images, count · side · side, C)
    cut = to.add("Transpose", to.add("Reshape", cut, to.integers(0, count, side * side, channels)), perm=[0, 1, 3, 2])
    return to.add("Reshape", cut, to.integers(0, count * channels, side, side))


@writes(EachPatch)
def _each_patch(part: EachPatch, to: Operators, inputs: Sequence[str], shapes: Sequence[Shape]) -> str:
    patch = (shapes[0][0] // part.count, *shapes[0][1:])
    (filters, *_), _ = measure(part.layers, [patch])
    features = write(part.layers, to, [to.add("Reshape", *inputs, to.integers(-1, *patch))], [patch])
    features = to.add("Transpose", to.add("Reshape", features, to.integers(-1, part.count, filters)), perm=[0, 2, 1])
    return to.add("Unsqueeze", features, to.integers(2))


@writes(Replace)
def _replace(part: Replace, to: Operators, inputs: Sequence[str], shapes: Sequence[Shape]) -> str:
    (coarse, fine, saliency), (features, _, count) = inputs, shapes[1]
    places = to.add("Unsqueeze", _most_salient(to, saliency, count), to.integers(1))
    places = to.add("Expand", places, to.integers(1, features, 1))
    flat, looked = (to.add("Reshape", one, to.integers(0, 0, -1)) for one in (coarse, fine))
    return to.add("Reshape", to.add("ScatterElements", flat, places, looked, axis=2), to.integers(0, *shapes[0]))


def _most_salient(to: Operators, saliency: str, count: int) -> str:
    """Write the places of the largest values of a map, (images, count)."""
    return to.add_all("TopK", 2, to.add("Flatten", saliency), to.integers(count), axis=1)[1]
