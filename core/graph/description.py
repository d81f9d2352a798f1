"""A graph as plain data: its nodes, edges and costs, for a table, a file or a picture."""

from typing import Any

from core.graph.cost import NOT_COUNTED
from core.graph.graph import Graph
from core.graph.node import ChannelGate
from core.graph.static import static_macs
from core.scale import cost_share


def describe(graph: Graph) -> dict[str, Any]:
    """Return the nodes with shapes, parameters and multiply-adds, the data edges with defaults, the control edges with options, and totals.

    The option of a control edge to channel gates is their number, such as "16 channels".
    """
    nodes = [
        {
            "name": node.name,
            "kind": node.kind,
            "shape": list(graph.shapes[node.name]),
            "parameters": 0 if node.kind == "input" else sum(weights.numel() for weights in graph.parts[node.name].parameters()),
            "macs": graph.macs[node.name],
            "options": list(node.options),
        }
        for node in graph.nodes
    ]
    data = [
        {"source": edge.source, "target": node.name, "kind": "data", "default": edge.default}
        for node in graph.nodes
        for edge in node.inputs
    ]
    control = [
        {"source": gate.control, "target": node.name, "kind": "control", "option": graph.by_name[gate.control].options[gate.column]}
        for node in graph.nodes
        for gate in node.gates
    ]
    channels = [
        {
            "source": node.channels.control,
            "target": node.name,
            "kind": "control",
            "option": _gated(node.channels),
        }
        for node in graph.nodes
        if node.channels
    ]
    static = static_macs(graph)
    controllers = sum(graph.macs[node.name] for node in graph.controls)
    return {
        "nodes": nodes,
        "edges": data + control + channels,
        "macs_full": sum(graph.macs.values()),
        "macs_static": static,
        "controllers_share": cost_share(controllers, static),
        "every_lam": graph.tradeoff.every_lam,
        "exchange_rate": graph.tradeoff.kappa,
        "tradeoff": graph.tradeoff.description,
        "not_counted": list(NOT_COUNTED),
    }


def _gated(channels: ChannelGate) -> str:
    """Return in words how many channels, or groups of channels, these gates open."""
    return f"{channels.count} {'groups of channels' if channels.nested else 'channels'}"
