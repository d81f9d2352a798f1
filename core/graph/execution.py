"""The executor: which nodes run for which images, and what comes out (Liu & Deng, AAAI 2018, section 3).

In topological order, a node is skipped if it has control edges and none of them is open, or if one of its inputs is null. A skipped node
sends null, or along a data edge with a default that value. What is skipped is not computed: the rows for which a node runs are gathered,
its module is called once for them, its result is scaled by the gate and scattered.

The same images can be run several times over, at several λ or by several policies. What rows of an image have in common, because the same
gates were open for them so far, is then computed once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.graph.graph import Graph
from core.graph.node import GraphError, Node
from core.graph.policy import Policy
from core.graph.rows import gathered, scattered


@dataclass(frozen=True)
class Execution:
    """What happened to a batch of B images.

    outputs  {output node: (B, classes)}, zero where it did not run
    ran      {node: (B,) bool}, for every node, the input included
    values   {control node: (B, K) or (B, K, 2)}, what its module returned; zero where it did not run
    scores   {control node: (B, K)}, the values weighed by λ
    gates    {control node: (B, K)}, zero where it did not run
    """

    outputs: dict[str, Tensor]
    ran: dict[str, Tensor]
    values: dict[str, Tensor]
    scores: dict[str, Tensor]
    gates: dict[str, Tensor]

    @property
    def output(self) -> Tensor:
        """The answer of each image, (B, classes): that of the last output node that ran; not-a-number where none did."""
        answer = torch.full_like(next(iter(self.outputs.values())), torch.nan)
        for name, output in self.outputs.items():
            answer = torch.where(self.ran[name][:, None], output, answer)
        return answer

    @property
    def predicted(self) -> Tensor:
        """The likeliest class of each image, (B,); −1 where there is no answer."""
        answer = self.output.detach()
        return torch.where(answer.isnan().any(dim=1), -1, answer.argmax(dim=1))

    def gate(self, node: Node) -> Tensor:
        """The number by which each image's result of a node is scaled, (B,): the largest of its control edges, one without any."""
        if not node.gates:
            ran = next(iter(self.ran.values()))
            return torch.ones(len(ran), device=ran.device)
        return _opening(node, self.gates)


@dataclass(frozen=True)
class Sent:
    """What a node sent, zero where it did not run: `values` (n, ...), and which of them each of B rows has, `of` (B,).

    Without `of` there is one value per row.
    """

    values: Tensor
    of: Tensor | None = None

    def by_row(self) -> Tensor:
        """A value per row, (B, ...)."""
        return self.values if self.of is None else gathered(self.values, self.of)

    def numbers(self, rows: Tensor) -> Tensor:
        """Which value some rows (n,) have, (n,)."""
        return rows if self.of is None else self.of[rows]

    def of_rows(self, rows: Tensor) -> Tensor:
        """The values of some rows (n,), (n, ...); not a copy where that is all values in their order."""
        numbers = self.numbers(rows)
        whole = len(numbers) == len(self.values) and bool((numbers[1:] > numbers[:-1]).all())
        return self.values if whole else gathered(self.values, numbers)

    def scaled(self, by: Tensor) -> "Sent":
        """Each row times a number, (B,), which is zero where the values are."""
        if self.of is None:
            return Sent(self.values * _spread(by, self.values))
        if bool(((by == 0) | (by == 1)).all()):
            return self
        first, of = _first_occurrences(_combine_keys(self.of, _bits(by)))
        values = gathered(self.values, self.of[first])
        return Sent(values * _spread(by[first], values), of)


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

    `lam`, one number or (B,), is needed by graphs that serve every λ and ignored by the others. `dense` computes every node for every row
    and multiplies by the gate, so that gradients reach closed gates; the answer is the same. `whole` does so for the gates inside nodes
    that run alone: many images that keep different channels take less time so. Raises GraphError where λ is missing.
    """
    if graph.tradeoff.every_lam and lam is None:
        raise GraphError("this network serves every λ: say which (0 is cheap, 1 is accurate)")
    batch, shared = copies * len(x), copies > 1 and not dense
    lams = None if lam is None else torch.as_tensor(lam, dtype=torch.float32, device=x.device).expand(batch)  # (B,)
    conditions = None if lams is None else graph.tradeoff.condition(lams)  # (B,)
    images = torch.arange(len(x), device=x.device).repeat(copies)  # (B,)
    sent = {graph.input.name: Sent(x, images) if shared else Sent(x if copies == 1 else x[images])}
    done = Execution({}, {graph.input.name: torch.ones(batch, dtype=torch.bool, device=x.device)}, {}, {}, {})
    readers = _last_readers(graph)
    for node in graph.nodes[1:]:
        present = _present(node, done.ran)
        opening = _opening(node, done.gates) if node.gates else None
        done.ran[node.name] = present if opening is None else present & (opening > 0)
        inputs = [_received(sent[edge.source], edge.default, done.ran[edge.source]) for edge in node.inputs]
        if node.kind == "control":
            values = _computed(graph, node, inputs, {"weight": conditions}, done.ran[node.name], dense, whole).by_row()
            done.values[node.name] = values * _spread(present, values)
            done.scores[node.name] = graph.tradeoff.score(done.values[node.name], lams)
            done.gates[node.name] = policy(node, done.scores[node.name]) * _spread(present, done.scores[node.name])
        else:
            within = {} if node.channels is None else {"channels": done.gates[node.channels.control][:, node.channels.columns]}
            result = _computed(graph, node, inputs, within, done.ran[node.name], dense, whole)
            result = result if shared else Sent(result.by_row())
            if dense:
                result = Sent(_usable(result.values, done.ran[node.name]))
            if opening is not None or (dense and not bool(present.all())):
                result = result.scaled(present.to(x) if opening is None else opening * present)
            if node.kind == "output":
                done.outputs[node.name] = result.by_row()
            else:
                sent[node.name] = result
        for source in readers[node.name]:
            del sent[source]
    return done


def _present(node: Node, ran: Mapping[str, Tensor]) -> Tensor:
    """For which rows no input of a node is null, (B,) bool."""
    needed = [ran[edge.source] for edge in node.inputs if edge.default is None]
    return torch.stack(needed).all(dim=0) if needed else torch.ones_like(next(iter(ran.values())))


def _opening(node: Node, gates: Mapping[str, Tensor]) -> Tensor:
    """The largest of a node's gates, (B,): of gates in {0, 1}, whether any control edge is active."""
    return torch.stack([gates[gate.control][:, gate.column] for gate in node.gates]).amax(dim=0)


