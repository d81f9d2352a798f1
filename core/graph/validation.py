"""The rules that a list of nodes must obey to be an executable graph. Errors name the node and what to correct."""

from collections.abc import Collection, Mapping, Sequence

from torch import nn

from core.graph.node import GraphError, Node

# what stands in for torch's batch norms where a node runs for few rows
SINGLE_ROW_NORMS: Mapping[type[nn.Module], str] = {
    nn.BatchNorm2d: "core.modules.layers.Norm",
    nn.BatchNorm1d: "core.modules.gate_network.Means",
}


def validate(nodes: Sequence[Node], parts: Collection[str]) -> None:
    """Raise GraphError if the nodes and their modules are not an executable graph."""
    names = [node.name for node in nodes]
    for name in names:
        if not name or "." in name:
            raise GraphError(f"node {name!r}: a name must not be empty and must not hold a dot")
        if names.count(name) > 1:
            raise GraphError(f"node {name!r} is defined twice: give each node a name of its own")
    inputs = [node.name for node in nodes if node.kind == "input"]
    if len(inputs) != 1:
        raise GraphError(f"a graph has one input node, this one has {len(inputs)}: {inputs}")
    if not any(node.kind == "output" for node in nodes):
        raise GraphError("the graph has no output node: add one with kind 'output'")
    by_name = {node.name: node for node in nodes}
    for node in nodes:
        _validate_edges(node, by_name)
        _validate_channels(node, by_name)
        _validate_kind(node)
        if (node.name in parts) == (node.kind == "input"):
            raise GraphError(f"node {node.name!r}: " + ("the input has no module" if node.kind == "input" else "it has no module in parts"))
    for stray in set(parts) - set(names):
        raise GraphError(f"parts contain a module {stray!r} that no node uses: add the node or remove the module")
    topological_order(nodes)
    for node in nodes:
        if node.kind == "output" and find_choices(by_name, node.name) is None:
            raise GraphError(
                f"no route reaches the output node {node.name!r}: the nodes that it requires never run together; "
                "give one of the edges a default"
            )


def validate_batch_norm(nodes: Sequence[Node], parts: Mapping[str, nn.Module]) -> None:
    """Raise GraphError if a node that can be skipped has torch's own batch norm, which cannot be trained on a single row.

    `nodes` are in topological order. Any image may be the only one of its batch for which such a node runs.
    """
    skippable = set[str]()
    for node in nodes:
        if not node.gates and not any(edge.default is None and edge.source in skippable for edge in node.inputs):
            continue
        skippable.add(node.name)
        for module in parts[node.name].modules():
            if type(module) in SINGLE_ROW_NORMS:
                raise GraphError(
                    f"node {node.name!r} can be skipped and contains {type(module).__name__}, which fails in training when the node runs "
                    f"for one image: use {SINGLE_ROW_NORMS[type(module)]}, which has the same weights"
                )


def _validate_edges(node: Node, by_name: Mapping[str, Node]) -> None:
    for source in node.sources:
        if source not in by_name:
            raise GraphError(f"node {node.name!r} has an edge from {source!r}, which is not in the graph: add it or correct the name")
    for edge in node.inputs:
        sender = by_name[edge.source]
        if sender.kind == "control":
            raise GraphError(
                f"node {sender.name!r} has mixed outgoing edges: a control node sends no data, so {node.name!r} cannot read it"
            )
        if sender.kind == "output":
            raise GraphError(f"node {node.name!r} reads the output node {sender.name!r}: outputs end a route; read the node before it")
    for gate in node.gates:
        control = by_name[gate.control]
        if control.kind != "control":
            raise GraphError(f"node {control.name!r} has mixed outgoing edges: it is {control.kind}, so it cannot open {node.name!r}")
        if not 0 <= gate.column < len(control.options):
            raise GraphError(f"node {node.name!r}: {control.name!r} has {len(control.options)} options, so no column {gate.column}")


