"""The pieces of a D2NN graph: data edges, control edges and nodes (Liu & Deng, AAAI 2018, section 3).

Reconstructed: the exact rules of dummy nodes and of nodes with several controllers.
"""

from dataclasses import dataclass
from typing import Literal

from core.errors import UserError

NodeKind = Literal["input", "regular", "control", "dummy", "output"]
Decision = Literal["one", "each"]


class GraphError(UserError):
    """Raised when a graph cannot be built or executed. The text names the node and says what to correct."""


@dataclass(frozen=True)
class Edge:
    """A data edge. For an image for which its source did not run, it carries `default`, or null without a default."""

    source: str
    default: float | None = None


@dataclass(frozen=True)
class Gate:
    """A control edge: the column of a control node's gates that opens a node and scales its output."""

    control: str
    column: int


@dataclass(frozen=True)
class ChannelGate:
    """`count` columns of a control node, starting at `first`, that gate the channels inside a node's module (C-Net), or groups of them.

    A channel whose gate is zero is neither computed nor read by the executor; any other channel is scaled by its gate. (The fast engine
    computes all channels of a block if that takes less time, as it does for one image.) `nested`: each gate is that of a group of channels,
    and the first closed one closes all groups behind it.
    """

    control: str
    first: int
    count: int
    nested: bool = False

    @property
    def columns(self) -> slice:
        """The slice of these gates among the control node's."""
        return slice(self.first, self.first + self.count)


@dataclass(frozen=True)
class Node:
    """One node of the graph.

    `options` name a control node's columns, ordered from the cheapest. `decides` says how its scores become gates:
    `"one"` opens the column of the highest score (D2NN), `"each"` opens every column whose score is positive and scales by it (L-Net).
    `channels` are the gates inside its module, which then takes them as `channels`, (B, count), and reports its cost by `share`.
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
        """The names of all nodes that must run before this one."""
        channel_control = () if self.channels is None else (self.channels.control,)
        return tuple(edge.source for edge in self.inputs) + tuple(gate.control for gate in self.gates) + channel_control
