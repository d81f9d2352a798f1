"""Losses that several methods share."""

import torch
import torch.nn.functional as F
from torch import Tensor

from core.network.execution import Execution


def classification(execution: Execution, labels: Tensor, among: Tensor | None = None, early: float = 1.0) -> Tensor:
    """Cross-entropy of every output that was produced, averaged over its images and added up over the outputs (Liu & Deng, section 4).

    `labels`: (B,). Only images `among` (B,) bool count, all of them without it. What an output says of images for which a later one
    answered counts `early`.
    """
    losses = [next(iter(execution.outputs.values())).new_zeros(())]
    answered = torch.zeros_like(labels, dtype=torch.bool)  # (B,) by a later output
    for name, output in reversed(execution.outputs.items()):
        counted = execution.ran[name] if among is None else execution.ran[name] & among
        if bool(counted.any()):
            weights = torch.where(answered, early, 1.0)[counted]
            losses.append((weights * F.cross_entropy(output[counted].float(), labels[counted], reduction="none")).mean())
        answered = answered | execution.ran[name]
    return torch.stack(losses).sum()
