"""Large graphs as they are shown: repeated nodes folded where that hides no decision of others."""

import pytest
import torch

from app.graph_view.folding import MAX_UNFOLDED_NODES, Folded, costs, fold
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.node import Edge, Gate, Node
from core.graph.policy import Random
from core.registry import choose

LARGE = {
    "cascade": {"name": "resnet_cascade", "n": 6, "exits": [2, 4, 7, 10, 13]},
    "scouted": {"name": "resnet_cascade", "n": 9, "exits": [8, 13], "scout": [8]},
    "layers": {"name": "lc_resnet", "depth": "110"},
    "channels": {"name": "lc_resnet", "depth": "32", "channels": True},
    "grouped": {"name": "lc_resnet", "depth": "56", "gates_of": "group"},
    "chain": {"name": "chain", "links": [8] * 8},
}
large = pytest.mark.parametrize("name", LARGE)


def built(name: str) -> Graph:
    return choose("architectures", LARGE[name]).build((3, 32, 32), 10).eval()


def members_of(node: Node) -> tuple[str, ...]:
    return node.members if isinstance(node, Folded) else (node.name,)


@large
def test_every_node_is_shown_once_and_edges_lead_to_what_is_shown(name: str) -> None:
    nodes = built(name).nodes
    shown = fold(nodes)
    assert [one for node in shown for one in members_of(node)] == [node.name for node in nodes]
    names = {node.name for node in shown}
    assert len(names) == len(shown)
    assert all(edge.source in names for node in shown for edge in node.inputs)
    assert all(gate.control in names for node in shown for gate in node.gates)
    assert all(node.inputs for node in shown if node.kind not in ("input", "dummy"))


@large
def test_a_folded_graph_costs_what_the_whole_one_does(name: str) -> None:
    graph = built(name)
    assert sum(costs(fold(graph.nodes), graph.macs).values()) == sum(graph.macs.values())


@pytest.mark.parametrize("name", ["cascade", "scouted"])
def test_what_is_folded_without_a_gate_inside_runs_together(name: str) -> None:
    graph = built(name)
    execution = execute(graph, torch.randn(12, 3, 32, 32), Random(0.6, torch.Generator().manual_seed(0)))
    folded = [node for node in fold(graph.nodes) if isinstance(node, Folded)]
    assert folded
    assert not bool(torch.stack(list(execution.ran.values())).all())
    for node in folded:
        first, *others = (execution.ran[member] for member in node.members)
        assert all(torch.equal(first, other) for other in others)


def test_blocks_with_gates_of_their_own_fold_with_them_and_become_cells() -> None:
    shown = fold(built("layers").nodes)
    assert [node.name for node in shown] == ["x", "stem", "block 1-1 … 1-18", "block 2-1 … 2-18", "block 3-1 … 3-18", "y"]
    assert all(len(node.blocks) == 18 for node in shown if isinstance(node, Folded))


def test_a_group_whose_gates_are_set_at_once_folds_with_its_control_node() -> None:
    shown = fold(built("grouped").nodes)
    assert [node.name for node in shown] == ["x", "stem", "block 1-1 … 1-9", "block 2-1 … 2-9", "block 3-1 … 3-9", "y"]
    assert all("Q" in node.members[0] for node in shown if isinstance(node, Folded))


def test_a_gate_from_outside_that_not_all_hang_on_keeps_nodes_apart() -> None:
    gate = Gate("Q", 0)
    chain = [Node(f"n{number}a", "regular", (Edge("x"),)) for number in range(MAX_UNFOLDED_NODES)]  # to be large enough
    nodes = [
        Node("x", "input"),
        Node("Q", "control", (Edge("x"),), (), ("a", "b")),
        *chain,
        Node("block 1", "regular", (Edge("x"),), (gate,)),
        Node("block 2", "regular", (Edge("x"), Edge("block 1", 0.0))),
        Node("y", "output", (Edge("block 2"),)),
    ]
    assert not any(isinstance(node, Folded) for node in fold(nodes))


@large
def test_an_expanded_group_is_shown_whole(name: str) -> None:
    nodes = built(name).nodes
    folded = [node for node in fold(nodes) if isinstance(node, Folded)]
    assert fold(nodes, [node.members[0] for node in folded]) == tuple(nodes)
    if folded:
        names = [node.name for node in fold(nodes, [folded[0].members[0]])]
        assert set(folded[0].members) <= set(names)
        assert folded[-1].name in names or len(folded) == 1


def test_small_graphs_are_left_as_they_are() -> None:
    nodes = choose("architectures", "chain").build((1, 16, 16), 10).nodes
    assert len(nodes) <= MAX_UNFOLDED_NODES
    assert fold(nodes) == nodes
