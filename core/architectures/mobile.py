"""Mobile: inverted residual blocks without gates (Sandler et al., MobileNetV2, CVPR 2018, arXiv 1801.04381).

A block expands its channels by a 1×1 convolution, filters each of them by a 3×3 convolution of its own (depthwise) and projects them back
by another 1×1 convolution. Its input is added where the stride is 1 and the number of channels stays.

Differs from the paper:
- The activation is ReLU unless `activation` is relu6, and there is no dropout.
- An expansion of 1 is computed as a convolution; an expansion of 0 leaves it out, as MobileNetV2's first block does.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor

from core import bibliography
from core.architectures import Architecture
from core.architectures.imagenet import absorb_colours
from core.graph.builder import Builder
from core.graph.graph import Graph
from core.modules.inverted_residual import ConvNorm, InvertedResidual
from core.modules.layers import classifier
from core.registry import Decides

Filters = Annotated[int, Field(ge=1, le=4096)]
Stage = tuple[Filters, Annotated[int, Field(ge=1, le=64)], Annotated[int, Field(ge=1, le=2)], Annotated[int, Field(ge=0, le=16)]]
OWN = re.compile(r"(stem|head|classifier|block(\d+))\.(.+)")
TORCHVISION = re.compile(r"features\.(\d+)\.(?:conv\.)?(.+)")


class MobileShape(Architecture):
    """The options of networks of inverted residual blocks, and the names of their published weights."""

    stem: Filters = Field(16, title="Filters of the stem", description="Filters of the first convolution")
    stem_stride: int = Field(1, ge=1, le=2, title="Stride of the stem", description="Stride of the first convolution; 2 halves the map")
    stages: Annotated[tuple[Stage, ...], Field(min_length=1, max_length=16)] = Field(
        ((16, 1, 2, 2), (24, 2, 1, 3), (48, 3, 2, 3), (96, 2, 2, 3)),
        title="Stages of blocks",
        description="Stages of blocks: channels, count, stride of the first block, expansion (0: no expanding convolution)",
    )
    head: Filters = Field(192, title="Filters of the head", description="Filters of the 1×1 convolution before the classifier")
    activation: Literal["relu", "relu6"] = Field(
        "relu",
        title="Activation",
        description="Activation; relu6 as in the published MobileNetV2",
        json_schema_extra={"labels": {"relu": "ReLU", "relu6": "ReLU6"}},
    )

    def own_weights(self, published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename weights of this shape, `block1.expand.conv.weight` and so on, or torchvision's, `features.1.conv.0.0.weight` and so on.

        The first convolution absorbs the colours that torchvision's weights expect (see imagenet.py).
        """
        if any(TORCHVISION.fullmatch(name) for name in published):
            last = max(int(found[1]) for name in published if (found := TORCHVISION.fullmatch(name)))
            renamed = {_from_torchvision(name, last, self._first_without_expansion): tensor for name, tensor in published.items()}
            return absorb_colours(renamed, "parts.stem.conv.weight", "parts.stem.bn.running_mean")
        return {_own_name(name): tensor for name, tensor in published.items()}

    @property
    def _first_without_expansion(self) -> frozenset[int]:
        """The numbers of the blocks that have no expanding convolution."""
        expansions = [expansion for _, count, _, expansion in self.stages for _ in range(count)]
        return frozenset(number for number, expansion in enumerate(expansions, start=1) if not expansion)

    @property
    def blocks(self) -> Iterator[tuple[str, int, int, int]]:
        """The name, the filters, the stride and the expansion of each block."""
        number = 0
        for filters, count, first_stride, expansion in self.stages:
            for place in range(count):
                number += 1
                yield f"block {number}", filters, 1 if place else first_stride, expansion


class Mobile(MobileShape):
    """A small network of inverted residual blocks (MobileNetV2)."""

    title = "MobileNetV2"
    papers = (bibliography.MOBILENET,)
    name: Literal["mobile"] = "mobile"

    @property
    def decides(self) -> Decides:
        return None

    def build(self, image: tuple[int, int, int], classes: int, *, every_lam: bool = False) -> Graph:
        g = Builder(image)
        before, channels = g.add("stem", ConvNorm(image[0], self.stem, 3, self.stem_stride, activation=self.activation), g.input), self.stem
        for name, filters, stride, expansion in self.blocks:
            block = InvertedResidual(channels, filters, stride, expansion, self.activation)
            before, channels = g.add(name, block, before), filters
        before = g.add("head", ConvNorm(channels, self.head, 1, activation=self.activation), before)
        g.output("y", classifier(self.head, classes), before)
        return g.build()


def _own_name(name: str) -> str:
    found = OWN.fullmatch(name)
    if found is None:
        return name
    node, number, rest = found.groups()
    return f"parts.y.2.{rest}" if node == "classifier" else f"parts.{f'block {number}' if number else node}.{rest}"


def _from_torchvision(name: str, last: int, plain: frozenset[int]) -> str:
    """Return this architecture's name of a tensor of torchvision's MobileNetV2, whose `features` end with the number `last`."""
    if name.startswith("classifier.1."):
        return name.replace("classifier.1", "parts.y.2")
    found = TORCHVISION.fullmatch(name)
    if found is None:
        return name
    number, rest = int(found[1]), found[2]
    if number in (0, last):
        layer, _, tensor = rest.partition(".")
        return f"parts.{'head' if number else 'stem'}.{'bn' if layer == '1' else 'conv'}.{tensor}"
    steps = ("depthwise", "project") if number in plain else ("expand", "depthwise", "project")
    step, _, tensor = rest.partition(".")
    if int(step) < len(steps) - 1:  # a convolution and its norm in a block of their own
        layer, _, tensor = tensor.partition(".")
        return f"parts.block {number}.{steps[int(step)]}.{'bn' if layer == '1' else 'conv'}.{tensor}"
    return f"parts.block {number}.project.{'bn' if int(step) == len(steps) else 'conv'}.{tensor}"
