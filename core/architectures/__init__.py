"""The network architectures that can be trained, one file each."""

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
    """An architecture with its options, most of which are sizes; `build` makes a graph of modules of it."""

    @property
    def decides(self) -> Decides:
        """How its control nodes decide: "one" picks one option (D2NN), "each" opens each gate by its score (LC-Net), "halt" stops when the
        halting scores add up to enough (ACT). None: no gates.
        """
        return "one"

    @property
    def early_exits(self) -> bool:
        """Whether each control node sees an answer and decides whether it stands; otherwise the next nodes run."""
        return False

    @property
    def frozen(self) -> tuple[str, ...]:
        """The nodes that are never trained; they see the image alone, so their answers to each image are computed once."""
        return ()

    @property
    def needs_weights(self) -> bool:
        """Whether its frozen nodes have weights of their own, without which it cannot be trained."""
        return False

    @property
    def pretrained(self) -> Mapping[str, Architecture]:
        """The nodes whose networks are not trained along, with the architectures of these networks; `training.init_nodes` names weights."""
        return {}

    @property
    def origins(self) -> dict[str, str]:
        """Where the weights of frozen nodes come from, by node."""
        return {}

    @property
    def command(self) -> str:
        """The command of `python -m core` that trains it, with its arguments."""
        return f"train {self.name}"

    def fit(self, graph: Graph, images: Tensor, labels: Tensor) -> None:
        """Fit what gradients do not train, before training, to holdout images (N, C, H, W) of classes (N,)."""

    def own_weights(self, published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return published weights under the names that this architecture's graph gives them. Unknown names stay as they are."""
        return dict(published)

    @abstractmethod
    def build(self, image: tuple[int, int, int], classes: int, *, every_lam: bool = False) -> Graph:
        """Return the graph for images of shape (C, H, W), with freshly drawn weights.

        `every_lam`: the controllers hold two values per option, accuracy and cost, so that one network serves every λ.
        Raises ConfigError if the images or the number of classes do not fit.
        """