def _validate_channels(node: Node, by_name: Mapping[str, Node]) -> None:
    if node.channels is None:
        return
    control = by_name[node.channels.control]
    if control.kind != "control" or control.decides != "each":
        raise GraphError(f'node {node.name!r}: channel gates need a control node with decides="each", unlike {control.name!r}')
    last = node.channels.first + node.channels.count
    if node.channels.first < 0 or node.channels.count < 1 or last > len(control.options):
        raise GraphError(f"node {node.name!r}: {control.name!r} has {len(control.options)} options, so no columns up to {last}")
    if node.kind != "regular":
        raise GraphError(f"{node.kind} node {node.name!r} has channel gates: only regular nodes can have them")


def _validate_kind(node: Node) -> None:
    if node.kind in ("input", "dummy") and node.inputs:
        raise GraphError(f"{node.kind} node {node.name!r} cannot have inputs: remove them or make the node regular")
    if node.kind in ("regular", "control", "output") and not node.inputs:
        raise GraphError(f"{node.kind} node {node.name!r} has no input: connect a data edge to it, or make it a dummy")
    if node.kind in ("input", "control") and node.gates:
        raise GraphError(f"{node.kind} node {node.name!r} has gates: remove them, since only regular, dummy and output nodes can be gated")
    if (node.kind == "control") != bool(node.options):
        raise GraphError(f"{node.kind} node {node.name!r}: a control node has options, and only a control node")


def topological_order(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """Return the nodes in topological order over data and control edges, which keeps the given order where possible.

    Raises GraphError if there is a cycle.
    """
    waiting, done, order = list(nodes), set[str](), list[Node]()
    waiting.sort(key=lambda node: node.kind != "input")
    while waiting:
        ready = next((node for node in waiting if done.issuperset(node.sources)), None)
        if ready is None:
            cycle = _cycle(waiting)
            raise GraphError(f"the nodes {' → '.join(cycle)} form a cycle: remove one of these edges")
        waiting.remove(ready)
        done.add(ready.name)
        order.append(ready)
    return tuple(order)


def _cycle(waiting: Sequence[Node]) -> list[str]:
    by_name = {node.name: node for node in waiting}
    path = [waiting[0].name]
    while True:
        path.append(next(source for source in by_name[path[-1]].sources if source in by_name))
        if path[-1] in path[:-1]:
            return path[path.index(path[-1]) :][::-1]


def find_choices(nodes: Mapping[str, Node], *names: str) -> set[tuple[str, int]] | None:
    """Return the cheapest choices under which all these nodes run, as (control node, column), or None if there are none."""
    untried: list[tuple[tuple[str, ...], frozenset[str], frozenset[tuple[str, int]]]] = [(names, frozenset(), frozenset())]
    while untried:
        goals, reached, opened = untried.pop()  # nodes still to be reached, nodes that run, and the columns that must be open
        if not goals:
            return set(opened)
        node, rest = nodes[goals[-1]], goals[:-1]
        if node.name in reached:
            untried.append((rest, reached, opened))
            continue
        reached |= {node.name}
        goals = rest + tuple(edge.source for edge in node.inputs if edge.default is None and edge.source not in reached)
        goals += () if node.channels is None else (node.channels.control,)
        if not node.gates:
            untried.append((goals, reached, opened))
        for gate in sorted(node.gates, key=lambda gate: -gate.column):  # the cheapest is tried first
            taken = {column for control, column in opened if control == gate.control}
            if nodes[gate.control].decides == "each" or taken <= {gate.column}:
                untried.append(((*goals, gate.control), reached, opened | {(gate.control, gate.column)}))
    return None


def columns(nodes: Sequence[Node], options: Mapping[str, str | int]) -> dict[str, int]:
    """Return the column of each control node in `options`, given by an option's name or number. Raises GraphError if there is none."""
    controls = {node.name: node for node in nodes if node.kind == "control"}
    chosen = {}
    for name, option in options.items():
        if name not in controls:
            raise GraphError(
                f"{name!r} is not a control node; there {'is' if len(controls) == 1 else 'are'} {', '.join(controls) or 'none'}"
            )
        known = controls[name].options
        if option not in known and option not in range(len(known)):
            raise GraphError(f"control node {name!r} has no option {option!r}: it has {', '.join(known)}")
        chosen[name] = known.index(option) if isinstance(option, str) else option
    return chosen
