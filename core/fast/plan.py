"""The steps of a graph, precomputed as far as possible, and the answer of a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.fast.blocks import Gathered
from core.fast.controllers import decider
from core.fast.kernels import Kernel, kernel
from core.graph.graph import Graph
from core.graph.node import Edge, Gate, GraphError, Node
from core.modules.layers import Join, Residual, Stem
from core.modules.nested import Nested
from core.modules.residual import Branch

Mask = NDArray[np.bool_]
NO_REWARD = np.zeros((1, 1, 2), np.float32)


@dataclass(frozen=True)
class Answer:
    """The answer for B images.

    output  (B, classes): that of the last output node that ran; not-a-number if none did
    gates   {control node: (B, K)}, zero if it did not run
    masks   {node: (B,)}, the images for which it ran
    """

    output: Tensor
    gates: dict[str, Tensor]
    masks: dict[str, Mask]

    @property
    def ran(self) -> dict[str, Tensor]:
        """The images for which each node ran, (B,) bool."""
        return {name: torch.from_numpy(mask) for name, mask in self.masks.items()}


@dataclass(frozen=True)
class AtLam:
    """What follows from λ, for all images (1,) or for each (B,).

    lams       λ itself, None if there is none
    condition  the input of control nodes, if they take one
    reward     (1, 1, 2) or (B, 1, 2), the weights of accuracy and cost in a score
    """

    lams: Tensor | None
    condition: Tensor | None
    reward: NDArray[np.float32]

    @classmethod
    def of(cls, graph: Graph, lam: Tensor | float | None) -> "AtLam":
        """Raises GraphError if a graph that serves every λ is given none."""
        if lam is None:
            if graph.tradeoff.every_lam:
                raise GraphError("this network serves every λ: give one, from 0 (cheap) to 1 (accurate)")
            return cls(None, None, NO_REWARD)
        lams = lam.reshape(-1).float() if isinstance(lam, Tensor) else torch.tensor([float(lam)])
        scores = graph.tradeoff.score(torch.eye(2)[None], lams)  # (B, 2): linear in accuracy and cost, where a controller returns both
        reward = scores.numpy()[:, None] if scores.dim() == 2 else NO_REWARD
        return cls(lams, graph.tradeoff.condition(lams), reward)


@dataclass(frozen=True)
class Step:
    """A node with everything that is known before a run."""

    node: Node
    run: Kernel
    inputs: tuple[Edge, ...]  # the edges from other steps
    branch: Node | None  # computed in the same step, if the node is a join
    last: frozenset[str]  # the sources that no later step reads
    overwrites: bool  # whether it may overwrite its first input: no later step reads the same memory


def steps(graph: Graph) -> tuple[Step, ...]:
    """Return the steps of a graph in order, each branch together with the join behind it."""
    branches = {join: branch for join in graph.nodes if (branch := _branch(graph, join)) is not None}
    inside = {branch.name for branch in branches.values()}
    nodes = [node for node in graph.nodes[1:] if node.name not in inside]
    kernels = {node.name: _kernel(graph, node, branches.get(node)) for node in nodes}
    inputs = {node.name: tuple(edge for edge in node.inputs if edge.source not in inside) for node in nodes}
    readers: dict[str, list[str]] = {}
    for name, edges in inputs.items():
        for edge in edges:
            readers.setdefault(edge.source, []).append(name)
    found = []
    for node in nodes:
        name = node.name
        last = frozenset(source for source, reading in readers.items() if reading[-1] == name)
        first = inputs[name][0].source if inputs[name] else ""
        separate = first in kernels and kernels[first].fresh and all(kernels[reader].fresh for reader in readers[first])
        overwrites = separate and readers[first][-1] == name and readers[first].count(name) == 1
        found.append(Step(node, kernels[name], inputs[name], branches.get(node), last, overwrites))
    return tuple(found)


def run_steps(order: Sequence[Step], given: Mapping[str, Tensor], condition: Tensor | None = None) -> dict[str, Tensor]:
    """Return the values that are read later, or are answers, of steps that run for the same images, from the values (B, …) they read.

    `condition`: the input of control nodes, (B,).
    """
    batch = len(next(iter(given.values())))
    found = {name: value.contiguous(memory_format=torch.channels_last) if value.dim() == 4 else value for name, value in given.items()}
    for step in order:
        inputs = [found[edge.source] for edge in step.inputs]
        owned = step.overwrites and step.inputs[0].source not in given
        weight = {"weight": condition} if step.node.kind == "control" else {}
        value = step.run(*inputs, owned=owned, **weight)
        found[step.node.name] = value if inputs else value.expand(batch, *value.shape[1:])
        for source in step.last:
            found.pop(source, None)
    return found


Conditions = frozenset[tuple[Gate, ...]]


def conditions(graph: Graph, steps: Sequence[Step]) -> dict[str, Conditions]:
    """Return, for each step, the sets of gates of which each must have an open one for the step to run."""
    found = {graph.input.name: Conditions()}
    for step in steps:
        needed = [found[edge.source] for edge in step.inputs if edge.default is None]
        gates = step.node.gates
        found[step.node.name] = frozenset({gates} if gates else ()).union(implied(found, gates), *needed)
    return found


def implied(found: Mapping[str, Conditions], gates: Sequence[Gate]) -> Conditions:
    """Return the conditions that hold wherever one of these gates is open, since its control node ran."""
    first, *others = [found[gate.control] for gate in gates] or [Conditions()]
    return first.intersection(*others)


def _kernel(graph: Graph, node: Node, branch: Node | None) -> Kernel:
    part = graph.parts[node.name]
    if branch is not None:
        return Gathered(part, graph.parts[branch.name], positive=_positive(graph, branch))
    if node.channels is not None and not isinstance(part, Nested):
        raise GraphError(f"node {node.name!r} has channel gates but no join behind it that the engine knows: add a Join(…) node")
    return decider(part) if node.kind == "control" else kernel(part)


def _positive(graph: Graph, branch: Node) -> bool:
    """Return whether the input of a block has passed a ReLU."""
    source = graph.by_name[branch.inputs[0].source]
    if source.kind != "regular" or source.gates:
        return False
    part = graph.parts[source.name]
    return isinstance(part, Join | Residual | Stem)


def _branch(graph: Graph, join: Node) -> Node | None:
    """Return the branch that a join adds to the input of both, if no other node reads it."""
    if join.kind != "regular" or not isinstance(graph.parts[join.name], Join) or join.gates or len(join.inputs) != 2:
        return None
    entering, sent = join.inputs
    branch = graph.by_name[sent.source]
    alone = sum(edge.source == branch.name for node in graph.nodes for edge in node.inputs) == 1
    fits = branch.kind == "regular" and isinstance(graph.parts[branch.name], Branch) and branch.inputs == (entering,)
    never_null = sent.default == 0 or (sent.default is None and not branch.gates)
    return branch if alone and fits and entering.default is None and never_null else None
