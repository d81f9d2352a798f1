"""How the pixels of an image move the score of a gate that decides independently of the others.

A gate network sees the mean of each feature map. Its gates are open for an average image too, so what an image contributes is the
difference between its score and that of the average image, whose means are the running means of the gate network's batch norm.
Integrated gradients (Sundararajan et al., 2017, arXiv 1703.01365) along the straight line between these means divide the difference
among the channels, and a channel's share is divided among its pixels by how far each lies above the average. The shares of all pixels add
up to the difference.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.datasets import normalised
from core.explain.model import Model
from core.explain.predict import forced_policy, resolve_lam
from core.graph.execution import execute
from core.graph.node import GraphError
from core.modules.gate_network import GateNetwork

PATH_STEPS = 256  # points on the line from the average image to the image


@dataclass(frozen=True)
class GateEvidence:
    """The score of a gate for an image and for an average image, before clamping, and the share of each pixel (H, W) in the difference."""

    score: float
    average: float
    pixels: Tensor


def gate_evidence(
    model: Model, image: Tensor, control: str, column: int, *, lam: float | None = None, forced: Mapping[str, bool] | None = None
) -> GateEvidence:
    """Return what the pixels of an image (C, H, W) uint8 contribute to gate `column` of a gate network.

    Raises GraphError if the control node is no gate network, or did not run.
    """
    part = model.graph.parts[control]
    if not isinstance(part, GateNetwork):
        raise GraphError(f"{control!r} has no gate network. Choose a control node whose gates open independently.")
    maps, weight = _seen(model, image, control, resolve_lam(model, lam), forced or {})
    height, width = image.shape[1:]
    if len(part.table):
        with torch.no_grad():
            fixed = float(part(*maps, weight=weight)[0, column])
        return GateEvidence(fixed, fixed, torch.zeros(height, width))
    assert part.norm.running_mean is not None
    average = part.norm.running_mean  # (channels,)
    means = torch.cat([one[0].float().mean(dim=(1, 2)) for one in maps])  # (channels,)
    slopes = _mean_gradient(part, average, means, weight, column)
    with torch.no_grad():
        ends = part.raw_scores(torch.stack([means, average]), None if weight is None else weight.expand(2))[:, column].tolist()
    pixels = torch.zeros(height, width)
    for one, slope, usual in zip(maps, *(torch.split(values, [one.shape[1] for one in maps]) for values in (slopes, average)), strict=True):
        cells = ((one[0].float() - usual[:, None, None]) * slope[:, None, None]).sum(dim=0)  # (h, w)
        spread = F.interpolate(cells[None, None], (height, width), mode="bilinear", align_corners=False)[0, 0]
        pixels += spread / (height * width)
    return GateEvidence(ends[0], ends[1], pixels)


def _seen(model: Model, image: Tensor, control: str, lam: float | None, forced: Mapping[str, bool]) -> tuple[list[Tensor], Tensor | None]:
    """Return the feature maps (1, channels, h, w) that a control node received, and λ's condition (1,)."""
    graph = copy.deepcopy(model.graph)  # the network itself may be in use by other threads
    calls: list[tuple[list[Tensor], Tensor | None]] = []

    def keep(_part: nn.Module, inputs: tuple[Tensor, ...], named: dict[str, Any]) -> None:
        calls.append((list(inputs), named["weight"]))

    graph.parts[control].register_forward_pre_hook(keep, with_kwargs=True)
    with torch.no_grad():
        execution = execute(graph, normalised(image[None]), forced_policy(graph, forced), lam=lam)
    if not bool(execution.ran[control][0]):
        raise GraphError(f"{control!r} did not run for this image. Choose a control node that ran.")
    return calls[0]


def _mean_gradient(part: GateNetwork, start: Tensor, end: Tensor, weight: Tensor | None, column: int) -> Tensor:
    """Return the mean gradient (channels,) of a gate's score along the line between two vectors of means (channels,)."""
    along = (torch.arange(PATH_STEPS) + 0.5) / PATH_STEPS
    points = (start + along[:, None] * (end - start)).requires_grad_()
    with torch.enable_grad():
        scores = part.raw_scores(points, None if weight is None else weight.expand(PATH_STEPS))
        gradient = torch.autograd.grad(scores[:, column].sum() + 0 * points.sum(), points)[0]  # zero for gates that ignore the image
    return gradient.mean(dim=0)
