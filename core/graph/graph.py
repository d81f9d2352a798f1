"""The graph of a dynamic network: its nodes in topological order, with their modules, shapes and costs."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from core.graph.measure import measure
from core.graph.node import GraphError, Node
from core.graph.rows import gather_rows
from core.graph.tradeoff import BudgetCurve, ExchangeRate, Tradeoff
from core.graph.validation import columns, topological_order, validate, validate_batch_norm


class Parts(nn.ModuleDict):
    """The modules of a graph by the names of their nodes. Unlike nn.ModuleDict, it accepts names such as "type" and "train".

    A module cannot be assigned, because its shape and cost must be measured, as `Graph.replace` does.
    """

    def __init__(self, parts: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self._modules.update(parts)

    def __setitem__(self, name: str, part: nn.Module) -> None:
        raise TypeError(f"call graph.replace({name!r}, module), which also measures shape and cost")


class Graph(nn.Module):
    """A directed acyclic graph of modules, some of which decide whether others run.

    nodes      the nodes in topological order over data and control edges
    parts      a module per node (none for the input). A regular or output module takes one tensor (B, ...) per data edge; a control
               module also takes `weight`, (B,) or None, and returns values, (B, options) or (B, options, 2); a dummy module takes no input
    shapes     the shape of each node's output for one image
    macs       multiply-adds of each node for one image
    reference  the option of each control node on the path of the highest capacity, which alone is the static network
    unread     the sources whose outputs no later node reads, by node
    tradeoff   the effect of λ on the control nodes
    prices     the cost of each node in the reward, (nodes,): its multiply-adds, unless a method sets other prices, such as seconds
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        parts: Mapping[str, nn.Module],
        image: Sequence[int],
        reference: Mapping[str, str | int] | None = None,
        *,
        every_lam: bool = False,
        measured: Mapping[str, tuple[tuple[int, ...], int]] | None = None,
    ) -> None:
        """`every_lam`: the control nodes take λ's condition, so that the graph serves every λ. `measured`: the shapes and multiply-adds of
        nodes that are known; the others are measured.

        The trade-off is an exchange rate of 1 if a control node returns two values per option, since only two values can be weighed by λ.
        Otherwise it is a budget with `every_lam`, and without it λ has no effect.

        Raises GraphError, naming the node and what to correct, if the graph cannot be executed.
        """
        super().__init__()
        validate(nodes, parts)
        self.nodes: tuple[Node, ...] = topological_order(nodes)
        self.by_name: dict[str, Node] = {node.name: node for node in self.nodes}
        self.parts = Parts(parts)
        validate_batch_norm(self.nodes, parts)
        most_expensive = {control.name: len(control.options) - 1 for control in self.controls}
        self.reference: dict[str, int] = most_expensive | columns(self.nodes, reference or {})
        self.shapes: dict[str, tuple[int, ...]] = {self.input.name: tuple(image)}
        self.macs: dict[str, int] = {self.input.name: 0}
        for node in self.nodes[1:]:
            self.shapes[node.name], self.macs[node.name] = self._measure(
                node, self.parts[node.name], self.shapes, (measured or {}).get(node.name)
            )
        self._check_outputs(self.shapes)
        self.unread: dict[str, list[str]] = _last_reads(self.nodes)
        two_values = any(len(self.shapes[control.name]) == 2 for control in self.controls)
        conditioned = every_lam and bool(self.controls)
        self.tradeoff: Tradeoff = ExchangeRate() if two_values else BudgetCurve() if conditioned else Tradeoff()
        self.prices: Tensor
        self.register_buffer("prices", self._macs_as_prices())

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Return the outputs of a graph without control nodes for images (B, C, H, W): {output node: (B, classes)}.

        Every node runs, so it can be compiled as any network can (`graph.compile()`).
        """
        values = {self.input.name: x}
        for node in self.nodes[1:]:
            part = self.parts[node.name]
            if node.kind == "dummy":
                values[node.name] = gather_rows(part(), torch.zeros(len(x), dtype=torch.int64, device=x.device))
            else:
                values[node.name] = part(*(values[edge.source] for edge in node.inputs))
            for source in self.unread[node.name]:
                del values[source]
        return {node.name: values[node.name] for node in self.outputs}

    def replace(self, name: str, part: nn.Module) -> None:
        """Replace a node's module, and measure its shape and multiply-adds, and those of every later node that reads a changed shape.

        The module moves to the graph's device. `shapes`, `macs` and `prices` are updated; the costs that controllers store or have learned
        are not. Raises GraphError if the node has no module, if the new one's shape does not fit a node that reads it, if it returns
        another number of values per option, if its batch norm cannot be trained behind a gate, or if `prices` are not multiply-adds, since
        the price of the new module is then unknown. On an error, the graph is unchanged.
        """
        node = self.by_name.get(name)
        if node is None or node.kind == "input":
            raise GraphError(f"{name!r} has no module to replace: name one of {', '.join(self.parts)}")
        if not torch.equal(self.prices.cpu(), self._macs_as_prices()):
            raise GraphError(
                f"node {name!r}: prices are not multiply-adds, so that of the new module is unknown: "
                "replace the module before prices are set"
            )
        validate_batch_norm(self.nodes, {**self.parts, name: part})
        shapes, macs = dict(self.shapes), dict(self.macs)
        shapes[name], macs[name] = self._measure(node, part, shapes)
        if node.kind == "control" and shapes[name] != self.shapes[name]:
            raise GraphError(
                f"control node {name!r} returns values {self.shapes[name]} and the new module {shapes[name]}: return as many values for "
                "each option, since the trade-off depends on it, or build another graph"
            )
        changed = {name} if shapes[name] != self.shapes[name] else set[str]()
        for later in self.nodes:
            if any(edge.source in changed for edge in later.inputs):
                shapes[later.name], macs[later.name] = self._measure(later, self.parts[later.name], shapes)
                changed |= {later.name} if shapes[later.name] != self.shapes[later.name] else set()
        self._check_outputs(shapes)
        self.parts._modules[name] = part.to(self.device)
        self.shapes.update(shapes)
        self.macs.update(macs)
        self.prices.copy_(self._macs_as_prices())

    def input_shapes(self, node: Node) -> list[tuple[int, ...]]:
        """Return the shape of each input of a node, for one image."""
        return [self.shapes[edge.source] for edge in node.inputs]

    def _macs_as_prices(self) -> Tensor:
        return torch.tensor([self.macs[node.name] for node in self.nodes], dtype=torch.float64)  # (nodes,)

    def _measure(
        self,
        node: Node,
        part: nn.Module,
        outputs: Mapping[str, tuple[int, ...]],
        known: tuple[tuple[int, ...], int] | None = None,
    ) -> tuple[tuple[int, ...], int]:
        """Return the output shape and the multiply-adds of a node, given the output shapes of the nodes before it."""
        shapes = [outputs[edge.source] for edge in node.inputs]
        channels = 0 if node.channels is None else node.channels.count
        conditioned = node.kind == "control"
        shape, macs = known or measure(part, shapes, conditioned=conditioned, channels=channels, where=f"node {node.name!r}")
        options = len(node.options)
        if node.kind == "control" and shape not in ((options,), (options, 2)):
            raise GraphError(
                f"control node {node.name!r} has {options} options but its module returns {shape}: return one or two values for each"
            )
        return shape, macs

    def _check_outputs(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        first = self.outputs[0]
        for output in self.outputs:
            if len(shapes[output.name]) != 1 or shapes[output.name] != shapes[first.name]:
                sent = f"{first.name!r} sends {shapes[first.name]} and {output.name!r} {shapes[output.name]}"
                raise GraphError(f"every output node sends one score per class, but {sent}: change their modules")

    @property
    def input(self) -> Node:
        """The input node, whose output is the image."""
        return self.nodes[0]

    @property
    def controls(self) -> tuple[Node, ...]:
        """The control nodes, in order."""
        return tuple(node for node in self.nodes if node.kind == "control")

    @property
    def outputs(self) -> tuple[Node, ...]:
        """The output nodes, in order. The answer for an image is that of the last one that ran."""
        return tuple(node for node in self.nodes if node.kind == "output")

    @property
    def device(self) -> torch.device:
        """The device that the graph is on."""
        return self.prices.device

    def opened_by(self, control: str, column: int) -> tuple[str, ...]:
        """Return the names of the nodes whose gate is this column of a control node."""
        return tuple(node.name for node in self.nodes for gate in node.gates if (gate.control, gate.column) == (control, column))


def _last_reads(nodes: Sequence[Node]) -> dict[str, list[str]]:
    """Return, for each node, the sources whose outputs can be freed after it, since no later node reads them."""
    last = {edge.source: node.name for node in nodes for edge in node.inputs}
    return {node.name: [source for source, reader in last.items() if reader == node.name] for node in nodes}
