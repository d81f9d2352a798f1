"""Losses that several methods share."""

import torch
import torch.nn.functional as F
from torch import Tensor

from core.graph.execution import Execution

TEMPERATURE = 2.0  # of the soft labels


def classification(execution: Execution, targets: Tensor, holdout: Tensor | None = None, early: float = 1.0) -> Tensor:
    """Return the cross-entropy of each output, averaged over the images for which it ran, summed over outputs (Liu & Deng, section 4).

    `targets`: classes, (B,), or the probability of each class, (B, classes). Images of the holdout, (B,) bool, do not count. In an earlier
    output, an image that a later output answered has the weight `early`.
    """
    losses = [next(iter(execution.outputs.values())).new_zeros(())]
    answered = torch.zeros(len(targets), dtype=torch.bool, device=targets.device)  # (B,) whether a later output ran
    for number, (name, output) in enumerate(reversed(execution.outputs.items())):
        if holdout is None and number == 0 and execution.always(name):
            losses.append(F.cross_entropy(output.float(), targets, reduction="none").mean())
        else:
            counted = execution.ran[name] if holdout is None else execution.ran[name] & ~holdout
            if bool(counted.any()):
                weights = torch.where(answered, early, 1.0)[counted]
                losses.append((weights * F.cross_entropy(output[counted].float(), targets[counted], reduction="none")).mean())
        answered = answered | execution.ran[name]
    return torch.stack(losses).sum()


def distillation_loss(logits: Tensor, teacher: Tensor) -> Tensor:
    """Return the divergence of logits (B, classes) from a teacher's, at TEMPERATURE (Hinton et al., 2015). The teacher gets no gradient."""
    soft = (teacher.detach().float() / TEMPERATURE).softmax(dim=1)
    return TEMPERATURE**2 * F.kl_div((logits.float() / TEMPERATURE).log_softmax(dim=1), soft, reduction="batchmean")


def distillation_from_teacher(execution: Execution, teacher: Tensor, holdout: Tensor) -> Tensor:
    """Return the distillation loss from a teacher's logits (B, classes), summed over outputs; the holdout, (B,) bool, does not count."""
    counted = {name: execution.ran[name] & ~holdout for name in execution.outputs}
    losses = [
        distillation_loss(output[counted[name]], teacher[counted[name]])
        for name, output in execution.outputs.items()
        if counted[name].any()
    ]
    return torch.stack([execution.output.new_zeros((), dtype=torch.float32), *losses]).sum()


def distillation_from_final_exit(execution: Execution, holdout: Tensor) -> Tensor:
    """Return the loss of distilling the last output that ran into the earlier ones, summed over outputs.

    Images that no later output answered do not count, nor do those of the holdout, (B,) bool.
    """
    last = execution.output
    losses = [last.new_zeros((), dtype=torch.float32)]
    later = torch.zeros_like(holdout)  # (B,) whether a later output ran
    for name, output in reversed(execution.outputs.items()):
        counted = execution.ran[name] & later & ~holdout
        if bool(counted.any()):
            losses.append(distillation_loss(output[counted], last[counted]))
        later = later | execution.ran[name]
    return torch.stack(losses).sum()
