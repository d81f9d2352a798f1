"""The shape and the multiply-adds of one module, counted by torch on meta tensors."""

import copy
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from core.graph.node import GraphError


@runtime_checkable
class Measured(Protocol):
    """A module that states its shape and its cost, because they cannot be counted on tensors without data."""

    def measure(self) -> tuple[tuple[int, ...], int]:
        """Return the shape of what it returns and its multiply-adds, for one image."""


def measure(
    part: nn.Module, shapes: Sequence[tuple[int, ...]], *, conditioned: bool = False, channels: int = 0, where: str = "module"
) -> tuple[tuple[int, ...], int]:
    """Return the shape of a module's output and its multiply-adds, for one image with inputs of these shapes.

    `conditioned`: whether the module is a control node's and also takes λ's condition as `weight`. `channels`: the number of channel gates
    inside it, all of which are open. Raises GraphError if the module cannot take inputs of these shapes.
    """
    if isinstance(part, Measured):
        return part.measure()
    part = copy.deepcopy(part).to("meta").eval()
    inputs = [torch.empty(1, *shape, device="meta") for shape in shapes]
    named = {"weight": torch.empty(1, device="meta")} if conditioned else {}
    gates = {"channels": torch.ones(1, channels, device="meta"), "dense": True} if channels else {}
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        try:
            output = part(*inputs, **named, **gates)
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            fault = str(error).splitlines()[0]
            raise GraphError(f"{where}: its module cannot take inputs of shape {', '.join(map(str, shapes))}: {fault}") from error
    return tuple(output.shape[1:]), int(counter.get_total_flops()) // 2
