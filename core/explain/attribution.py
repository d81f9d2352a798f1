"""Activations of a node, and attribution of a control node's decision to pixels (with Captum, https://captum.ai).

The attributed quantity is a control node's score before it becomes a gate: the margin of one option over the best of the others, or the
gate's own score, before it is clamped, if gates open independently. The images that an attribution method generates are executed along
the original image's route. Otherwise they would take other routes, and the attributions would not sum to the difference of the scores.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from captum.attr import IntegratedGradients, LayerAttribution, LayerGradCam, Occlusion, Saliency
from torch import Tensor

from core.datasets import normalised
from core.explain.gate_evidence import gate_evidence
from core.explain.model import Model
from core.explain.predict import forced_policy, resolve_lam
from core.graph.execution import Execution, execute
from core.graph.graph import Graph
from core.graph.node import GraphError, Node
from core.modules.controller import Controller
from core.modules.gate_network import GateNetwork

AttributionMethod = Literal["quick", "occlusion", "integrated gradients"]
ATTRIBUTION_METHODS: tuple[AttributionMethod, ...] = ("quick", "occlusion", "integrated gradients")
INTEGRATION_STEPS = 32  # of integrated gradients
PERTURBED_PER_PASS = 16  # generated images executed at once
PATCH_FRACTION = 4  # image height divided by the side of the occluded square


@dataclass(frozen=True)
class SameRoute:
    """A policy that gives every image the gates of one image's execution."""

    execution: Execution

    def __call__(self, control: Node, scores: Tensor) -> Tensor:
        return self.execution.gates[control.name].expand(len(scores), -1)


@torch.no_grad()
def activations(
    model: Model, image: Tensor, node: str, *, lam: float | None = None, forced: Mapping[str, bool] | None = None
) -> Tensor | None:
    """Return the output of a node for an image (C, H, W) uint8, such as (channels, H, W), or None if the node did not run.

    Raises GraphError if there is no such node, or if it has no module.
    """
    if node not in model.graph.parts:
        raise GraphError(f"{node!r} has no output of its own. Choose one of {', '.join(model.graph.parts)}.")
    graph = copy.deepcopy(model.graph)  # the network itself may be in use by other threads
    outputs: list[Tensor] = []
    graph.parts[node].register_forward_hook(lambda _part, _inputs, output: outputs.append(output.detach()[0]))
    execution = execute(graph, normalised(image[None]), forced_policy(graph, forced or {}), lam=resolve_lam(model, lam))
    return outputs[0] if bool(execution.ran[node][0]) else None


def attribution(
    model: Model,
    image: Tensor,
    control: str,
    column: int,
    method: AttributionMethod = "quick",
    *,
    lam: float | None = None,
    forced: Mapping[str, bool] | None = None,
    report: Callable[[float], None] = lambda share: None,
) -> Tensor:
    """Return the attribution (H, W) of a control node's option `column` to the pixels of an image (C, H, W) uint8.

    Positive pixels are in favour of the option, negative ones against it. `report` receives the fraction that is done.
    Raises GraphError if the control node did not run.

    quick                 of a gate network: the shares of the pixels in the difference from an average image (gate_evidence.py); of
                          another control node: Grad-CAM (https://arxiv.org/abs/1610.02391) on the feature map that it receives, the
                          contributions of whose cells are spread over their pixels, or the gradient of the score if it receives the
                          image itself
    occlusion             fall of the score when a grey square covers the pixels (https://arxiv.org/abs/1311.2901)
    integrated gradients  https://arxiv.org/abs/1703.01365, with a black image as the baseline: the pixels add up to the difference
    """
    if method == "quick" and isinstance(model.graph.parts[control], GateNetwork):
        return gate_evidence(model, image, control, column, lam=lam, forced=forced).pixels
    lam = resolve_lam(model, lam)
    graph = _with_controller_gradients(model.graph)
    x = normalised(image[None]).requires_grad_()
    with torch.no_grad():
        original = execute(graph, x, forced_policy(graph, forced or {}), lam=lam)
    if control not in original.scores or not bool(original.ran[control][0]):
        raise GraphError(f"{control!r} did not run for this image. Choose a control node that ran.")
    for part in graph.parts.values():
        if isinstance(part, GateNetwork):
            part.least = part.rates = None  # clamping and a factor for learning would hide what the pixels change
    policy, done = SameRoute(original), 0

    def score(images: Tensor) -> Tensor:
        nonlocal done
        done += len(images)
        report(min(done / _image_count(method, image), 1.0))
        return _margin(graph.by_name[control], execute(graph, images, policy, lam=lam).scores[control], column)

    if method == "occlusion":
        side = max(image.shape[1] // PATCH_FRACTION, 2)
        window, stride = (image.shape[0], side, side), (image.shape[0], max(side // 2, 1), max(side // 2, 1))
        with torch.no_grad():
            found = Occlusion(score).attribute(x, window, strides=stride, perturbations_per_eval=PERTURBED_PER_PASS)
    elif method == "integrated gradients":
        found = IntegratedGradients(score).attribute(
            x, torch.full_like(x, -1.0), n_steps=INTEGRATION_STEPS, internal_batch_size=PERTURBED_PER_PASS
        )
    elif (layer := _input_map(graph, control)) is None:
        found = Saliency(score).attribute(x, abs=False)
    else:
        coarse = LayerGradCam(score, graph.parts[layer]).attribute(x)
        cells = coarse.shape[2] * coarse.shape[3] / (image.shape[1] * image.shape[2])  # of the feature map, per pixel
        found = LayerAttribution.interpolate(coarse, tuple(image.shape[1:]), interpolate_mode="bilinear") * cells
    report(1.0)
    per_colour: Tensor = found.detach()[0]  # (C, H, W), or (1, H, W)
    return per_colour.mean(dim=0) if method == "occlusion" else per_colour.sum(dim=0)  # a square covers all colours at once


def _image_count(method: AttributionMethod, image: Tensor) -> int:
    """Return approximately how many images a method executes."""
    if method == "occlusion":
        side = max(image.shape[1] // PATCH_FRACTION, 2)
        step = max(side // 2, 1)
        return 1 + -(-(image.shape[1] - side) // step + 1) * -(-(image.shape[2] - side) // step + 1)
    return INTEGRATION_STEPS if method == "integrated gradients" else 1


def _with_controller_gradients(graph: Graph) -> Graph:
    """Return a copy whose control nodes pass gradients on to their inputs."""
    differentiable = copy.deepcopy(graph)
    for part in differentiable.parts.values():
        if isinstance(part, Controller):
            part.controller_gradient = 1.0
    return differentiable


def _margin(control: Node, scores: Tensor, column: int) -> Tensor:
    """Return the margin (B,) of an option over the best of the others, given scores (B, K). Independent gates have their own score."""
    if control.decides == "each" or len(control.options) == 1:
        return scores[:, column]
    others = [other for other in range(len(control.options)) if other != column]
    return scores[:, column] - scores[:, others].amax(dim=1)


def _input_map(graph: Graph, control: str) -> str | None:
    """Return the node whose feature map a control node receives first, or None if it receives the image or no map."""
    for edge in graph.by_name[control].inputs:
        if len(graph.shapes[edge.source]) == 3:
            return None if edge.source == graph.input.name else edge.source
    return None
