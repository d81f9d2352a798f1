"""Routes through a graph when every control node's choice is known, and the static network that one route is."""

import copy
from collections.abc import Collection, Mapping

import torch
from torch import nn

from core.graph.graph import Graph
from core.graph.node import Edge, Gate, GraphError, Node
from core.graph.validation import find_choices
from core.modules.layers import Add, Constant


def running_nodes(graph: Graph, choices: Mapping[str, int]) -> tuple[str, ...]:
    """The names of the nodes that run, in order, when each control node takes the column that `choices` gives it.

    Gates that decide each by its own score are all open.
    """
    runs: set[str] = set()
    for node in graph.nodes:
        present = all(edge.default is not None or edge.source in runs for edge in node.inputs)
        opened = not node.gates or any(g.control in runs and _taken(graph, g, choices) for g in node.gates)
        if present and opened:
            runs.add(node.name)
    return tuple(node.name for node in graph.nodes if node.name in runs)


def _taken(graph: Graph, gate: Gate, choices: Mapping[str, int]) -> bool:
    return graph.by_name[gate.control].decides == "each" or choices[gate.control] == gate.column


def static_nodes(graph: Graph, choices: Mapping[str, int]) -> tuple[str, ...]:
    """The nodes without which a route would not have its answer, in order: its last output and all that feeds it; no control nodes."""
    runs = running_nodes(graph, choices)
    answer = next((node.name for node in reversed(graph.outputs) if node.name in runs), None)
    if answer is None:
        raise GraphError(f"the route {dict(choices)} ends in no output")
    needed = {answer, graph.input.name}
    for node in reversed(graph.nodes):
        if node.name in needed:
            needed.update(edge.source for edge in node.inputs if edge.source in runs)
    return tuple(node.name for node in graph.nodes if node.name in needed)


def static_network(graph: Graph, choices: Mapping[str, int] | None = None) -> Graph:
    """The network of one route (the reference path without `choices`) as a graph of its own without gates, with copies of the modules.

    A data edge whose source does not run there brings its default: it is left out of a sum if that is zero, and a dummy node otherwise.
    """
    kept = static_nodes(graph, graph.reference if choices is None else choices)
    nodes: list[Node] = []
    parts: dict[str, nn.Module] = {}
    for node in (graph.by_name[name] for name in kept):
        constants = _constants(graph, node, kept)
        for edge, name in constants.items():
            if name not in parts:
                nodes.append(Node(name, "dummy"))
                parts[name] = Constant(torch.full(graph.shapes[edge.source], float(edge.default or 0)))
        inputs = (Edge(constants.get(edge, edge.source)) for edge in node.inputs if edge in constants or edge.source in kept)
        nodes.append(Node(node.name, node.kind, tuple(inputs)))
        if node.kind != "input":
            parts[node.name] = copy.deepcopy(graph.parts[node.name])
    return Graph(nodes, parts, graph.shapes[graph.input.name])


def _constants(graph: Graph, node: Node, kept: Collection[str]) -> dict[Edge, str]:
    """The data edges of a node that bring their default on a route, and names for the constants that stand for it there."""
    absent = [edge for edge in node.inputs if edge.source not in kept]
    if len(absent) < len(node.inputs) and isinstance(graph.parts[node.name], Add):
        absent = [edge for edge in absent if edge.default != 0]
    return {edge: f"{edge.source} = {edge.default!r}".replace(".", "·") for edge in absent}


def choices_reaching(graph: Graph, name: str) -> dict[str, int]:
    """Choices under which a node runs, cheap where they are free. Raises GraphError if there are none."""
    opened = find_choices(graph.by_name, name)
    if opened is None:
        raise GraphError(f"no choice of options makes node {name!r} run")
    return {control.name: 0 for control in graph.controls} | dict(opened)


def static_macs(graph: Graph) -> int:
    """The multiply-adds of the static network."""
    return sum(graph.macs[name] for name in static_nodes(graph, graph.reference))


def static_price(graph: Graph) -> float:
    """What the static network costs by the graph's prices."""
    kept = static_nodes(graph, graph.reference)
    total = sum(price for node, price in zip(graph.nodes, graph.prices.tolist(), strict=True) if node.name in kept)
    return float(total) or 1.0


def min_remaining_costs(graph: Graph, control: Node) -> list[float]:
    """For each option of a control node, the share of the static cost still to come if every later control node takes its cheapest."""
    before = {node.name for node in graph.nodes[: graph.nodes.index(control) + 1]}
    prices = dict(zip((node.name for node in graph.nodes), graph.prices.tolist(), strict=True))
    static = static_price(graph)
    shares = []
    for column in range(len(control.options)):
        runs = running_nodes(graph, choices_reaching(graph, control.name) | {control.name: column})
        shares.append(sum(prices[name] for name in runs if name not in before) / static)
    return shares
