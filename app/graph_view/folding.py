"""Fold repeated modules of a large graph into one node each, until they are expanded.

A run of nodes is folded only if that hides no decision from the other nodes: one path leads in, one path leads out, and the controllers
of its nodes are among them, except for the gate of the first. Loads without torch and without streamlit.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from core.graph.node import Edge, Node

MAX_UNFOLDED_NODES = 32  # nodes; smaller graphs are shown whole
NUMBER = re.compile(r"[\d-]*\d$")


@dataclass(frozen=True)
class Folded(Node):
    """A run of nodes drawn as one. `blocks` are the members whose execution its strip shows, cell by cell."""

    members: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()


def fold(nodes: Sequence[Node], expanded: Collection[str] = ()) -> tuple[Node, ...]:
    """Return the nodes with runs of repeated nodes folded, except the runs whose first member is in `expanded`."""
    if len(nodes) <= MAX_UNFOLDED_NODES:
        return tuple(nodes)
    found = [_folded(members) for members in _runs(nodes) if members[0].name not in expanded]
    drawn_as = {name: one.name for one in found for name in one.members}
    first = {one.members[0]: one for one in found}
    shown: list[Node] = []
    for node in nodes:
        if node.name in first:
            shown.append(_rewired(first[node.name], drawn_as))
        elif node.name not in drawn_as:
            shown.append(_rewired(node, drawn_as))
    return tuple(shown)


def costs(shown: Sequence[Node], macs: Mapping[str, int]) -> dict[str, int]:
    """Return the multiply-adds of each drawn node; a folded node costs as much as all its members."""
    return {node.name: sum(macs[name] for name in node.members) if isinstance(node, Folded) else macs[node.name] for node in shown}


def _runs(nodes: Sequence[Node]) -> list[list[Node]]:
    """Return the runs of consecutive nodes with similar names that can be folded."""
    runs = []
    for _, group in groupby(nodes, key=_series):
        run = list(group)
        while len(run) > 1 and not _closed(run, nodes):
            run = run[1:]
        if len(run) > 1:
            runs.append(run)
    return runs


def _series(node: Node) -> str:
    """Return what repeated nodes have in common: "block 3" and "block 4", or a ResNet's whole group, "Q2", "Q2-1", "add 2-5"."""
    number = NUMBER.search(node.name)
    if number is None:
        return node.name
    grouped = "-" in number.group() or node.kind == "control"
    return f"group {number.group().partition('-')[0]}" if grouped else node.name[: number.start()]


def _closed(run: Sequence[Node], nodes: Sequence[Node]) -> bool:
    """Return whether one path leads in and one out, and no gate crosses the border except that of the first node."""
    inside = {node.name for node in run}
    if any(node.kind in ("input", "output", "dummy") for node in run):
        return False
    entering = {edge.source for node in run for edge in node.inputs if edge.source not in inside}
    leaving = {edge.source for node in nodes if node.name not in inside for edge in node.inputs if edge.source in inside}
    controls = {control for node in run[1:] for control in _controls(node)}
    opening = {control for node in nodes if node.name not in inside for control in _controls(node)}
    if run[0].gates and not all(any(edge.default is None and edge.source in inside for edge in node.inputs) for node in run[1:]):
        return False  # skipping the first would not skip all
    one_path = len(entering) == 1 and leaving <= {run[-1].name}
    return one_path and controls <= inside and not opening & inside and not (set(_controls(run[0])) & inside)


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


def _rewired(node: Node, drawn_as: dict[str, str]) -> Node:
    """Return a node whose inputs come from the drawn nodes that represent its sources."""
    inputs = tuple(Edge(drawn_as.get(edge.source, edge.source), edge.default) for edge in node.inputs)
    return replace(node, inputs=tuple(dict.fromkeys(inputs)))
