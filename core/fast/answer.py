"""The answer of a run in the fast engine."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Mask = NDArray[np.bool_]
Part = TypeVar("Part", Tensor, Mask)


@dataclass(frozen=True)
class Answer:
    """The answer for B images.

    output  (B, classes): that of the last output node that ran; not-a-number if none did
    gates   {control node: (B, K)}, zero if it did not run
    masks   {node: (B,)}, the images for which it ran
    """

    output: Tensor
    gates: Mapping[str, Tensor]
    masks: Mapping[str, Mask]

    @property
    def ran(self) -> dict[str, Tensor]:
        """The images for which each node ran, (B,) bool."""
        return {name: torch.from_numpy(mask) for name, mask in self.masks.items()}


class Columns(Mapping[str, Part], Generic[Part]):
    """Parts of the values of all nodes, (B, columns), by the nodes' names; each is taken when it is asked for."""

    def __init__(self, places: Mapping[str, int | slice], values: Part) -> None:
        """`places`: the column of each node, or several as a slice."""
        self.places = places
        self.all: Part = values

    def __getitem__(self, name: str) -> Part:
        part: Part = self.all[:, self.places[name]]
        return part

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)
