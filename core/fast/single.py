"""Runs one image through a network: nothing is gathered, and a gate is a plain number."""

import numpy as np
import torch
from torch import Tensor

from core.fast.blocks import Gathered
from core.fast.onnx_export import CONDITION, gates_of
from core.fast.plan import Answer, AtLam, Mask, Step
from core.fast.segments import NO, YES, Pattern, Segment
from core.graph.graph import Graph
from core.graph.node import Node
from core.graph.policy import Greedy, Open, Policy, Replay


class SingleRunner:
    """Runs one image, (1, C, H, W), step by step or segment by segment."""

    def __init__(self, graph: Graph, x: Tensor, lam: AtLam, policy: Policy) -> None:
        self.graph, self.lams, self.condition, self.policy = graph, lam.lams, lam.condition, policy
        self.held: dict[str, Tensor | None] = {graph.input.name: x}
        self.masks: dict[str, Mask] = {graph.input.name: YES}
        self.gates: dict[str, Tensor] = {}
        self.opened: dict[str, list[float]] = {}
        self.output: Tensor | None = None

    def take(self, one: Step | Segment) -> None:
        """Compute a step or a segment, as far as it runs."""
        if isinstance(one, Segment):
            self._cross(one)
            return
        step, node = one, one.node
        opening, runs = self._enter(step)
        if step.branch is not None:
            self.held[node.name] = self._block(step, step.branch, runs)
        elif node.kind == "control":
            self._decide(node, step.run(*self._received(step), weight=self.condition) if runs else None)
        elif not runs:
            self.held[node.name] = None
        else:
            channels = {} if node.channels is None else {"channels": self.gates[node.channels.control][:, node.channels.columns]}
            value = step.run(*self._received(step), owned=step.overwrites, **channels) if step.inputs else step.run().clone()
            value = value if opening == 1 else value * opening
            if node.kind == "output":
                self.output = value
            self.held[node.name] = value
        self._forget(step)

    def _cross(self, segment: Segment) -> None:
        """Compute a segment, as far as it runs."""
        read = {name: value for name in segment.reads if (value := self.held[name]) is not None}
        program = segment.program(
            Pattern(
                torch.get_num_threads(),
                tuple(name in read for name in segment.reads),
                tuple(self.opened[gate.control][gate.column] > 0 for gate in segment.gates),
                any(self.opened[gate.control][gate.column] not in (0, 1) for gate in segment.gates),
            )
        )
        given = {name: np.ascontiguousarray(value.numpy()) for name, value in read.items()}
        given |= {gates_of(control): self.gates[control].numpy()[:, :, None, None] for control in segment.controls}
        if self.condition is not None:
            given[CONDITION] = self.condition.numpy()[:, None]
        values = program(given)
        self.masks.update(program.ran)
        for step in segment.steps:
            name = step.node.name
            value = torch.from_numpy(values[name]) if name in values else None
            if step.node.kind == "control":
                self._decide(step.node, value)
                continue
            self.held[name] = value
            if step.node.kind == "output" and value is not None:
                self.output = value
        for join, branch in segment.branches:
            self.masks[branch.name] = YES if program.ran[join] is YES and (not branch.gates or self._opening(branch) > 0) else NO
        for step in segment.steps:
            self._forget(step)

    def answer(self) -> Answer:
        """Return the answer, the gates and the nodes that ran."""
        if self.output is None:
            self.output = torch.full((1, *self.graph.shapes[self.graph.outputs[0].name]), torch.nan)
        return Answer(self.output, self.gates, self.masks)

    def _enter(self, step: Step) -> tuple[float, bool]:
        """Return the largest of a step's gates, 1 without gates, and whether the step runs."""
        node = step.node
        opening = self._opening(node) if node.gates else 1.0
        runs = opening > 0 and all(edge.default is not None or self.masks[edge.source] is YES for edge in step.inputs)
        self.masks[node.name] = YES if runs else NO
        return opening, runs

    def _forget(self, step: Step) -> None:
        """Free the values that no later step reads."""
        for source in step.last:
            self.held.pop(source, None)

    def _opening(self, node: Node) -> float:
        """Return the largest of a node's gates."""
        if len(node.gates) == 1:
            return self.opened[node.gates[0].control][node.gates[0].column]
        return max(self.opened[gate.control][gate.column] for gate in node.gates)

    def _received(self, step: Step) -> list[Tensor]:
        """Return the inputs of a step that runs."""
        received = []
        for edge in step.inputs:
            value = self.held[edge.source]
            if value is None:
                value = torch.full((1, *self.graph.shapes[edge.source]), float(edge.default or 0))
            received.append(value.contiguous(memory_format=torch.channels_last) if value.dim() == 4 else value)
        return received

    def _decide(self, node: Node, values: Tensor | None) -> None:
        """Set the gates of a control node from its values; all are closed if it did not run (`values` is None)."""
        if values is None and isinstance(self.policy, Greedy | Open | Replay):  # others may draw numbers whatever runs
            self.gates[node.name] = torch.zeros(1, len(node.options))
            self.opened[node.name] = [0.0] * len(node.options)
            return
        found = torch.zeros(1, *self.graph.shapes[node.name]) if values is None else values
        gates = self.policy(node, self.graph.tradeoff.score(found, self.lams))
        self.gates[node.name] = torch.zeros_like(gates) if values is None else gates
        self.opened[node.name] = self.gates[node.name][0].tolist()

    def _block(self, step: Step, branch: Node, runs: bool) -> Tensor | None:
        """Compute a join and its branch."""
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