def _received(sent: Sent, default: float | None, ran: Tensor) -> Sent:
    """What a node gets along a data edge: where the source did not run it sent zero, so that the default is added."""
    if not default:
        return sent
    if sent.of is None:
        return Sent(sent.values + default * _spread(~ran, sent.values))
    nothing = torch.full_like(sent.values[:1], default)
    return Sent(torch.cat([sent.values, nothing]), torch.where(ran, sent.of, len(sent.values)))


def _computed(
    graph: Graph, node: Node, inputs: Sequence[Sent], named: Mapping[str, Tensor | None], runs: Tensor, dense: bool, whole: bool
) -> Sent:
    """What a node's module returns for the rows for which it runs, zero for the others; `named` (B, ...) is what else it takes."""
    part = graph.parts[node.name]
    shape, batch = graph.shapes[node.name], len(runs)
    if node.kind == "dummy":
        constant: Tensor = part()
        return Sent(torch.cat([constant, torch.zeros_like(constant)]), (~runs & (not dense)).long())
    how = {} if node.channels is None else {"dense": dense or whole}
    if dense or (bool(runs.all()) and inputs[0].of is None):
        result: Tensor = part(*(one.values for one in inputs), **named, **how)
        return Sent(result)
    rows = runs.nonzero().squeeze(1)  # (rows,)
    if not len(rows):
        return Sent(inputs[0].values.new_zeros(1, *shape), torch.zeros_like(runs, dtype=torch.int64))
    alike = None if inputs[0].of is None else _unique_rows(inputs, named, rows)
    chosen = rows if alike is None else rows[alike[0]]
    named = {name: None if value is None else value[chosen] for name, value in named.items()}
    some: Tensor = part(*(one.of_rows(chosen) for one in inputs), **named, **how)
    if alike is None:
        return Sent(scattered(some, rows, batch))
    if len(rows) == batch:
        return Sent(some, alike[1])
    nothing = torch.full_like(runs, len(some), dtype=torch.int64)
    return Sent(torch.cat([some, torch.zeros_like(some[:1])]), nothing.index_copy(0, rows, alike[1]))


def _unique_rows(inputs: Sequence[Sent], named: Mapping[str, Tensor | None], rows: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (n,) for which a module gets the same: the first of each kind, (kinds,) numbers among them, and the kind of each, (n,)."""
    kind = torch.zeros_like(rows)
    for one in inputs:
        kind = _combine_keys(kind, one.numbers(rows))
    for value in named.values():
        if value is not None:
            kind = _combine_keys(kind, rows if value.dim() > 1 else _bits(value[rows]))
    return _first_occurrences(kind)


def _first_occurrences(kind: Tensor) -> tuple[Tensor, Tensor]:
    """Of whole numbers (n,) the first place of each, (kinds,), and the kind at each place, (n,)."""
    kinds, of = torch.unique(kind, return_inverse=True)
    places = torch.arange(len(kind), device=kind.device)
    return places.new_full((len(kinds),), len(kind)).scatter_reduce(0, of, places, "amin"), of


def _bits(numbers: Tensor) -> Tensor:
    """Whole numbers (n,) that are equal where numbers are."""
    return numbers.float().contiguous().view(torch.int32).long()


def _combine_keys(kind: Tensor, other: Tensor) -> Tensor:
    """Numbers (n,) that are equal where both are, as small as they can be."""
    other = other - other.min()
    together: Tensor = torch.unique(kind * (other.max() + 1) + other, return_inverse=True)[1]
    return together


def _usable(values: Tensor, ran: Tensor) -> Tensor:
    """Values (B, ...) as they are where a node ran, (B,) bool; elsewhere they may be anything, and zero times infinity is not zero."""
    if bool(values.detach().sum().isfinite()):  # nothing infinite is among them, which takes one pass over them to know
        return values
    return torch.where(_spread(ran, values).bool() | values.isfinite(), values, 0.0)


def _spread(mask: Tensor, like: Tensor) -> Tensor:
    """A number or truth per image, (B,), in the type of `like` and ready to be multiplied with it, (B, 1, ...)."""
    return mask.to(like.dtype).reshape(-1, *[1] * (like.dim() - 1))


def _last_readers(graph: Graph) -> dict[str, list[str]]:
    """For each node, what need not be kept once it is done: the sources that no later node reads."""
    last = {edge.source: node.name for node in graph.nodes for edge in node.inputs}
    return {node.name: [source for source, reader in last.items() if reader == node.name] for node in graph.nodes}
