"""The kernel of a network inside a node: the static network of a cascade's member, in its own image size."""

import torch
from torch import Tensor

from core.architectures.model_cascade import MemberNetwork, fit_image
from core.fast.kernels import Kernel, ModuleKernel, kernel
from core.fast.plan import run_steps, steps
from core.graph.graph import Graph


class MemberKernel(Kernel):
    """A network without gates, step by step. Programs hold all of it (onnx_export.py)."""

    def __init__(self, part: MemberNetwork, network: Graph) -> None:
        self.image, self.graph, self.steps = part.image, network, steps(network)

    def __call__(self, *inputs: Tensor, owned: bool = False, **named: Tensor | None) -> Tensor:
        x = fit_image(inputs[0], self.image).contiguous(memory_format=torch.channels_last)
        return run_steps(self.steps, {self.graph.input.name: x})[self.graph.outputs[-1].name]

    def resized(self, shape: tuple[int, ...]) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Return how `fit_image` changes images (C, H, W), as matrices: of channels, of rows and of columns; None where nothing changes.

        They are (channels, C), (height, H) and (W, width).
        """
        (channels, height, width), (own, rows, columns) = self.image, shape
        by_channel = None if channels == own else fit_image(torch.eye(own)[:, :, None, None], (channels, 1, 1))[:, :, 0, 0].t()
        by_row = None if height == rows else fit_image(torch.eye(rows)[None, None], (1, height, rows))[0, 0]
        by_column = None if width == columns else fit_image(torch.eye(columns)[None, None], (1, columns, width))[0, 0]
        return by_channel, by_row, by_column


@kernel.register
def _(part: MemberNetwork) -> Kernel:
    return MemberKernel(part, part.network) if isinstance(part.network, Graph) else ModuleKernel(part)
