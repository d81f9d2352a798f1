"""The pieces of a D2NN graph: data edges, control edges and nodes (Liu & Deng, AAAI 2018, section 3).

Reconstructed: the exact rules of dummy nodes and of nodes with several controllers.
"""

from dataclasses import dataclass
from typing import Literal

from core.errors import UserError

NodeKind = Literal["input", "regular", "control", "dummy", "output"]
Decision = Literal["one", "each"]


class GraphError(UserError):
    """A graph that cannot be executed; its text names the node and says what to mend."""


@dataclass(frozen=True)
class Edge:
    """A data edge. `default` is what is sent for an image whose source did not run; without one, null is sent."""

    source: str
    default: float | None = None


@dataclass(frozen=True)
class Gate:
    """A control edge: the column of a control node's gates that opens the node, and scales what it sends."""

    control: str
    column: int


@dataclass(frozen=True)
class ChannelGate:
    """The columns of a control node, `count` from `first` on, that keep or drop channels inside a node's module (C-Net).

    A channel whose gate is zero is neither computed nor read by the executor; one above zero is scaled by it. (The fast engine computes all
    channels of a block that reads any where that takes less time, as it does for one image.)
    """

    control: str
    first: int
    count: int

    @property
    def columns(self) -> slice:
        """Where they are among the control node's gates."""
        return slice(self.first, self.first + self.count)


@dataclass(frozen=True)
class Node:
    """One node of the graph.

    `options` name a control node's columns, from the cheapest to the dearest. `decides` says how its scores become gates:
    `"one"` opens the column of the highest score (D2NN), `"each"` opens every column whose score is positive and scales by it (L-Net).
    `channels` are the gates inside its module, which then takes them as `channels`, (B, count), and tells by `share` what they save.
    """

    name: str
    kind: NodeKind
    inputs: tuple[Edge, ...] = ()
    gates: tuple[Gate, ...] = ()
    options: tuple[str, ...] = ()
    decides: Decision = "one"
    channels: ChannelGate | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of all nodes that have to be done before this one."""
        within = () if self.channels is None else (self.channels.control,)
        return tuple(edge.source for edge in self.inputs) + tuple(gate.control for gate in self.gates) + within
