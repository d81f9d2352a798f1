"""Execute images for an atlas, chunk by chunk."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from core.explain.atlas.atlas import Array, Atlas
from core.explain.model import Model
from core.explain.survey import in_chunks, surveyed_lams
from core.graph.cost import computed_shares, cost
from core.graph.execution import Execution
from core.scale import cost_share


def empty_atlas(model: Model, total: int) -> Atlas:
    """Return an atlas of which no image has been executed."""
    lams, nodes = surveyed_lams(model), model.graph.nodes[1:]
    shape = (0, len(lams))
    return Atlas(
        lams,
        tuple(node.name for node in nodes),
        np.array([node.kind != "control" for node in nodes]),
        model.classes,
        total,
        labels=np.zeros(0, np.int16),
        ran=np.zeros((*shape, len(nodes)), np.bool_),
        computed=np.zeros((*shape, len(nodes)), np.float16),
        answers=np.zeros(shape, np.int16),
        costs=np.zeros(shape, np.float32),
    )


def compute_atlas(model: Model, images: Tensor, labels: Sequence[str | None]) -> Iterator[Atlas]:
    """Execute images (N, C, H, W) uint8 at each λ; yield what is known after each step. `labels` are their classes, where known."""
    empty = empty_atlas(model, len(images))
    numbers = {name: number for number, name in enumerate(model.classes)}
    indices = np.array([-1 if label is None else numbers[label] for label in labels], np.int16)
    chunks: list[tuple[Array, Array, Array, Array]] = []
    known = empty
    for execution, rows, spent in in_chunks(model, images):
        if execution is not None:
            chunks.append(_recorded(model, execution, len(empty.lams)))
            ran, computed, answers, costs = (np.concatenate(parts) for parts in zip(*chunks, strict=True))
            done = indices[: rows.stop]
            known = Atlas(empty.lams, empty.nodes, empty.modules, empty.classes, empty.total, done, ran, computed, answers, costs, spent)
        yield known


def _recorded(model: Model, execution: Execution, lams: int) -> tuple[Array, Array, Array, Array]:
    """Return what ran, (n, L, M), which share of it was computed, (n, L, M), the answers, (n, L), and the cost shares, (n, L)."""
    graph = model.graph

    def per_image(rows: Tensor) -> Array:
        """Return what has a row for each λ and image, (L · n, ...), by image, (n, L, ...)."""
        return rows.reshape(lams, -1, *rows.shape[1:]).transpose(0, 1).numpy()

    nodes, report = graph.nodes[1:], cost(graph, execution)
    return (
        per_image(torch.stack([execution.ran[node.name] for node in nodes], dim=1)),
        per_image(computed_shares(graph, execution, nodes)).astype(np.float16),
        per_image(execution.predicted).astype(np.int16),
        per_image(cost_share(report.used, report.static)).astype(np.float32),
    )
