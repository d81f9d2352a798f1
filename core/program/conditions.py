"""Which gates must be open for a node to run, from the graph's structure alone."""

from collections.abc import Mapping, Sequence

from core.graph.graph import Graph
from core.graph.node import Gate, Node
from core.modules.layers import Join
from core.modules.residual import Branch

Conditions = frozenset[tuple[Gate, ...]]  # sets of gates, each of which must have an open one


def conditions(graph: Graph) -> dict[str, Conditions]:
    """Return the conditions under which each node runs."""
    found: dict[str, Conditions] = {}
    for node in graph.nodes:
        needed = [found[edge.source] for edge in node.inputs if edge.default is None]
        found[node.name] = frozenset({node.gates} if node.gates else ()).union(implied(found, node.gates), *needed)
    return found


def implied(found: Mapping[str, Conditions], gates: Sequence[Gate]) -> Conditions:
    """Return the conditions that hold wherever one of these gates is open, since its control node ran."""
    first, *others = [found[gate.control] for gate in gates] or [Conditions()]
    return first.intersection(*others)


def branch_of(graph: Graph, join: Node) -> Node | None:
    """Return the branch that a join adds to the input of both, if no other node reads it."""
    if join.kind != "regular" or type(graph.parts[join.name]) is not Join or join.gates or len(join.inputs) != 2:
        return None
    entering, sent = join.inputs
    branch = graph.by_name[sent.source]
    alone = sum(edge.source == branch.name for node in graph.nodes for edge in node.inputs) == 1
    fits = branch.kind == "regular" and type(graph.parts[branch.name]) is Branch and branch.inputs == (entering,)
    never_null = sent.default == 0 or (sent.default is None and not branch.gates)
    return branch if alone and fits and entering.default is None and never_null else None
