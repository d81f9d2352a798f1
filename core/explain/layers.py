"""What is inside a node's module: its layers in the order in which they run, with their shapes, and how its weights are distributed.

A layer is a PyTorch module without modules inside it. Functions without weights, such as an addition, are not listed.
"""

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from core.graph.graph import Graph
from core.modules.onnx_network import OnnxNetwork, OnnxOperator, read_operators

BINS = 41  # of a histogram; odd, so that weights around zero share one
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """One layer: its name in the module and its class, the kernel and stride of a convolution or pooling and the groups of a convolution,
    the shape of its output for one image, and its number of parameters.
    """

    name: str
    kind: str
    kernel: Shape
    stride: Shape
    groups: int
    shape: Shape
    parameters: int


@dataclass(frozen=True)
class LayerGroup:
    """Layers that belong together: a whole module, or a node of the network that a module holds, with that node's cost."""

    name: str
    shape: Shape
    parameters: int
    macs: int
    layers: list[Layer]


@dataclass(frozen=True)
class Histogram:
    """How many weights lie in each of BINS intervals of equal width between −limit and limit, their mean and standard deviation."""

    limit: float
    counts: list[int]
    mean: float
    deviation: float


@dataclass(frozen=True)
class Inside:
    """What a module holds. Without weights there is no histogram; batch norms and biases do not count as weights."""

    blocks: list[LayerGroup]
    histogram: Histogram | None


@torch.no_grad()
def inside(graph: Graph, name: str) -> Inside:
    """Return what the module of a node holds. It is run once, on an empty image, to see the shapes."""
    node, part = graph.by_name[name], copy.deepcopy(graph.parts[name]).eval()
    if network := next((one for one in part.modules() if isinstance(one, OnnxNetwork)), None):
        operators = read_operators(network.program.cpu().numpy().tobytes())
        found, weights = [_operator(one) for one in operators], [torch.from_numpy(one.weights) for one in operators]
    else:
        named: dict[str, Tensor | bool] = {"weight": torch.zeros(1)} if node.kind == "control" else {}
        if node.channels is not None:
            named = {"channels": torch.ones(1, node.channels.count), "dense": True}
        found = _layers(part, [torch.zeros(1, *graph.shapes[edge.source]) for edge in node.inputs], named)
        weights = [values for values in part.parameters() if values.dim() > 1]
    held = next(((path, one) for path, one in part.named_modules() if isinstance(one, Graph)), None)
    if held is None:
        parameters = sum(values.numel() for values in part.parameters()) or sum(one.parameters for one in found)
        blocks = [LayerGroup("", graph.shapes[name], parameters, graph.macs[name], found)]
    else:
        blocks = _blocks(*held, found)
    return Inside(blocks, _histogram(weights))


def _blocks(path: str, network: Graph, layers: Sequence[Layer]) -> list[LayerGroup]:
    """Return the nodes of a network at this path inside a module, each with its own layers."""
    found = []
    for node in network.nodes[1:]:
        prefix = f"{path}.parts.{node.name}"
        own = [one for one in layers if one.name == prefix or one.name.startswith(f"{prefix}.")]
        own = [Layer(one.name[len(prefix) + 1 :], one.kind, one.kernel, one.stride, one.groups, one.shape, one.parameters) for one in own]
        parameters = sum(values.numel() for values in network.parts[node.name].parameters())
        found.append(LayerGroup(node.name, network.shapes[node.name], parameters, network.macs[node.name], own))
    return found


def _layers(part: nn.Module, inputs: Sequence[Tensor], named: Mapping[str, Tensor | bool]) -> list[Layer]:
    """Return the layers that run for inputs (1, ...), in their order."""
    found: list[Layer] = []

    def listen(name: str, layer: nn.Module) -> None:
        def note(_layer: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
            found.append(_layer_of(name, layer, tuple(output.shape[1:])))

        layer.register_forward_hook(note)

    for name, layer in part.named_modules():
        if next(layer.children(), None) is None:
            listen(name, layer)
    part(*inputs, **named)
    return found


def _layer_of(name: str, layer: nn.Module, shape: Shape) -> Layer:
    parameters = sum(values.numel() for values in layer.parameters())
    kernel, stride = (_sides(getattr(layer, what, ())) for what in ("kernel_size", "stride"))
    kind = next(known.__name__ for known in type(layer).__mro__ if known.__module__.startswith("torch.") or known is type(layer))
    if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
        kind = "BatchNorm"
    return Layer(name, kind, kernel, stride, getattr(layer, "groups", 1), shape, parameters)


def _operator(one: OnnxOperator) -> Layer:
    return Layer(one.name, one.kind, one.kernel, one.stride, one.groups, one.shape, one.parameters)


def _sides(value: int | Sequence[int]) -> Shape:
    return (value, value) if isinstance(value, int) else tuple(value)


def _histogram(weights: Sequence[Tensor]) -> Histogram | None:
    values = torch.cat([one.detach().flatten().float().cpu() for one in weights]) if weights else torch.empty(0)
    if not len(values):
        return None
    limit = float(values.abs().max())
    if limit == 0 or not math.isfinite(limit):
        return None
    counts = torch.histc(values, BINS, -limit, limit).long().tolist()
    return Histogram(limit, counts, float(values.mean()), float(values.std(correction=0)))
