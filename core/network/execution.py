"""The executor: which nodes run for which images, and what comes out (Liu & Deng, AAAI 2018, section 3).

In topological order, a node is skipped if it has control edges and none of them is open, or if one of its inputs is null. A skipped node
sends null, or along a data edge with a default that value. What is skipped is not computed: the rows for which a node runs are gathered,
its module is called once for them, its result is scaled by the gate and scattered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.network.graph import Graph
from core.network.node import GraphError, Node
from core.network.policy import Policy
from core.network.weighing import scores


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


def execute(graph: Graph, x: Tensor, policy: Policy, *, lam: Tensor | float | None = None, dense: bool = False) -> Execution:
    """Run a graph on images x (B, C, H, W).

    `lam`, one number or (B,), is needed by graphs that serve every λ and ignored by the others. `dense` computes every node for every image
    and multiplies by the gate, so that gradients reach closed gates; the answer is the same. Raises GraphError where λ is missing.
    """
    if graph.every_lam and lam is None:
        raise GraphError("this network serves every λ: say which (0 is cheap, 1 is accurate)")
    lams = None if lam is None else torch.as_tensor(lam, dtype=torch.float32, device=x.device).expand(len(x))  # (B,)
    weights = None if lams is None else graph.told(lams)  # (B,)
    sent: dict[str, Tensor] = {graph.input.name: x}
    done = Execution({}, {graph.input.name: torch.ones(len(x), dtype=torch.bool, device=x.device)}, {}, {}, {})
    readers = _last_readers(graph)
    for node in graph.nodes[1:]:
        present = _present(node, done.ran, x)
        opening = _opening(node, done.gates) if node.gates else None
        done.ran[node.name] = present if opening is None else present & (opening > 0)
        inputs = [_received(sent[edge.source], edge.default, done.ran[edge.source]) for edge in node.inputs]
        if node.kind == "control":
            values = _computed(graph, node, inputs, {"weight": weights}, done.ran[node.name], dense)
            done.values[node.name] = values * _spread(present, values)
            done.scores[node.name] = scores(done.values[node.name], lams, graph.exchange_rate)
            done.gates[node.name] = policy(node, done.scores[node.name]) * _spread(present, done.scores[node.name])
        else:
            within = {} if node.channels is None else {"channels": done.gates[node.channels.control][:, node.channels.columns]}
            result = _computed(graph, node, inputs, within, done.ran[node.name], dense)
            if dense:  # what did not run may have given anything, and zero times infinity is not zero
                result = torch.where(_spread(done.ran[node.name], result).bool() | result.isfinite(), result, 0.0)
            if opening is not None or dense:
                result = result * _spread(present if opening is None else opening * present, result)
            (done.outputs if node.kind == "output" else sent)[node.name] = result
        for source in readers[node.name]:
            del sent[source]
    return done


def _present(node: Node, ran: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """For which images no input of a node is null, (B,) bool."""
    needed = [ran[edge.source] for edge in node.inputs if edge.default is None]
    return torch.stack(needed).all(dim=0) if needed else torch.ones(len(x), dtype=torch.bool, device=x.device)


def _opening(node: Node, gates: Mapping[str, Tensor]) -> Tensor:
    """The largest of a node's gates, (B,): of gates in {0, 1}, whether any control edge is active."""
    return torch.stack([gates[gate.control][:, gate.column] for gate in node.gates]).amax(dim=0)


def _received(sent: Tensor, default: float | None, ran: Tensor) -> Tensor:
    """What a node gets along a data edge: where the source did not run it sent zero, so that the default is added."""
    return sent + default * _spread(~ran, sent) if default else sent


def _computed(graph: Graph, node: Node, inputs: Sequence[Tensor], named: Mapping[str, Tensor | None], runs: Tensor, dense: bool) -> Tensor:
    """What a node's module returns for the images for which it runs, scattered among zeros, (B, ...); `named` is what else it takes."""
    part = graph.parts[node.name]
    shape, batch = graph.shapes[node.name], len(runs)
    if node.kind == "dummy":
        constant: Tensor = part()
        return constant.expand(batch, *shape) * _spread(torch.ones_like(runs) if dense else runs, constant)
    how = {} if node.channels is None else {"dense": dense}
    if dense or bool(runs.all()):
        result: Tensor = part(*inputs, **named, **how)
        return result
    rows = runs.nonzero().squeeze(1)  # (rows,)
    if not len(rows):
        return inputs[0].new_zeros(batch, *shape)
    named = {name: None if value is None else value[rows] for name, value in named.items()}
    some: Tensor = part(*(value[rows] for value in inputs), **named, **how)
    return some.new_zeros(batch, *some.shape[1:]).index_copy(0, rows, some)


def _spread(mask: Tensor, like: Tensor) -> Tensor:
    """A number or truth per image, (B,), in the type of `like` and ready to be multiplied with it, (B, 1, ...)."""
    return mask.to(like.dtype).reshape(-1, *[1] * (like.dim() - 1))


def _last_readers(graph: Graph) -> dict[str, list[str]]:
    """For each node, what need not be kept once it is done: the sources that no later node reads."""
    last = {edge.source: node.name for node in graph.nodes for edge in node.inputs}
    return {node.name: [source for source, reader in last.items() if reader == node.name] for node in graph.nodes}
