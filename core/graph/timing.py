"""What a node costs on the clock: the median time of its module for one image of a batch."""

import time
from statistics import median

import torch

from core.graph.graph import Graph

WARM_UP, REPEATS = 2, 7


@torch.no_grad()
def seconds(graph: Graph, batch: int) -> dict[str, float]:
    """Seconds per image of each node's module in evaluation mode, on random inputs for `batch` images. Differs from call to call."""
    device = graph.device
    graph.eval()
    taken = {}
    for node in graph.nodes:
        inputs = [torch.randn(batch, *graph.shapes[edge.source], device=device) for edge in node.inputs]
        weight = {"weight": torch.full((batch,), 0.5, device=device)} if node.kind == "control" else {}
        taken[node.name] = 0.0 if node.kind == "input" else median(_timed(graph, node.name, inputs, weight) for _ in range(REPEATS)) / batch
    return taken


def _timed(graph: Graph, name: str, inputs: list[torch.Tensor], weight: dict[str, torch.Tensor]) -> float:
    part = graph.parts[name]
    for _ in range(WARM_UP):
        part(*inputs, **weight)
    _wait(graph)
    start = time.perf_counter()
    part(*inputs, **weight)
    _wait(graph)
    return time.perf_counter() - start


def _wait(graph: Graph) -> None:
    """Until what was asked of a GPU is done."""
    if graph.device.type == "cuda":
        torch.cuda.synchronize()
