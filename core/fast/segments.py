"""Segments: consecutive nodes that run for the same images of any batch, as one ONNX Runtime program.

A segment ends where a decision changes what runs. A residual block with gates is a segment of its own, which takes the images for which
its branch is computed. Images pass a program a few at a time, so that their maps stay in the processor's cache.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
import torch
from onnx import ModelProto, TensorProto
from torch import Tensor

from core.fast.nested import NestedUnit
from core.graph.graph import Graph
from core.graph.node import Node
from core.program.network import LAST_ANSWER, Network, gates_of
from core.program.operators import NotWrittenError, Operators
from core.program.session import session_options

IMAGES_PER_CALL = 16  # images that a program takes at a time
CONDITION = ".condition"  # the input of control nodes, (images, 1)


class Segment:
    """Consecutive nodes of a graph that run for the same images.

    reads     the data edges from earlier nodes
    controls  the control nodes whose gates it takes
    branch    the branch of its only node, if that is a residual block with gates
    """

    def __init__(self, graph: Graph, nodes: Sequence[Node], branches: Mapping[str, Node], later: frozenset[str]) -> None:
        """`branches`: of joins. `later`: the nodes whose values are read by other segments."""
        self.graph, self.nodes = graph, tuple(nodes)
        inside = [*self.nodes, *(branches[node.name] for node in nodes if node.name in branches)]
        self.names = tuple(node.name for node in inside)
        self.reads = tuple(dict.fromkeys(edge for node in nodes for edge in node.inputs if edge.source not in self.names))
        channels = [node.channels.control for node in inside if node.channels is not None]
        self.controls = tuple(dict.fromkeys([*channels, *(gate.control for node in inside for gate in node.gates)]))
        self.branch = next((branches[node.name] for node in nodes if node.name in branches and _gated(branches[node.name])), None)
        self.scaled = any(node.gates for node in inside)
        self.sends = tuple(node.name for node in nodes if node.kind in ("control", "output") or node.name in later)
        self.sessions: dict[tuple[int, bool], Any] = {}  # by threads, and whether any gate scales

    def __call__(self, given: Mapping[str, Tensor], gates: Mapping[str, Tensor], condition: Tensor | None, count: int) -> dict[str, Tensor]:
        """Return the values of the nodes in `sends`, (images, …), that of a control node included.

        `given`: the values that come along `reads`, by their nodes. `gates`: those of the nodes in `controls`. `condition`: (images,).
        `count`: how many images there are.
        """
        scales = self.scaled and any(bool(((one != 0) & (one != 1)).any()) for one in gates.values())
        arrays = {f".value.{name}": np.ascontiguousarray(value.numpy()) for name, value in given.items()}
        arrays |= {gates_of(name): value.numpy() for name, value in gates.items()}
        if condition is not None:
            arrays[CONDITION] = condition.numpy()[:, None]
        if not self.sends:
            return {}
        session = self.session(scales=scales)
        names = [one.name for one in session.get_inputs()]
        starts = range(0, count, IMAGES_PER_CALL)
        parts = [session.run(None, {name: arrays[name][start : start + IMAGES_PER_CALL] for name in names}) for start in starts]
        found = parts[0] if len(parts) == 1 else [np.concatenate(values) for values in zip(*parts, strict=True)]
        return {name: torch.from_numpy(value) for name, value in zip(self.sends, found, strict=True)}

    def session(self, *, scales: bool) -> Any:
        """Return the program, ready to run on torch's number of threads. `scales`: whether any gate is neither 0 nor 1."""
        key = (torch.get_num_threads(), scales)
        if key not in self.sessions:
            content, options = self._written(scales=scales).SerializeToString(), session_options(key[0])
            self.sessions[key] = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        return self.sessions[key]

    def _written(self, *, scales: bool) -> ModelProto:
        """Write the program. Raises NotWrittenError."""
        graph, to = self.graph, Operators()
        network = Network(graph, decides=False, chooses=False, scales=scales)
        sent = {name: to.given(f".value.{name}", ("images", *graph.shapes[name])) for name in (edge.source for edge in self.reads)}
        sent |= {gates_of(name): to.given(gates_of(name), ("images", len(graph.by_name[name].options))) for name in self.controls}
        network.condition = to.given(CONDITION, ("images", 1)) if graph.tradeoff.every_lam else None
        network.write_together(to, self.nodes, sent)
        outputs: dict[str, tuple[str, int, Sequence[int | str]]] = {}
        for node in self.nodes:
            if node.name in self.sends:
                name = LAST_ANSWER if node.kind == "output" else node.name
                value = _stacked(to, network.values[name]) if node.kind == "control" else sent[name]
                outputs[f".sent.{node.name}"] = (value, TensorProto.FLOAT, ("images", *graph.shapes[node.name]))
        return to.model(outputs)


def _stacked(to: Operators, values: Sequence[str]) -> str:
    """Write the values of a control node side by side, (images, options, 2), or (images, options) if there is one for each option."""
    if len(values) == 1:
        return values[0]
    return to.add("Concat", *(to.add("Unsqueeze", one, to.integers(2)) for one in values), axis=2)


def units(graph: Graph, *, single: bool = False) -> list[Segment | NestedUnit | Node]:
    """Return the nodes in order, grouped into segments as long as possible. Nodes that have no form in ONNX operators stay single.

    `single`: each segment has one node. Raises NotWrittenError for a graph that has no form at all.
    """
    network = Network(graph, decides=False, chooses=False)
    network.condition = CONDITION
    groups: list[list[Node]] = []
    for node in network.nodes:
        if not single and groups and _writable(network, groups[-1][-1]) and _writable(network, node) and _fits(network, groups[-1], node):
            groups[-1].append(node)
        else:
            groups.append([node])
    found: list[Segment | NestedUnit | Node] = []
    for nodes in groups:
        if nodes[0].channels is not None:
            found.append(NestedUnit(graph, nodes[0]))
            continue
        own = {node.name for node in nodes}
        later = frozenset(edge.source for node in network.nodes if node.name not in own for edge in node.inputs)
        found += [Segment(graph, nodes, network.branches, later)] if _writable(network, nodes[0]) else nodes
    return found


def _writable(network: Network, node: Node) -> bool:
    """Return whether a node can be part of a segment."""
    if node.kind == "dummy" or len({edge.source for edge in node.inputs}) < len(set(node.inputs)):
        return False  # it sends one row for any number of images, or reads one node in two ways
    sent = {edge.source: edge.source for edge in node.inputs} | {gates_of(one.name): one.name for one in network.graph.controls}
    try:
        network.write_together(Operators(), [node], sent)
    except NotWrittenError:
        return False
    return True


def _fits(network: Network, nodes: Sequence[Node], node: Node) -> bool:
    """Return whether a node can be in one segment with those before it."""
    branches = [network.branches.get(one.name) for one in (nodes[-1], node)]
    if any(branch is not None and _gated(branch) for branch in branches) or network.needed[nodes[0].name] != network.needed[node.name]:
        return False
    inside = {one.name for one in nodes}
    outside = {edge for one in (*nodes, node) for edge in one.inputs if edge.source not in inside}
    deciding = inside.intersection(gate.control for gate in node.gates)
    return not deciding and len({edge.source for edge in outside}) == len(outside)


def _gated(branch: Node) -> bool:
    """Return whether a branch is computed for some of the images that reach its join, or in part."""
    return bool(branch.gates) or branch.channels is not None
