"""Repeated modules of a large graph as one node each, until they are opened.

A run of nodes is folded where that hides no decision of others: one way leads in, one way leads out, and what controls its nodes lies
within, but for the gate of the first. Loads without torch and without streamlit.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from core.graph.node import Edge, Node

FEW = 32  # nodes; graphs of no more are shown whole
NUMBER = re.compile(r"[\d-]*\d$")


@dataclass(frozen=True)
class Folded(Node):
    """Stacked nodes drawn as one. `blocks` are those of its members whose running its strip tells, cell by cell."""

    members: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()


def fold(nodes: Sequence[Node], opened: Collection[str] = ()) -> tuple[Node, ...]:
    """The nodes with runs of repeated ones folded, except those whose first member is in `opened`."""
    if len(nodes) <= FEW:
        return tuple(nodes)
    found = [_folded(members) for members in _runs(nodes) if members[0].name not in opened]
    stands_for = {name: one.name for one in found for name in one.members}
    first = {one.members[0]: one for one in found}
    shown: list[Node] = []
    for node in nodes:
        if node.name in first:
            shown.append(_rewired(first[node.name], stands_for))
        elif node.name not in stands_for:
            shown.append(_rewired(node, stands_for))
    return tuple(shown)


def costs(shown: Sequence[Node], macs: Mapping[str, int]) -> dict[str, int]:
    """What each node that is shown costs, a folded one all that it stands for."""
    return {node.name: sum(macs[name] for name in node.members) if isinstance(node, Folded) else macs[node.name] for node in shown}


def _runs(nodes: Sequence[Node]) -> list[list[Node]]:
    """The runs of consecutive nodes of one kind of name that can be folded."""
    runs = []
    for _, group in groupby(nodes, key=_series):
        run = list(group)
        while len(run) > 1 and not _closed(run, nodes):
            run = run[1:]
        if len(run) > 1:
            runs.append(run)
    return runs


def _series(node: Node) -> str:
    """What nodes that repeat each other have in common: "block 3" and "block 4", or all of a ResNet's group, "Q2", "Q2-1", "add 2-5"."""
    number = NUMBER.search(node.name)
    if number is None:
        return node.name
    grouped = "-" in number.group() or node.kind == "control"
    return f"group {number.group().partition('-')[0]}" if grouped else node.name[: number.start()]


def _closed(run: Sequence[Node], nodes: Sequence[Node]) -> bool:
    """Whether one way leads in and one out, and no gate crosses its border but that of the first node."""
    inside = {node.name for node in run}
    if any(node.kind in ("input", "output", "dummy") for node in run):
        return False
    entering = {edge.source for node in run for edge in node.inputs if edge.source not in inside}
    leaving = {edge.source for node in nodes if node.name not in inside for edge in node.inputs if edge.source in inside}
    controls = {control for node in run[1:] for control in _controls(node)}
    opening = {control for node in nodes if node.name not in inside for control in _controls(node)}
    if run[0].gates and not all(any(edge.default is None and edge.source in inside for edge in node.inputs) for node in run[1:]):
        return False  # not all would be skipped with the first
    one_way = len(entering) == 1 and leaving <= {run[-1].name}
    return one_way and controls <= inside and not opening & inside and not (set(_controls(run[0])) & inside)


def _controls(node: Node) -> list[str]:
    return [gate.control for gate in node.gates] + ([] if node.channels is None else [node.channels.control])


def _folded(members: Sequence[Node]) -> Folded:
    gated = [node.name for node in members if node.gates and node is not members[0]] or [
        node.name for node in members if node.kind == "regular"
    ]
    first, last = gated[0], gated[-1]
    number = NUMBER.search(last)
    name = f"{first} … {number.group()}" if number and first != last else first
    return Folded(
        name,
        "regular",
        tuple({edge.source: edge for edge in members[0].inputs}.values()),
        () if members[0].kind == "control" else members[0].gates,
        members=tuple(node.name for node in members),
        blocks=tuple(gated),
    )


def _rewired(node: Node, stands_for: dict[str, str]) -> Node:
    """A node that reads what stands for its sources."""
    inputs = tuple(Edge(stands_for.get(edge.source, edge.source), edge.default) for edge in node.inputs)
    return replace(node, inputs=tuple(dict.fromkeys(inputs)))
