"""The executor: runs each node for the images whose gates are open (Liu & Deng, AAAI 2018, section 3).

In topological order, a node is skipped if it has control edges and none of them is open, or if one of its inputs is null. A skipped node
sends null, or the default of the data edge if it has one. Skipped nodes are not computed: the rows for which a node runs are gathered, its
module is called once for them, and its output is scaled by the gate and scattered.

The same images can be executed in several copies, at several λ or with several policies. Copies of an image for which the same gates
opened so far share their computation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.graph.graph import Graph
from core.graph.node import GraphError, Node
from core.graph.policy import Policy
from core.graph.rows import bits, combine_keys, first_occurrences, gather_rows, scatter_rows


@dataclass(frozen=True)
class Execution:
    """The execution of a batch of B images.

    outputs  {output node: (B, classes)}, zero where it did not run
    ran      {node: (B,) bool}, for every node, the input included
    values   {control node: (B, K) or (B, K, 2)}, the output of its module; zero where it did not run
    scores   {control node: (B, K)}, its values weighted by λ
    gates    {control node: (B, K)}, zero where it did not run
    """

    outputs: dict[str, Tensor]
    ran: dict[str, Tensor]
    values: dict[str, Tensor]
    scores: dict[str, Tensor]
    gates: dict[str, Tensor]

    @property
    def output(self) -> Tensor:
        """The answer for each image, (B, classes): that of the last output node that ran; NaN if none did."""
        answer = torch.full_like(next(iter(self.outputs.values())), torch.nan)
        for name, output in self.outputs.items():
            answer = torch.where(self.ran[name][:, None], output, answer)
        return answer

    @property
    def predicted(self) -> Tensor:
        """The most likely class of each image, (B,); −1 without an answer."""
        answer = self.output.detach()
        return torch.where(answer.isnan().any(dim=1), -1, answer.argmax(dim=1))

    def always(self, name: str) -> bool:
        """Return whether the graph's structure alone lets a node run for every image, without looking at what ran."""
        return self.ran[name] is next(iter(self.ran.values()))

    def gate(self, node: Node) -> Tensor:
        """Return the factor by which a node's output is scaled for each image, (B,): the largest of its gates, or 1 without gates."""
        if not node.gates:
            ran = next(iter(self.ran.values()))
            return torch.ones(len(ran), device=ran.device)
        return opening_of(node, self.gates)


@dataclass(frozen=True)
class NodeOutput:
    """The output of a node for B rows, zero where it did not run.

    `values` (n, ...) are the distinct outputs, and `index` (B,) is the value of each row. Without `index` there is one value per row.
    """

    values: Tensor
    index: Tensor | None = None

    def per_row(self) -> Tensor:
        """Return one value per row, (B, ...)."""
        return self.values if self.index is None else gather_rows(self.values, self.index)

    def indices(self, rows: Tensor) -> Tensor:
        """Return the indices (n,) of the values of the given rows (n,)."""
        return rows if self.index is None else self.index[rows]

    def gather(self, rows: Tensor) -> Tensor:
        """Return the values of the given rows (n,), (n, ...), without copying them if they are all values in order."""
        indices = self.indices(rows)
        whole = len(indices) == len(self.values) and bool((indices[1:] > indices[:-1]).all())
        return self.values if whole else gather_rows(self.values, indices)

    def scaled(self, by: Tensor) -> "NodeOutput":
        """Return the output with each row multiplied by a factor, (B,), which is zero where the values are."""
        if self.index is None:
            return NodeOutput(self.values * _broadcast(by, self.values))
        if bool(((by == 0) | (by == 1)).all()):
            return self
        first, of = first_occurrences(combine_keys(self.index, bits(by)))
        values = gather_rows(self.values, self.index[first])
        return NodeOutput(values * _broadcast(by[first], values), of)


