"""Runs modules with nested widths in a batch: images are sorted by their widths, and those of one width are one ONNX Runtime program."""

from typing import Any

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto
from torch import Tensor

from core.graph.graph import Graph
from core.graph.node import Node
from core.graph.rows import gather_rows, overwrite_rows
from core.modules.nested import Nested
from core.modules.residual import folded
from core.program.nested import write_width
from core.program.operators import Operators
from core.program.session import session_options

IMAGES_AT_A_TIME = 16  # images that a program takes at a time, whose maps then stay in the processor's cache
WIDTH_SCALE = ".scale"


class NestedUnit:
    """One node with nested widths."""

    def __init__(self, graph: Graph, node: Node) -> None:
        part = graph.parts[node.name]
        assert isinstance(part, Nested)
        self.node, self.part, self.shape = node, part, graph.shapes[node.name]
        self.image = graph.input_shapes(node)[0]
        self.empty = folded(part.layers_by_width[-1].norms[0])[1].detach()[:, None, None]  # what is sent where no channel runs
        self.sessions: dict[tuple[int, int, bool], Any] = {}

    def __call__(self, x: Tensor, gates: Tensor) -> Tensor:
        """Return the output for images (B, C, H, W) with gates (B, count)."""
        given = gates.numpy()
        opened = (given > 0).cumprod(axis=1).sum(axis=1)  # (B,)
        kinds = np.unique(opened)
        if len(kinds) == 1:
            return self._at(x, int(kinds[0]), given)
        sent = torch.empty(len(x), *self.shape)
        for kind in kinds:
            rows = torch.from_numpy(np.flatnonzero(opened == kind))
            overwrite_rows(sent, rows, self._at(gather_rows(x, rows), int(kind), given[opened == kind]))
        return sent

    def _at(self, x: Tensor, opened: int, gates: np.ndarray[Any, np.dtype[np.float32]]) -> Tensor:
        if not opened:
            return self.empty.expand(len(x), *self.shape).clone()
        own = gates[:, :opened]
        scales = bool((own != 1).any())
        given = {"x": np.ascontiguousarray(x.numpy())}
        if scales:
            given[WIDTH_SCALE] = own[:, self.part.group[: self.part.ends[opened - 1]].numpy()][:, :, None, None]
        session = self._session(opened, scales=scales)
        starts = range(0, len(x), IMAGES_AT_A_TIME)
        parts = [session.run(None, {name: one[start : start + IMAGES_AT_A_TIME] for name, one in given.items()})[0] for start in starts]
        return torch.from_numpy(parts[0] if len(parts) == 1 else np.concatenate(parts))

    def _session(self, width: int, *, scales: bool) -> Any:
        """Return the program of a width for torch's number of threads."""
        key = (torch.get_num_threads(), width, scales)
        if key not in self.sessions:
            to = Operators()
            to.module = self.node.name
            x = to.given("x", ("images", *self.image))
            scale = to.given(WIDTH_SCALE, ("images", self.part.ends[width - 1], 1, 1)) if scales else None
            outputs: dict[str, tuple[str, int, tuple[int | str, ...]]] = {
                ".sent": (write_width(self.part, to, x, width, scale), TensorProto.FLOAT, ("images", *self.shape))
            }
            self.sessions[key] = onnxruntime.InferenceSession(
                to.model(outputs).SerializeToString(), session_options(key[0]), providers=["CPUExecutionProvider"]
            )
        return self.sessions[key]
