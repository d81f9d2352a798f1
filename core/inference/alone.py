"""One image on its way through a network: nothing is gathered, and a gate is a plain number."""

import numpy as np
import torch
from torch import Tensor

from core.inference.blocks import Gathered
from core.inference.step import Answer, Mask, Step
from core.network.graph import Graph
from core.network.node import Node
from core.network.policy import Greedy, Open, Policy, Replay
from core.network.weighing import scores

YES, NO = np.ones(1, dtype=np.bool_), np.zeros(1, dtype=np.bool_)


class Alone:
    """One image, (1, C, H, W)."""

    def __init__(self, graph: Graph, x: Tensor, lams: Tensor | None, told: Tensor | None, policy: Policy) -> None:
        """`lams`, `told`: (1,)."""
        self.graph, self.lams, self.told, self.policy = graph, lams, told, policy
        first = x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x
        self.held: dict[str, Tensor | None] = {graph.input.name: first}
        self.masks: dict[str, Mask] = {graph.input.name: YES}
        self.gates: dict[str, Tensor] = {}
        self.opened: dict[str, list[float]] = {}
        self.output: Tensor | None = None

    def take(self, step: Step) -> None:
        """Compute a step if it runs."""
        node = step.node
        opening = self._opening(node) if node.gates else 1.0
        runs = opening > 0
        for edge in step.inputs:
            if edge.default is None and self.held[edge.source] is None:
                runs = False
        self.masks[node.name] = YES if runs else NO
        if step.branch is not None:
            self.held[node.name] = self._block(step, step.branch, runs)
        elif node.kind == "control":
            self._decide(step, runs)
        elif not runs:
            self.held[node.name] = None
        else:
            value = step.run(*self._received(step), owned=step.overwrites) if step.inputs else step.run().clone()
            value = value if opening == 1 else value * opening
            if node.kind == "output":
                self.output = value
            self.held[node.name] = value
        for source in step.last:
            del self.held[source]

    def answer(self) -> Answer:
        """What came out."""
        if self.output is None:
            self.output = torch.full((1, *self.graph.shapes[self.graph.outputs[0].name]), torch.nan)
        return Answer(self.output, self.gates, self.masks)

    def _opening(self, node: Node) -> float:
        """The largest of a node's gates."""
        if len(node.gates) == 1:
            return self.opened[node.gates[0].control][node.gates[0].column]
        return max(self.opened[gate.control][gate.column] for gate in node.gates)

    def _received(self, step: Step) -> list[Tensor]:
        """What comes along the data edges of a step that runs."""
        received = []
        for edge in step.inputs:
            value = self.held[edge.source]
            received.append(torch.full((1, *self.graph.shapes[edge.source]), float(edge.default or 0)) if value is None else value)
        return received

    def _decide(self, step: Step, runs: bool) -> None:
        name = step.node.name
        if not runs and isinstance(self.policy, Greedy | Open | Replay):  # others may draw numbers whatever runs
            self.gates[name] = torch.zeros(1, len(step.node.options))
            self.opened[name] = [0.0] * len(step.node.options)
            return
        values = step.run(*self._received(step), weight=self.told) if runs else torch.zeros(1, *self.graph.shapes[name])
        gates = self.policy(step.node, scores(values, self.lams, self.graph.exchange_rate))
        self.gates[name] = gates if runs else torch.zeros_like(gates)
        self.opened[name] = self.gates[name][0].tolist()

    def _block(self, step: Step, branch: Node, runs: bool) -> Tensor | None:
        """A join and its branch."""
        run, x = step.run, self.held[step.inputs[0].source]
        assert isinstance(run, Gathered)
        opening = self._opening(branch) if branch.gates else 1.0
        self.masks[branch.name] = YES if runs and opening > 0 else NO
        if x is None:
            return None
        if opening <= 0:
            return run.closed(x, step.overwrites)
        channels = None if branch.channels is None else self.gates[branch.channels.control][:, branch.channels.columns]
        return run.open(x, step.overwrites, None if opening == 1 else opening, channels)