def execute(
    graph: Graph,
    x: Tensor,
    policy: Policy,
    *,
    lam: Tensor | float | None = None,
    dense: bool = False,
    whole: bool = False,
    copies: int = 1,
) -> Execution:
    """Run a graph on images x (N, C, H, W), each of them `copies` times: B = copies · N rows, row r being image r mod N.

    `lam`, a number or (B,), is required by graphs that serve every λ and ignored by the others. `dense` computes every node for every row
    and multiplies by the gate, so that gradients reach closed gates; the answer is the same. `whole` does this for channel gates only,
    which is faster for many images that keep different channels. Raises GraphError if λ is missing.
    """
    if graph.tradeoff.every_lam and lam is None:
        raise GraphError("this network serves every λ: give one, from 0 (cheap) to 1 (accurate)")
    if not graph.controls and copies == 1:
        return _execute_static(graph, x)
    batch, shared = copies * len(x), copies > 1 and not dense
    lams = None if lam is None else torch.as_tensor(lam, dtype=torch.float32, device=x.device).expand(batch)  # (B,)
    conditions = None if lams is None else graph.tradeoff.condition(lams)  # (B,)
    images = torch.arange(len(x), device=x.device).repeat(copies)  # (B,)
    outputs = {graph.input.name: NodeOutput(x, images) if shared else NodeOutput(x if copies == 1 else x[images])}
    every = torch.ones(batch, dtype=torch.bool, device=x.device)  # itself in `ran` where the graph's structure lets a node run for all rows
    done = Execution({}, {graph.input.name: every}, {}, {}, {})
    for node in graph.nodes[1:]:
        present = inputs_present(node, done.ran)
        opening = opening_of(node, done.gates) if node.gates else None
        done.ran[node.name] = present if opening is None else present & (opening > 0)
        inputs = [_input(outputs[edge.source], edge.default, done.ran[edge.source]) for edge in node.inputs]
        if node.kind == "control":
            values = _run_module(graph, node, inputs, {"weight": conditions}, done.ran[node.name], every, dense, whole).per_row()
            done.values[node.name] = values if present is every else values * _broadcast(present, values)
            done.scores[node.name] = graph.tradeoff.score(done.values[node.name], lams)
            gates = policy(node, done.scores[node.name])
            done.gates[node.name] = gates if present is every else gates * _broadcast(present, done.scores[node.name])
        else:
            channels = {} if node.channels is None else {"channels": done.gates[node.channels.control][:, node.channels.columns]}
            result = _run_module(graph, node, inputs, channels, done.ran[node.name], every, dense, whole)
            result = result if shared else NodeOutput(result.per_row())
            if dense and done.ran[node.name] is not every:
                result = NodeOutput(_without_infinities(result.values, done.ran[node.name]))
            if opening is not None:
                result = result.scaled(opening if present is every else opening * present)
            elif dense and present is not every and not bool(present.all()):
                result = result.scaled(present.to(x))
            if node.kind == "output":
                done.outputs[node.name] = result.per_row()
            else:
                outputs[node.name] = result
        for source in graph.unread[node.name]:
            del outputs[source]
    return done


def _execute_static(graph: Graph, x: Tensor) -> Execution:
    """Run a graph without control nodes. Only a training uses the compiled graph: an evaluation has batches of other sizes."""
    every = torch.ones(len(x), dtype=torch.bool, device=x.device)
    outputs = graph(x) if graph.training else graph.forward(x)
    return Execution(outputs, {node.name: every for node in graph.nodes}, {}, {}, {})


def inputs_present(node: Node, ran: Mapping[str, Tensor]) -> Tensor:
    """Return the rows for which no input of a node is null, (B,) bool: the very rows of the input node where none ever is."""
    every = next(iter(ran.values()))
    needed = [ran[edge.source] for edge in node.inputs if edge.default is None and ran[edge.source] is not every]
    if not needed:
        return every
    return needed[0] if len(needed) == 1 else torch.stack(needed).all(dim=0)


