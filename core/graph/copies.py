"""Executes images in many copies with bounded memory and in short steps: as many copies at a time as their activations allow.

Copies share what they compute before their gates differ (execution.py). So more of them at a time take less time each, and more memory.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from core.graph.execution import Execution, execute
from core.graph.graph import Graph
from core.graph.node import Node
from core.graph.policy import Policy

BYTES_AT_ONCE = 64 << 20  # of the largest node for all copies that are executed at a time
MACS_AT_ONCE = 1e10  # multiply-adds of all copies that are executed at a time


def copies_at_once(graph: Graph, images: int = 1) -> int:
    """Return how many copies of this many images are executed at a time, at least one.

    Their largest node fits into BYTES_AT_ONCE, and all their nodes together take at most MACS_AT_ONCE.
    """
    largest = max(_bytes(graph, node) for node in graph.nodes[1:])
    macs = max(sum(graph.macs.values()), 1)
    return max(min(BYTES_AT_ONCE // (largest * images), int(MACS_AT_ONCE // (macs * images))), 1)


def execute_in_parts(
    graph: Graph, x: Tensor, policy: Policy, lams: Tensor, *, whole: bool = False, most: int | None = None
) -> Iterator[Execution]:
    """Yield the executions of images x (N, C, H, W) at the given values of λ, (copies,), a few values at a time, in order.

    The rows of each are those of `execute` with as many copies, and `whole` is that of `execute`. No part has more than `most` values.
    """
    fit = copies_at_once(graph, len(x))
    for some in torch.split(lams, fit if most is None else min(fit, most)):
        yield execute(graph, x, policy, lam=some.repeat_interleave(len(x)), copies=len(some), whole=whole)


def concatenated(parts: Sequence[Execution], order: Tensor | None = None) -> Execution:
    """Return several executions of one graph as one, with their rows in sequence, or in this `order`, (B,).

    Nodes that always run stay known as such (`Execution.always`).
    """
    if len(parts) == 1 and order is None:
        return parts[0]

    def rows(values: list[Tensor]) -> Tensor:
        found = torch.cat(values)
        return found if order is None else found[order]

    first = parts[0]
    every = rows([next(iter(part.ran.values())) for part in parts])
    always = {name for name in first.ran if all(part.always(name) for part in parts)}
    return Execution(
        {name: rows([part.outputs[name] for part in parts]) for name in first.outputs},
        {name: every if name in always else rows([part.ran[name] for part in parts]) for name in first.ran},
        {name: rows([part.values[name] for part in parts]) for name in first.values},
        {name: rows([part.scores[name] for part in parts]) for name in first.scores},
        {name: rows([part.gates[name] for part in parts]) for name in first.gates},
    )


def _bytes(graph: Graph, node: Node) -> int:
    """Return about how many bytes a node takes for one image: inputs and output, and copies of its filters where channels have gates."""
    maps = [*(graph.shapes[edge.source] for edge in node.inputs), *([graph.shapes[node.name]] if node.kind != "control" else [])]
    numbers = sum(torch.Size(shape).numel() for shape in maps)
    if node.channels is not None:
        numbers += sum(one.numel() for one in graph.parts[node.name].parameters())
    return 4 * max(numbers, 1)
