"""Networks of inverted residual blocks: their cost in closed form, their blocks, and weights under published names."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from core.architectures.imagenet import DEVIATION, MEAN, absorb_colours
from core.architectures.mobile import Mobile
from core.graph.checkpoint import pack
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.initialisation import initialise_from
from core.graph.policy import Open
from core.graph.static import static_macs
from core.modules.inverted_residual import InvertedResidual
from core.registry import ConfigError
from core.training.members import recognise

SMALL = Mobile(stem=4, stages=((4, 1, 1, 0), (6, 2, 2, 3)), head=16)


def answers(graph: Graph, images: Tensor) -> Tensor:
    with torch.no_grad():
        return execute(graph.eval(), images, Open()).output


def test_the_cost_is_that_of_its_convolutions_and_its_linear_layer() -> None:
    graph = SMALL.build((3, 8, 8), 5)
    stem = 8 * 8 * 4 * 3 * 9
    first = 8 * 8 * (4 * 9 + 4 * 4)  # no expanding convolution
    second = 8 * 8 * 4 * 12 + 4 * 4 * (12 * 9 + 12 * 6)  # halves the map
    third = 4 * 4 * (6 * 18 + 18 * 9 + 18 * 6)
    head = 4 * 4 * 6 * 16 + 16 * 5
    assert static_macs(graph) == stem + first + second + third + head


@pytest.mark.parametrize(("stride", "filters", "adds"), [(1, 4, True), (1, 6, False), (2, 4, False)])
def test_a_block_adds_its_input_where_the_shape_stays(stride: int, filters: int, adds: bool) -> None:
    torch.manual_seed(0)
    block, x = InvertedResidual(4, filters, stride, 3).eval(), torch.randn(2, 4, 6, 6)
    assert block.expand is not None
    alone = block.project(block.depthwise(block.expand(x)))
    assert torch.equal(block(x), x + alone if adds else alone)
    assert block(x).shape == (2, filters, 6 // stride, 6 // stride)


def test_relu6_is_bounded() -> None:
    block = InvertedResidual(2, 2, 1, 0, "relu6").eval()
    assert float(block.depthwise(100 * torch.ones(1, 2, 4, 4).abs()).detach().max()) <= 6


def published(architecture: Mobile, graph: Graph) -> dict[str, Tensor]:
    """Name the weights of a graph as torchvision names those of MobileNetV2."""
    weights, last = {}, 1 + sum(count for _, count, _, _ in architecture.stages)
    for name, tensor in graph.state_dict().items():
        if not name.startswith("parts."):
            continue
        _, node, layer, *rest = name.split(".")
        kind = {"conv": 0, "bn": 1}
        if node in ("stem", "head"):
            weights[f"features.{0 if node == 'stem' else last}.{kind[layer]}.{rest[0]}"] = tensor
        elif node == "y":
            weights[f"classifier.1.{rest[0]}"] = tensor
        else:
            block = graph.parts[node]
            assert isinstance(block, InvertedResidual)
            steps = [step for step in ("expand", "depthwise", "project") if getattr(block, step) is not None]
            number, at = node.removeprefix("block "), steps.index(layer)
            place = f"{at + kind[rest[0]]}" if layer == "project" else f"{at}.{kind[rest[0]]}"
            weights[f"features.{number}.conv.{place}.{rest[1]}"] = tensor
    return weights


def mobilenet_v2() -> tuple[Mobile, dict[str, Tensor]]:
    """Return a narrow MobileNetV2 with random weights under torchvision's names, and its architecture."""
    stages = ((2, 1, 1, 0), (3, 2, 2, 6), (4, 3, 2, 6), (5, 4, 2, 6), (6, 3, 1, 6), (7, 3, 2, 6), (8, 1, 1, 6))
    architecture = Mobile(stem=4, stem_stride=2, stages=stages, head=20, activation="relu6")
    torch.manual_seed(0)
    return architecture, published(architecture, architecture.build((3, 32, 32), 5))


def test_published_mobilenets_are_recognised_and_loaded_whole() -> None:
    architecture, weights = mobilenet_v2()
    assert recognise(weights) == (architecture, 5)
    graph = architecture.build((3, 32, 32), 5)
    state = {name.removeprefix("graph."): tensor for name, tensor in architecture.own_weights(weights).items()}
    own = graph.state_dict()
    assert {name for name in own if name.startswith("parts.")} == set(state)
    assert all(state[name].shape == own[name].shape for name in state)
    changed = {
        name
        for name in state
        if name.startswith("parts.stem") and "num" not in name and not torch.equal(state[name], weights_of(weights, name))
    }
    assert changed == {"parts.stem.conv.weight", "parts.stem.bn.running_mean"}  # they absorb the colours


def weights_of(weights: dict[str, Tensor], name: str) -> Tensor:
    """Return the published tensor behind one of the stem's names."""
    layer, tensor = name.split(".")[2:]
    return weights[f"features.0.{0 if layer == 'conv' else 1}.{tensor}"]


def test_weights_of_another_depth_are_refused() -> None:
    _, weights = mobilenet_v2()
    shorter = {name: tensor for name, tensor in weights.items() if not name.startswith("features.18.")}
    with pytest.raises(ConfigError, match="has 17 blocks, this file 16"):
        recognise(shorter)


def test_the_first_convolution_absorbs_the_colours_of_imagenet() -> None:
    torch.manual_seed(0)
    image, weight, mean = torch.rand(2, 3, 8, 8), torch.randn(4, 3, 3, 3), torch.randn(4)
    colour, deviation = (torch.tensor(values)[:, None, None] for values in (MEAN, DEVIATION))
    absorbed = absorb_colours({"w": weight, "m": mean}, "w", "m")
    expected = F.conv2d((image - colour) / deviation, weight) - mean[:, None, None]
    found = F.conv2d(2 * image - 1, absorbed["w"]) - absorbed["m"][:, None, None]
    assert torch.allclose(found, expected, atol=1e-4)


def test_own_names_load() -> None:
    torch.manual_seed(0)
    source, target = SMALL.build((3, 8, 8), 5), SMALL.build((3, 8, 8), 5)
    images = torch.randn(3, 3, 8, 8)
    assert not torch.equal(answers(source, images), answers(target, images))
    initialise_from(pack(source), target, SMALL.own_weights)
    assert torch.equal(answers(source, images), answers(target, images))
