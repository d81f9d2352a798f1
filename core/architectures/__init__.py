"""The shapes of network that can be trained, one file each."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from core.registry import Component, Decides

if TYPE_CHECKING:
    from torch import Tensor

    from core.graph.graph import Graph

Widths = Annotated[tuple[Annotated[int, Field(ge=1, le=4096)], ...], Field(min_length=1, max_length=64)]


class Architecture(Component):
    """A graph of modules; its options are sizes."""

    @property
    def decides(self) -> Decides:
        """How its control nodes decide: for one of their options, or for each by itself; none without control nodes."""
        return "one"

    @property
    def frozen(self) -> tuple[str, ...]:
        """The nodes that are never trained; they see the image alone, so their answers to each image are computed once."""
        return ()

    def fit(self, graph: Graph, images: Tensor, labels: Tensor) -> None:
        """Fit what gradients do not train, before training, to holdout images (N, C, H, W) of classes (N,)."""

    def own_weights(self, published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The weights of the usual published files of this shape as its graph has them; what is not known stays as it is."""
        return dict(published)

    @abstractmethod
    def build(self, image: tuple[int, int, int], classes: int, *, every_lam: bool = False) -> Graph:
        """The graph for images of shape (C, H, W), with freshly drawn weights.

        `every_lam`: the controllers hold two values per option, accuracy and cost, so that one network serves every λ.
        Raises ConfigError where the images do not fit.
        """
