"""The answer of a run in the fast engine."""

from collections.abc import Mapping
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