def opening_of(node: Node, gates: Mapping[str, Tensor]) -> Tensor:
    """Return the largest of a node's gates, (B,); if they are 0 or 1, whether any of them is open."""
    return torch.stack([gates[gate.control][:, gate.column] for gate in node.gates]).amax(dim=0)


def _input(output: NodeOutput, default: float | None, ran: Tensor) -> NodeOutput:
    """Return the input along a data edge. The output is zero where the source did not run, so the default is added there."""
    if not default:
        return output
    if output.index is None:
        return NodeOutput(output.values + default * _broadcast(~ran, output.values))
    zero = torch.full_like(output.values[:1], default)
    return NodeOutput(torch.cat([output.values, zero]), torch.where(ran, output.index, len(output.values)))


def _run_module(
    graph: Graph,
    node: Node,
    inputs: Sequence[NodeOutput],
    named: Mapping[str, Tensor | None],
    runs: Tensor,
    every: Tensor,
    dense: bool,
    whole: bool,
) -> NodeOutput:
    """Return a module's output for the rows for which its node runs, zero for the others. `named`: its keyword arguments, (B, ...).

    `every`: the rows of a node that is known to run for all of them, without looking.
    """
    part = graph.parts[node.name]
    shape, batch = graph.shapes[node.name], len(runs)
    if node.kind == "dummy":
        constant: Tensor = part()
        return NodeOutput(torch.cat([constant, torch.zeros_like(constant)]), (~runs & (not dense)).long())
    how = {} if node.channels is None else {"dense": dense or whole}
    if dense or (inputs[0].index is None and (runs is every or bool(runs.all()))):
        result: Tensor = part(*(one.values for one in inputs), **named, **how)
        return NodeOutput(result)
    rows = runs.nonzero().squeeze(1)  # (rows,)
    if not len(rows):
        return NodeOutput(inputs[0].values.new_zeros(1, *shape), torch.zeros_like(runs, dtype=torch.int64))
    unique = None if inputs[0].index is None else _unique_rows(inputs, named, rows)
    chosen = rows if unique is None else rows[unique[0]]
    named = {name: None if value is None else value[chosen] for name, value in named.items()}
    computed: Tensor = part(*(one.gather(chosen) for one in inputs), **named, **how)
    if unique is None:
        return NodeOutput(scatter_rows(computed, rows, batch))
    if len(rows) == batch:
        return NodeOutput(computed, unique[1])
    zero = torch.full_like(runs, len(computed), dtype=torch.int64)
    return NodeOutput(torch.cat([computed, torch.zeros_like(computed[:1])]), zero.index_copy(0, rows, unique[1]))


def _unique_rows(inputs: Sequence[NodeOutput], named: Mapping[str, Tensor | None], rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return where each distinct input of a module first occurs among rows (n,), (kinds,), and the kind of each row, (n,)."""
    kind = torch.zeros_like(rows)
    for one in inputs:
        kind = combine_keys(kind, one.indices(rows))
    for value in named.values():
        if value is not None:
            kind = combine_keys(kind, rows if value.dim() > 1 else bits(value[rows]))
    return first_occurrences(kind)


def _without_infinities(values: Tensor, ran: Tensor) -> Tensor:
    """Return values (B, ...) with infinities and NaN replaced by 0 where a node did not run, (B,) bool, since 0 · ∞ is not 0."""
    if values.device.type == "cpu" and bool(values.detach().sum().isfinite()):  # one pass shows that all are finite; a GPU would wait
        return values
    return torch.where(_broadcast(ran, values).bool() | values.isfinite(), values, 0.0)


def _broadcast(mask: Tensor, like: Tensor) -> Tensor:
    """Return numbers or booleans (B,) in the type of `like` (B, ...) and in a shape that broadcasts with it, (B, 1, ...)."""
    return mask.to(like.dtype).reshape(-1, *[1] * (like.dim() - 1))
