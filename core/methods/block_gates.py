"""Gates of whole blocks that are drawn at random in training: a score is the log-odds of its gate, and open gates do not scale."""

from core.graph.graph import Graph
from core.graph.node import Gate
from core.methods.static_gates import gate_networks
from core.registry import ConfigError


def draw_block_gates(graph: Graph, log_odds: float, *, detached: bool = False) -> None:
    """Prepare a graph's gate networks for gates that a policy draws, which initially open with the given log-odds.

    `detached`: the scores train the gate networks alone, not the modules that these observe. Raises ConfigError if gates of channels, or a
    gate that lets an answer stand, would have to be drawn as well.
    """
    if any(node.channels is not None for node in graph.nodes):
        raise ConfigError(
            "this method draws the gates of whole blocks: choose the architecture lc_resnet with “Gate blocks” on and “Gate channels” off "
            "(architecture.layers=true, architecture.channels=false)"
        )
    if gate_networks(graph) and len(graph.outputs) > 1:
        raise ConfigError(
            "this method draws the gates of blocks, and none that lets an answer stand: leave out “Let the scout's answer stand” "
            "(architecture.scout_exit)"
        )
    for network in gate_networks(graph).values():
        network.drawn, network.detached = True, detached
        network.least = network.head.bias.new_ones(len(network.head.bias))
        network.head.bias.data.fill_(log_odds)


def block_gates(graph: Graph) -> list[Gate]:
    """Return the gate of each block that has one, in the order in which blocks run."""
    return [node.gates[0] for node in graph.nodes if node.gates]
