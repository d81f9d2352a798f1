"""Hierarchy: a root, and branches that are opened independently of each other; several may run (Liu & Deng, AAAI 2018, section 5).

Each branch tells the classes of one group apart. The answer is the scores of all classes side by side; a branch that did not run
sends the default 0 for its classes.
Differs from the paper: there is one level of branches. A small classifier of all classes on the root answers too: the controllers see its
answer, and what the branches send is added to its scores, so that an image that no branch was opened for has an answer as well.
Reconstructed: the sizes, which are options.
"""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from core import bibliography
from core.architectures import Architecture, Widths
from core.graph.builder import Builder
from core.graph.graph import Graph
from core.graph.node import Edge
from core.modules.layers import classifier, convs
from core.registry import ConfigError

ANIMALS_VEHICLES = ((2, 3, 4, 5, 6, 7), (0, 1, 8, 9))
Group = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]


class SideBySide(nn.Module):
    """Scores of all classes (B, classes), and added to them those of several groups, each (B, classes of the group)."""

    def __init__(self, groups: tuple[tuple[int, ...], ...]) -> None:
        super().__init__()
        self.order: Tensor
        self.register_buffer("order", torch.tensor([number for group in groups for number in group]).argsort())

    def forward(self, scores: Tensor, *groups: Tensor) -> Tensor:
        return scores + torch.cat(groups, dim=1)[:, self.order]


class Hierarchy(Architecture):
    """Coarse decisions open fine classifiers."""

    papers = (bibliography.D2NN,)
    name: Literal["hierarchy"] = "hierarchy"
    tree: tuple[Group, ...] = Field(
        (), description="the class numbers of each branch; none: CIFAR-10's animals and vehicles for ten classes, else two halves"
    )
    root: Widths = Field((32, 48), description="filters of the root's convolutions, which halve the image once")
    branch: Widths = Field((64, 96, 96), description="filters of each branch's convolutions, which halve the map once more")

    def build(self, image: tuple[int, int, int], classes: int, *, every_lam: bool = False) -> Graph:
        tree = self.tree or (ANIMALS_VEHICLES if classes == 10 else (tuple(range(classes // 2)), tuple(range(classes // 2, classes))))
        if sorted(number for group in tree for number in group) != list(range(classes)):
            held = "; ".join(", ".join(map(str, group)) for group in tree)
            raise ConfigError(f"architecture.tree must hold each of the classes 0 to {classes - 1} once; it holds {held}")
        g = Builder(image, every_lam=every_lam)
        root = g.add("root", convs(image[0], *self.root, stride=2), g.input)
        guess = g.add("guess", classifier(self.root[-1], classes), root)
        g.output("y root", nn.Identity(), guess)
        leaves = []
        for number, group in enumerate(tree, start=1):
            _, descend = g.control(f"Q{number}", root, guess, options=("leave", "descend"))
            features = g.add(f"branch {number}", convs(self.root[-1], *self.branch, stride=2), root, when=descend)
            leaves.append(g.add(f"leaf {number}", classifier(self.branch[-1], len(group)), features))
        g.output("y", SideBySide(tree), guess, *(Edge(leaf, 0.0) for leaf in leaves))
        return g.build()
