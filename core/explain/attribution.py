"""What a node made of an image, and which pixels opened a gate (attribution by Captum).

What is attributed is a control node's score before it becomes a gate: of one of its options against the best of the others, or where each
gate decides by itself that gate's own. The route stays as it was: the images that an attribution method makes up are executed with the
gates of the image itself, or they would take other routes and the attributions would not add up.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from captum.attr import IntegratedGradients, LayerAttribution, LayerGradCam, Occlusion, Saliency
from torch import Tensor

from core.datasets import normalised
from core.explain.model import Model
from core.explain.predict import asked_lam, holding
from core.graph.execution import Execution, execute
from core.graph.graph import Graph
from core.graph.node import GraphError, Node
from core.modules.controller import Controller

AttributionMethod = Literal["quick", "occlusion", "integrated gradients"]
WAYS: tuple[AttributionMethod, ...] = ("quick", "occlusion", "integrated gradients")
INTEGRATION_STEPS = 32  # of integrated gradients
PERTURBED_PER_PASS = 16  # images that a method makes up and that are run at once
PATCH = 4  # an occluded patch is a square of so much less than the image's side


@dataclass(frozen=True)
class SameRoute:
    """The gates of one image's execution for any number of images."""

    execution: Execution

    def __call__(self, control: Node, scores: Tensor) -> Tensor:
        return self.execution.gates[control.name].expand(len(scores), -1)


@torch.no_grad()
def activations(
    model: Model, image: Tensor, node: str, *, lam: float | None = None, forced: Mapping[str, bool] | None = None
) -> Tensor | None:
    """What a node sent for an image (C, H, W) uint8, without the batch, such as (channels, H, W); none if it did not run.

    Raises GraphError where there is no such node, or it has no module.
    """
    if node not in model.graph.parts:
        raise GraphError(f"{node!r} computes nothing: choose one of {', '.join(model.graph.parts)}")
    graph = copy.deepcopy(model.graph)  # others may be running the network itself
    sent: list[Tensor] = []
    graph.parts[node].register_forward_hook(lambda _part, _inputs, output: sent.append(output.detach()[0]))
    execution = execute(graph, normalised(image[None]), holding(graph, forced or {}), lam=asked_lam(model, lam))
    return sent[0] if bool(execution.ran[node][0]) else None


def attribution(
    model: Model,
    image: Tensor,
    control: str,
    column: int,
    way: AttributionMethod = "quick",
    *,
    lam: float | None = None,
    forced: Mapping[str, bool] | None = None,
    report: Callable[[float], None] = lambda share: None,
) -> Tensor:
    """How much each pixel of an image (C, H, W) uint8 spoke for one option of a control node (positive) or against it, (H, W).

    "quick" is Grad-CAM on the feature map that the control node sees, or the plain gradient where it sees the image itself. `report` is
    told the share that is done. Raises GraphError where the control node did not run.
    """
    lam = asked_lam(model, lam)
    graph = _open_to_gradients(model.graph)
    x = normalised(image[None]).requires_grad_()
    with torch.no_grad():
        seen = execute(graph, x, holding(graph, forced or {}), lam=lam)
    if control not in seen.scores or not bool(seen.ran[control][0]):
        raise GraphError(f"{control!r} was not asked for this image: choose a control node that ran")
    policy, done = SameRoute(seen), 0

    def score(images: Tensor) -> Tensor:
        nonlocal done
        done += len(images)
        report(min(done / _images(way, image), 1.0))
        return _margin(graph.by_name[control], execute(graph, images, policy, lam=lam).scores[control], column)

    if way == "occlusion":
        side = max(image.shape[1] // PATCH, 2)
        window, stride = (image.shape[0], side, side), (image.shape[0], max(side // 2, 1), max(side // 2, 1))
        with torch.no_grad():
            found = Occlusion(score).attribute(x, window, strides=stride, perturbations_per_eval=PERTURBED_PER_PASS)
    elif way == "integrated gradients":
        found = IntegratedGradients(score).attribute(
            x, torch.full_like(x, -1.0), n_steps=INTEGRATION_STEPS, internal_batch_size=PERTURBED_PER_PASS
        )
    elif (layer := _map_seen(graph, control)) is None:
        found = Saliency(score).attribute(x, abs=False)
    else:
        coarse = LayerGradCam(score, graph.parts[layer]).attribute(x)
        found = LayerAttribution.interpolate(coarse, tuple(image.shape[1:]), interpolate_mode="bilinear")
    report(1.0)
    whole: Tensor = found.detach()[0].sum(dim=0)
    return whole


def _images(way: AttributionMethod, image: Tensor) -> int:
    """About how many images a method runs."""
    if way == "occlusion":
        side = max(image.shape[1] // PATCH, 2)
        step = max(side // 2, 1)
        return 1 + -(-(image.shape[1] - side) // step + 1) * -(-(image.shape[2] - side) // step + 1)
    return INTEGRATION_STEPS if way == "integrated gradients" else 1


def _open_to_gradients(graph: Graph) -> Graph:
    """A copy whose control nodes let gradients through to what they see."""
    opened = copy.deepcopy(graph)
    for part in opened.parts.values():
        if isinstance(part, Controller):
            part.controller_gradient = 1.0
    return opened


def _margin(control: Node, scores: Tensor, column: int) -> Tensor:
    """By how much an option's score (B, K) exceeds the best of the others, or of gates that decide each by itself its own score, (B,)."""
    if control.decides == "each" or len(control.options) == 1:
        return scores[:, column]
    others = [other for other in range(len(control.options)) if other != column]
    return scores[:, column] - scores[:, others].amax(dim=1)


def _map_seen(graph: Graph, control: str) -> str | None:
    """The node of the first feature map that a control node sees; none where that is the image."""
    for edge in graph.by_name[control].inputs:
        if len(graph.shapes[edge.source]) == 3:
            return None if edge.source == graph.input.name else edge.source
    return None
