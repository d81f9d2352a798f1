"""The optimiser, weight decay, and the schedule of the learning rate."""

import math

from torch.nn import Parameter
from torch.optim import SGD, AdamW, Optimizer

from core.config import Training
from core.graph.graph import Graph

MOMENTUM = 0.9  # of SGD


def schedule(progress: float, warmup: float = 0.1) -> float:
    """Return the learning rate as a share of its peak: a linear warm-up, a fraction of the steps, then a cosine decay to zero."""
    if progress < warmup:
        return max(progress, 1e-3) / warmup
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


def optimizer_of(graph: Graph, options: Training) -> Optimizer:
    """Return the configured optimiser over all parameters of a graph."""
    groups = _groups(graph, options)
    if options.optimizer == "sgd":
        return SGD(groups, lr=options.learning_rate, momentum=MOMENTUM, nesterov=True)
    return AdamW(groups, lr=options.learning_rate)


def set_rates(optimizer: Optimizer, options: Training, progress: float) -> None:
    """Set the learning rates for a point of the training from 0 to 1."""
    for group in optimizer.param_groups:
        group["lr"] = options.learning_rate * group["multiple"] * schedule(progress, options.warmup)


def _groups(graph: Graph, options: Training) -> list[dict[str, object]]:
    """Return three parameter groups: weights; biases and norms, without weight decay; control nodes, without it and at `control_rate`."""
    controls = tuple(f"parts.{control.name}." for control in graph.controls)
    decayed: list[Parameter] = []
    free: list[Parameter] = []
    controllers: list[Parameter] = []
    for name, parameter in graph.named_parameters():
        if not parameter.requires_grad:
            continue
        (controllers if name.startswith(controls) else free if parameter.dim() < 2 else decayed).append(parameter)
    return [
        {"params": decayed, "weight_decay": options.weight_decay, "multiple": 1.0},
        {"params": free, "weight_decay": 0.0, "multiple": 1.0},
        {"params": controllers, "weight_decay": 0.0, "multiple": options.control_rate},
    ]
