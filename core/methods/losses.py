"""Losses that several methods share."""

import torch
import torch.nn.functional as F
from torch import Tensor

from core.graph.execution import Execution

TEMPERATURE = 2.0  # of the soft labels


def classification(execution: Execution, labels: Tensor, holdout: Tensor | None = None, early: float = 1.0) -> Tensor:
    """Return the cross-entropy of each output, averaged over the images it ran for, summed over outputs (Liu & Deng, section 4).

    `labels`: (B,). Images of the holdout, (B,) bool, do not count. Images that a later output answered count
    `early` in an earlier one.
    """
    losses = [next(iter(execution.outputs.values())).new_zeros(())]
    answered = torch.zeros_like(labels, dtype=torch.bool)  # (B,) by a later output
    for name, output in reversed(execution.outputs.items()):
        counted = execution.ran[name] if holdout is None else execution.ran[name] & ~holdout
        if bool(counted.any()):
            weights = torch.where(answered, early, 1.0)[counted]
            losses.append((weights * F.cross_entropy(output[counted].float(), labels[counted], reduction="none")).mean())
        answered = answered | execution.ran[name]
    return torch.stack(losses).sum()


def taught(answers: Tensor, teacher: Tensor) -> Tensor:
    """Return the divergence of logits (B, classes) from a teacher's, softened; the teacher gets no gradient (Hinton et al., 2015)."""
    soft = (teacher.detach().float() / TEMPERATURE).softmax(dim=1)
    return TEMPERATURE**2 * F.kl_div((answers.float() / TEMPERATURE).log_softmax(dim=1), soft, reduction="batchmean")


def taught_by(execution: Execution, teacher: Tensor, holdout: Tensor) -> Tensor:
    """Return the distillation loss from a teacher's logits (B, classes), summed over outputs; the holdout, (B,) bool, does not count."""
    counted = {name: execution.ran[name] & ~holdout for name in execution.outputs}
    losses = [taught(output[counted[name]], teacher[counted[name]]) for name, output in execution.outputs.items() if counted[name].any()]
    return torch.stack([execution.output.new_zeros((), dtype=torch.float32), *losses]).sum()


def taught_by_last(execution: Execution, holdout: Tensor) -> Tensor:
    """Return the distillation loss of each output from the last one that ran, summed over outputs.

    Images that no later output answered do not count, nor do those of the holdout, (B,) bool.
    """
    last = execution.output
    losses = [last.new_zeros((), dtype=torch.float32)]
    later = torch.zeros_like(holdout)  # (B,) whether a later output ran
    for name, output in reversed(execution.outputs.items()):
        counted = execution.ran[name] & later & ~holdout
        if bool(counted.any()):
            losses.append(taught(output[counted], last[counted]))
        later = later | execution.ran[name]
    return torch.stack(losses).sum()
