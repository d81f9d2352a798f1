"""Execution of one image along λ, and the values of λ at which its route changes."""

from collections.abc import Generator
from itertools import islice, pairwise

import torch
from torch import Tensor

from core.datasets import normalised
from core.graph.copies import concatenated, execute_in_parts
from core.graph.execution import Execution, execute
from core.graph.graph import Graph
from core.graph.policy import Greedy, Policy
from core.scale import SLIDER_STEPS, lam_at

EVERY_LAM = torch.tensor([lam_at(step) for step in range(SLIDER_STEPS)])
SUBDIVISIONS = 10  # parts into which each interval of λ with a change of route is divided,
REFINEMENTS = 2  # times, which locates a threshold to 1e-4


def execute_along(graph: Graph, image: Tensor, policy: Policy, lams: Tensor | None) -> Execution:
    """Execute an image (C, H, W) uint8 at several values of λ, or at the only one of a network (`lams` is None)."""
    x = normalised(image[None])
    return execute(graph, x, policy) if lams is None else concatenated(list(execute_in_parts(graph, x, policy, lams)))


def located(graph: Graph, image: Tensor, policy: Policy, coarse: Execution) -> list[float]:
    """Return the thresholds of an image from its execution at the steps of the slider."""
    search = locate(graph, image, policy, coarse)
    while True:
        try:
            next(search)
        except StopIteration as found:
            return list(found.value)


def locate(graph: Graph, image: Tensor, policy: Policy, coarse: Execution) -> Generator[None, None, list[float]]:
    """Locate the thresholds of an image from its execution at the steps of the slider, refining those with a change of route.

    Yields after each execution, so that a caller can do something else in between.
    """
    if not graph.tradeoff.every_lam:
        return []
    if len(graph.controls) == 1 and isinstance(policy, Greedy):
        crossing = graph.tradeoff.threshold(coarse.values[graph.controls[0].name][:1])
        if crossing is not None:
            return [float(crossing)] if 0 < float(crossing) < 1 else []
    routes = list(zip(EVERY_LAM.tolist(), _routes(coarse), strict=True))
    changes = [(before, after) for before, after in pairwise(routes) if before[1] != after[1]]  # ((λ, route), (λ, other route))
    for _ in range(REFINEMENTS):
        if not changes:
            break
        lams = torch.cat([torch.linspace(before[0], after[0], SUBDIVISIONS + 1)[1:-1] for before, after in changes])
        seen: list[list[bool]] = []
        for part in execute_in_parts(graph, normalised(image[None]), policy, lams):
            seen += _routes(part)
            yield
        between = iter(zip(lams.tolist(), seen, strict=True))
        refined = [[before, *islice(between, SUBDIVISIONS - 1), after] for before, after in changes]
        changes = [(before, after) for points in refined for before, after in pairwise(points) if before[1] != after[1]]
    return [after[0] for _, after in changes]


def _routes(execution: Execution) -> list[list[bool]]:
    """Return for each row whether each node ran."""
    return torch.stack(list(execution.ran.values()), dim=1).tolist()
