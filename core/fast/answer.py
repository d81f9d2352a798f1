"""The answer of a run in the fast engine."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Mask = NDArray[np.bool_]


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


class GateColumns(Mapping[str, Tensor]):
    """The gates of each control node, (B, K), among those of all, (B, gates), made when they are asked for."""

    def __init__(self, columns: Mapping[str, slice], gates: NDArray[np.float32]) -> None:
        self.columns, self.all = columns, gates

    def __getitem__(self, name: str) -> Tensor:
        return torch.from_numpy(self.all[:, self.columns[name]])

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)


class NodeColumns(Mapping[str, Mask]):
    """Whether each node ran, (B,), among all, (B, nodes)."""

    def __init__(self, places: Mapping[str, int], ran: Mask) -> None:
        self.places, self.all = places, ran

    def __getitem__(self, name: str) -> Mask:
        return self.all[:, self.places[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)
