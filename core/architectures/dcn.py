"""Dynamic Capacity Network: coarse features of the whole image, and fine ones of the patches on which the answer depends most.

Paper: Almahairi et al., ICML 2016 (arXiv 1511.07838), with the network of section 4.1 for cluttered MNIST of 100×100 pixels.

Two coarse convolutions see the whole image, and top layers answer from their features. The features to which the entropy of this answer is
most sensitive are replaced by those of five fine convolutions on patches of 14×14 pixels, and the same top layers answer again.
Differs from the paper: with `early_exit` (the default) the first answer is an exit, and a controller decides for each image whether a
closer look is worth its cost. Without it, every image is looked at closely, as published. The top layers have no batch norm, so that the
gradient of the entropy has the same closed form in training (core/modules/patches.py). Smaller images are framed with zeros.
Reconstructed: the sizes of the layers, the alignment of the patches, and the weight of the hint.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field
from torch import nn

from core import bibliography
from core.architectures import Architecture
from core.graph.builder import Builder
from core.graph.graph import Graph
from core.graph.node import Gate
from core.modules.layers import Norm
from core.modules.patches import EachPatch, EntropyGradient, Patches, Replace
from core.registry import ConfigError, Decides

Filters = Annotated[int, Field(ge=1, le=4096)]
PATCH_SIDE = 14  # pixels of a patch
PATCH_STEP = 4  # pixels between neighbouring coarse features
PATCH_MARGIN = (1, 2)  # a patch begins so many pixels before the 11 that its coarse feature sees, and ends so many behind
LEAST_SIDE = 23  # pixels of an image that leave the top layers a map of one pixel


class DCN(Architecture):
    """A coarse look at the whole image, and a fine one at the patches that matter most for the answer."""

    title = "Dynamic Capacity Network"
    papers = (bibliography.DYNAMIC_CAPACITY, bibliography.D2NN_PAPER)
    as_published: ClassVar[Mapping[str, Any]] = {"early_exit": False}
    name: Literal["dcn"] = "dcn"
    patches: int = Field(8, ge=1, le=4096, title="Patches", description="Patches that are looked at closely")
    coarse: tuple[Filters, Filters] = Field(
        (12, 24), title="Filters of the coarse layers", description="Filters of both coarse convolutions, of 7×7 and 3×3 pixels"
    )
    fine: Filters = Field(24, title="Filters of the fine layers", description="Filters of the first four of the five fine convolutions")
    top: Filters = Field(96, title="Filters of the top layers", description="Filters of the convolution from whose maxima the answer comes")
    hint: float = Field(
        0.01,
        ge=0,
        le=10,
        title="Hint",
        description="Weight of the squared distance between coarse and fine features, from which the coarse layers learn (0: none)",
    )
    early_exit: bool = Field(
        True,
        title="Early exit",
        description="Let a controller decide whether a closer look is worth its cost; otherwise all images are looked at closely",
    )

    @property
    def decides(self) -> Decides:
        return "one" if self.early_exit else None

    def build(self, image: tuple[int, int, int], classes: int, *, every_lam: bool = False) -> Graph:
        g = Builder(image, every_lam=every_lam and self.early_exit)
        channels, features = image[0], self.coarse[-1]
        frame = [max(LEAST_SIDE - side, 0) for side in image[:0:-1]]  # of the width and the height
        seen = g.input
        if any(frame):
            seen = g.add("frame", nn.ZeroPad2d((frame[0] // 2, -(-frame[0] // 2), frame[1] // 2, -(-frame[1] // 2))), seen)
        coarse = g.add("coarse", nn.Sequential(_conv(channels, self.coarse[0], 7, 2), _conv(*self.coarse, 3, 2)), seen)
        _, height, width = g.shapes[coarse]
        if self.patches > height * width:
            raise ConfigError(f"patches must be at most {height * width}, one for each coarse feature of an image of this size")
        detector, head = nn.Conv2d(features, self.top, 4, stride=2), nn.Linear(self.top, classes)
        detect, conclude = nn.Sequential(detector, nn.ReLU()), nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten(), head)
        evidence = g.add("evidence", detect, coarse)
        answer = g.add("answer", conclude, evidence)
        closer: tuple[Gate, ...] = ()
        if self.early_exit:
            closer = g.control("Q", evidence, answer, options=("stop", "look closer"))[1:]
            g.output("y coarse", nn.Identity(), answer)
        saliency = g.add("saliency", EntropyGradient(detector, head, (height, width)), evidence, answer, when=closer)
        patches = g.add("patches", Patches(self.patches, PATCH_SIDE, PATCH_STEP, PATCH_MARGIN), seen, saliency)
        fine = g.add("fine", EachPatch(self._fine(channels), self.patches), patches)
        refined = g.add("refined", Replace(self.hint), coarse, fine, saliency)
        g.output("y", conclude, g.add("refined evidence", detect, refined))
        return g.build()

    def _fine(self, channels: int) -> nn.Sequential:
        """Return the fine layers, which make one feature of a patch: (B, channels, 14, 14) to (B, features, 1, 1)."""
        width, features = self.fine, self.coarse[-1]
        return nn.Sequential(
            *(_conv(channels, width, 3), _conv(width, width, 3, padding=1), nn.MaxPool2d(2)),
            *(_conv(width, width, 3, padding=1), _conv(width, width, 3, padding=1), nn.MaxPool2d(2)),
            _conv(width, features, 3),
        )


def _conv(channels: int, filters: int, kernel: int, stride: int = 1, padding: int = 0) -> nn.Sequential:
    """Return a convolution, batch norm and ReLU."""
    return nn.Sequential(nn.Conv2d(channels, filters, kernel, stride, padding, bias=False), Norm(filters), nn.ReLU(inplace=True))
