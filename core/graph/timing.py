"""The measured time of each node: the median time of its module, per image of a batch."""

import time
from statistics import median

import torch

from core.graph.graph import Graph

WARM_UP_CALLS, REPEATS = 2, 7  # calls before each timed one; timed calls


@torch.no_grad()
def seconds_per_node(graph: Graph, batch: int) -> dict[str, float]:
    """Measure the seconds per image of each node's module, in evaluation mode, on random inputs for `batch` images."""
    device = graph.device
    graph.eval()
    taken = {}
    for node in graph.nodes:
        inputs = [torch.randn(batch, *graph.shapes[edge.source], device=device) for edge in node.inputs]
        weight = {"weight": torch.full((batch,), 0.5, device=device)} if node.kind == "control" else {}
        taken[node.name] = 0.0 if node.kind == "input" else median(_timed(graph, node.name, inputs, weight) for _ in range(REPEATS)) / batch
    return taken


def _timed(graph: Graph, name: str, inputs: list[torch.Tensor], weight: dict[str, torch.Tensor]) -> float:
    """Return the seconds of one call, after WARM_UP_CALLS others."""
    part = graph.parts[name]
    for _ in range(WARM_UP_CALLS):
        part(*inputs, **weight)
    _wait(graph)
    start = time.perf_counter()
    part(*inputs, **weight)
    _wait(graph)
    return time.perf_counter() - start


def _wait(graph: Graph) -> None:
    """Wait until the GPU has finished."""
    if graph.device.type == "cuda":
        torch.cuda.synchronize()
