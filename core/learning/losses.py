"""Losses that several methods share."""

import torch
import torch.nn.functional as F
from torch import Tensor

from core.network.execution import Execution


def classification(execution: Execution, labels: Tensor, among: Tensor | None = None) -> Tensor:
    """Cross-entropy of every output that was produced, averaged over its images and added up over the outputs (Liu & Deng, section 4).

    `labels`: (B,). Only images `among` (B,) bool count, all of them without it.
    """
    losses = [next(iter(execution.outputs.values())).new_zeros(())]
    for name, output in execution.outputs.items():
        counted = execution.ran[name] if among is None else execution.ran[name] & among
        if bool(counted.any()):
            losses.append(F.cross_entropy(output[counted].float(), labels[counted]))
    return torch.stack(losses).sum()
