"""Routes for given options of the control nodes, and the static network of a route."""

import copy
from collections.abc import Collection, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from core.graph.graph import Graph
from core.graph.node import Edge, Gate, GraphError, Node
from core.graph.validation import find_choices
from core.modules.controller import Controller
from core.modules.layers import Add, Constant

Price = TypeVar("Price", float, Tensor)


def running_nodes(graph: Graph, choices: Mapping[str, int]) -> tuple[str, ...]:
    """Return the names of the nodes that run, in order, if each control node takes its column of `choices`.

    All independent gates are open.
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
    """Return the nodes that a route's answer depends on, in order: its last output and all that feeds it, without control nodes.

    Raises GraphError if the route reaches no output.
    """
    runs = running_nodes(graph, choices)
    answer = next((node.name for node in reversed(graph.outputs) if node.name in runs), None)
    if answer is None:
        raise GraphError(f"the route {dict(choices)} ends in no output")
    needed = {answer, graph.input.name}
    for node in reversed(graph.nodes):
        if node.name in needed:
            needed.update(edge.source for edge in node.inputs if edge.source in runs)
    return tuple(node.name for node in graph.nodes if node.name in needed)


def static_network(graph: Graph, choices: Mapping[str, int] | None = None, *, shares_weights: bool = False) -> Graph:
    """Return the network of one route, by default the reference path, as a graph without gates.

    It has copies of the modules; `shares_weights`: these have the very weights of the graph. A data edge whose source is not on the route
    carries its default. It is dropped from a sum if the default is 0; otherwise a dummy node sends it. Layers that several nodes share stay
    shared.
    """
    kept = static_nodes(graph, graph.reference if choices is None else choices)
    nodes: list[Node] = []
    parts: dict[str, nn.Module] = {}
    shared = [*graph.parameters(), *graph.buffers()] if shares_weights else []
    copied: dict[int, object] = {id(one): one for one in shared}  # by the identity of the original
    for node in (graph.by_name[name] for name in kept):
        constants = _constants(graph, node, kept)
        for edge, name in constants.items():
            if name not in parts:
                nodes.append(Node(name, "dummy"))
                parts[name] = Constant(torch.full(graph.shapes[edge.source], float(edge.default or 0)))
        inputs = (Edge(constants.get(edge, edge.source)) for edge in node.inputs if edge in constants or edge.source in kept)
        nodes.append(Node(node.name, node.kind, tuple(inputs)))
        if node.kind != "input":
            parts[node.name] = copy.deepcopy(graph.parts[node.name], copied)
    return Graph(nodes, parts, graph.shapes[graph.input.name])


def node_alone(graph: Graph, name: str) -> Graph:
    """Return the network of one node that reads the image, for example of a cascade's largest member. Raises GraphError."""
    node = graph.by_name.get(name)
    readers = [
        other.name for other in graph.nodes if other.kind == "regular" and [edge.source for edge in other.inputs] == [graph.input.name]
    ]
    if node is None or name not in readers:
        raise GraphError(f"{name!r} is not a node that reads the image alone; such nodes are {', '.join(readers) or 'none'}")
    answer = Node(name, "output", node.inputs)
    return Graph([graph.input, answer], {name: copy.deepcopy(graph.parts[name])}, graph.shapes[graph.input.name])


def _constants(graph: Graph, node: Node, kept: Collection[str]) -> dict[Edge, str]:
    """Return the data edges of a node that carry their default on a route, with the names of the dummy nodes that send it."""
    absent = [edge for edge in node.inputs if edge.source not in kept]
    if len(absent) < len(node.inputs) and isinstance(graph.parts[node.name], Add):
        absent = [edge for edge in absent if edge.default != 0]
    return {edge: f"{edge.source} = {edge.default!r}".replace(".", "·") for edge in absent}


def choices_reaching(graph: Graph, name: str) -> dict[str, int]:
    """Return options under which a node runs, the cheapest ones where possible. Raises GraphError if there are none."""
    opened = find_choices(graph.by_name, name)
    if opened is None:
        raise GraphError(f"no choice of options makes node {name!r} run")
    return {control.name: 0 for control in graph.controls} | dict(opened)


def static_macs(graph: Graph) -> int:
    """Return the multiply-adds of the static network."""
    return sum(graph.macs[name] for name in static_nodes(graph, graph.reference))


def static_price(graph: Graph) -> float:
    """Return the cost of the static network by the graph's prices, or 1 if it is 0."""
    kept = static_nodes(graph, graph.reference)
    total = sum(price for node, price in zip(graph.nodes, graph.prices.tolist(), strict=True) if node.name in kept)
    return float(total) or 1.0


def price_share(graph: Graph, price: Price) -> Price:
    """Return a cost by the graph's prices, a number or one per image (B,), as a share of the static network's."""
    return price / static_price(graph)


def initialise_controllers(graph: Graph) -> None:
    """Tell each controller what it need not learn: whether later control nodes exist, and the lowest cost to come after each option.

    `Builder.build` calls it, and the training loop calls it again once the prices are known. Raises GraphError if a controller never runs.
    """
    for control in graph.controls:
        part = graph.parts[control.name]
        if isinstance(part, Controller):
            part.has_successors = control is not graph.controls[-1]
            part.min_remaining_cost.copy_(torch.tensor(min_remaining_costs(graph, control)))


def min_remaining_costs(graph: Graph, control: Node) -> list[float]:
    """Return, for each option of a control node, the cost share of the later nodes if later control nodes take their cheapest options."""
    before = {node.name for node in graph.nodes[: graph.nodes.index(control) + 1]}
    prices = dict(zip((node.name for node in graph.nodes), graph.prices.tolist(), strict=True))
    shares = []
    for column in range(len(control.options)):
        runs = running_nodes(graph, choices_reaching(graph, control.name) | {control.name: column})
        shares.append(price_share(graph, sum(prices[name] for name in runs if name not in before)))
    return shares
