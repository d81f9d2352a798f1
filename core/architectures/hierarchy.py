"""Hierarchy: a root, and branches that open independently of each other, so that several may run.

Paper: Liu & Deng, AAAI 2018, section 5 (arXiv 1701.00299).

Each branch distinguishes the classes of one group. On a second level, if there is one, each branch has branches of its own for smaller
groups, as the paper's tree has superclasses, coarse classes and leaves. The answer is the scores of all classes side by side. A branch that
did not run sends the default 0 for its classes.
Differs from the paper: a small classifier on the root scores all classes first, and one on each branch those of its group. The controllers
see these scores, and the scores of the branches are added to them, so that an image for which no branch opens has an answer too.
Reconstructed: the sizes, which are options.
"""

from collections.abc import Sequence
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

ANIMALS_VEHICLES = ((2, 3, 4, 5, 6, 7), (0, 1, 8, 9))  # of CIFAR-10
Group = Annotated[tuple[Annotated[int, Field(ge=0, le=9999)], ...], Field(min_length=1)]


class SideBySide(nn.Module):
    """Adds the scores of several groups, each (B, classes of the group), to the scores of all classes (B, classes)."""

    def __init__(self, groups: tuple[tuple[int, ...], ...]) -> None:
        super().__init__()
        self.order: Tensor
        self.register_buffer("order", torch.tensor([number for group in groups for number in group]).argsort())

    def forward(self, scores: Tensor, *groups: Tensor) -> Tensor:
        return scores + torch.cat(groups, dim=1)[:, self.order]


class Hierarchy(Architecture):
    """A shared root, and a branch for each group of classes, which a controller opens for the images that need it."""

    title = "Hierarchy of branches"
    papers = (bibliography.D2NN_PAPER,)
    name: Literal["hierarchy"] = "hierarchy"
    tree: tuple[Group, ...] = Field(
        (),
        title="Classes of each branch",
        description="Class numbers of each branch (empty: CIFAR-10's animals and vehicles for ten classes, otherwise two halves)",
    )
    root: Widths = Field(
        (32, 48), title="Filters of the root", description="Filters of the root's convolutions, the first of which halves the image"
    )
    branch: Widths = Field(
        (64, 96, 96), title="Filters of each branch", description="Filters of each branch's convolutions, the first of which halves the map"
    )

    coarse: tuple[Group, ...] = Field(
        (),
        title="Classes of each second-level branch",
        description="Class numbers of each branch on a second level, each within one branch of the first (empty: one level)",
    )
    fine: Widths = Field(
        (96, 96),
        title="Filters of each second-level branch",
        description="Filters of each second-level branch's convolutions, the first of which halves the map",
    )

    def build(self, image: tuple[int, int, int], classes: int, *, every_lam: bool = False) -> Graph:
        tree = self.tree or (ANIMALS_VEHICLES if classes == 10 else (tuple(range(classes // 2)), tuple(range(classes // 2, classes))))
        _check_partition("tree", tree, classes)
        if self.coarse:
            _check_partition("coarse", self.coarse, classes)
        g = Builder(image, every_lam=every_lam)
        root = g.add("root", convs(image[0], *self.root, stride=2), g.input)
        guess = g.add("guess", classifier(self.root[-1], classes), root)
        g.output("y root", nn.Identity(), guess)
        leaves, fine_leaves, fine_groups = list[str](), list[str](), list[tuple[int, ...]]()
        for number, group in enumerate(tree, start=1):
            _, descend = g.control(f"Q{number}", root, guess, options=("leave", "descend"))
            features = g.add(f"branch {number}", convs(self.root[-1], *self.branch, stride=2), root, when=descend)
            leaf = g.add(f"leaf {number}", classifier(self.branch[-1], len(group)), features)
            leaves.append(leaf)
            for second, inner in enumerate((one for one in self.coarse if set(one) <= set(group)), start=1):
                of = f"{number}-{second}"
                _, descend = g.control(f"Q{of}", features, leaf, options=("leave", "descend"))
                seen = g.add(f"branch {of}", convs(self.branch[-1], *self.fine, stride=2), features, when=descend)
                fine_leaves.append(g.add(f"leaf {of}", classifier(self.fine[-1], len(inner)), seen))
                fine_groups.append(inner)
        if sorted(fine_groups) != sorted(self.coarse):
            raise ConfigError("architecture.coarse: each group must lie within one of architecture.tree")
        first_level = [Edge(leaf, 0.0) for leaf in leaves]
        if not self.coarse:
            g.output("y", SideBySide(tree), guess, *first_level)
            return g.build()
        scores = g.add("scores", SideBySide(tree), guess, *first_level)
        g.output("y", SideBySide(tuple(fine_groups)), scores, *(Edge(leaf, 0.0) for leaf in fine_leaves))
        return g.build()


def _check_partition(option: str, groups: Sequence[tuple[int, ...]], classes: int) -> None:
    """Raise ConfigError unless an option's groups contain each class once."""
    if sorted(number for group in groups for number in group) != list(range(classes)):
        held = "; ".join(", ".join(map(str, group)) for group in groups)
        raise ConfigError(f"architecture.{option} must contain each of the classes 0 to {classes - 1} once; it contains {held}")
